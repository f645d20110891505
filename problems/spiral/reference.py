"""Classical solver of the cubic spiral: RK4 with steps that follow the state, which turns ever more slowly."""

import math

import torch
from torch import Tensor

from sciml.core.types import Params, Trajectory
from sciml.reference import integrate

from .equations import CLOSURES, ROTATION, quartic, rate

RADIUS = (1.5, 2.5)
"""Range of the initial distance from the origin."""
STEP = 0.025
"""Largest step in units of the inverse of the steepest slope of dy/dt on the curve ``Q = const``, ``3 b sqrt(Q)``."""


def initial_state(generator: torch.Generator) -> Tensor:
    """A point of the ring: radius uniform in `RADIUS`, angle uniform."""
    unit = torch.rand(2, generator=generator, dtype=torch.float64)
    radius, angle = RADIUS[0] + (RADIUS[1] - RADIUS[0]) * unit[0], 2 * math.pi * unit[1]
    return radius * torch.stack([angle.cos(), angle.sin()])


def simulate(params: Params, initial: Tensor, times: Tensor, *, step: float = STEP) -> Trajectory:
    """States at `times`; see `sciml.core.problem.Evolves.simulate`.

    ``max(y₁², y₂²) <= sqrt(Q)`` and Q never grows, so the step chosen at an output time is safe until the next one.
    """
    return integrate(
        lambda state: rate(state, params, CLOSURES),
        initial,
        times.tolist(),
        largest_step=lambda state: step / (3 * ROTATION * quartic(state).sqrt()),
        is_admissible=lambda state: state.isfinite().all(1),
    )
