"""Points in the unit cube, by a generator."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

PointSet = Literal["uniform", "latin", "sobol", "lattice"]
"""Independent points; one in every slab along every axis; a scrambled Sobol' sequence; midpoints of a regular grid."""


def unit_points(kind: PointSet, count: int, dim: int, generator: torch.Generator) -> Float[Tensor, "point dim"]:
    """`count` points of (0, 1)^dim, float64; a lattice has at most so many, the most that fill a cube evenly."""
    return _POINT_SETS[kind](count, dim, generator)


def _uniform(count: int, dim: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, dim, generator=generator, dtype=torch.float64)


def _latin(count: int, dim: int, generator: torch.Generator) -> Tensor:
    slabs = torch.stack([torch.randperm(count, generator=generator) for _ in range(dim)], dim=1)
    return (slabs + torch.rand(count, dim, generator=generator, dtype=torch.float64)) / count


def _sobol(count: int, dim: int, generator: torch.Generator) -> Tensor:
    """A. B. Owen's scrambling (J. Complexity 14 (1998) 466-489) as torch has it."""
    seed = int(torch.randint(2**31, (), generator=generator))
    return torch.quasirandom.SobolEngine(dim, scramble=True, seed=seed).draw(count, dtype=torch.float64)


def _lattice(count: int, dim: int, generator: torch.Generator) -> Tensor:
    size = max(1, math.floor(count ** (1 / dim) + 1e-9))
    line = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    return torch.cartesian_prod(*[line] * dim).view(-1, dim)


_POINT_SETS: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "uniform": _uniform,
    "latin": _latin,
    "sobol": _sobol,
    "lattice": _lattice,
}
