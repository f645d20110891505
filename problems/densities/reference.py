"""Samplers of the densities: exact, float64, a function of the generator's state and the number of points."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .equations import (
    BLADES,
    GAUSSIANS,
    MOON_NOISE,
    RADIAL,
    TANGENTIAL,
    TWIST,
    WIDTH,
    gaussian_centres,
    moon_arcs,
)


def moons(count: int, generator: torch.Generator) -> Tensor:
    """Points near two interleaved half circles, ``count 2``."""
    angle = math.pi * torch.rand(count, generator=generator, dtype=torch.float64)
    which = torch.randint(2, (count,), generator=generator)
    return moon_arcs(angle)[which, torch.arange(count)] + MOON_NOISE * _normal(count, generator)


def gaussians(count: int, generator: torch.Generator) -> Tensor:
    """Points of eight equal Gaussians on a circle, ``count 2``."""
    which = torch.randint(GAUSSIANS, (count,), generator=generator)
    return gaussian_centres()[which] + WIDTH * _normal(count, generator)


def pinwheel(count: int, generator: torch.Generator) -> Tensor:
    """Points of five bent blades, ``count 2``."""
    which = torch.randint(BLADES, (count,), generator=generator)
    scale = torch.tensor([RADIAL, TANGENTIAL], dtype=torch.float64)
    blade = scale * _normal(count, generator) + torch.tensor([1.0, 0.0], dtype=torch.float64)
    angle = which * (2 * math.pi / BLADES) + TWIST * blade[:, 0].exp()
    cos, sin = angle.cos(), angle.sin()
    turned = torch.stack([cos * blade[:, 0] + sin * blade[:, 1], cos * blade[:, 1] - sin * blade[:, 0]], dim=1)
    return 2 * turned


SAMPLERS: dict[str, Callable[[int, torch.Generator], Tensor]] = {
    "moons": moons,
    "gaussians": gaussians,
    "pinwheel": pinwheel,
}
"""By name."""


def _normal(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, 2, generator=generator, dtype=torch.float64)
