"""Reference paths of the noisy cubic spiral: a strong method with fixed steps, in float64."""

import torch
from torch import Tensor

from sciml.ode import Solution, solve_sde

from .equations import NOISE, POINTS, SPAN, START, diffusion, drift

STEP = 1 / 290
"""Ten steps between two of the 30 times; see the README for what it leaves."""


def times() -> Tensor:
    """30 equal times from 0 to 1, float64."""
    return torch.linspace(0.0, SPAN, POINTS, dtype=torch.float64)


def paths(
    count: int, seed: int = 0, *, method: str = "srk", step: float | None = STEP, noise: float = NOISE, **options: float
) -> Solution:
    """`count` independent paths from the start at `times`, ``path time 2``; `options` go to `solve_sde`."""
    start = torch.tensor([START], dtype=torch.float64).expand(count, -1)
    return solve_sde(
        lambda _, state: drift(state),
        lambda _, state: diffusion(state, noise),
        start,
        times(),
        method=method,
        step=step,
        seed=seed,
        **options,
    )
