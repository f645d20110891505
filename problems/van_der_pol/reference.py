"""Classical solver of the Van der Pol oscillator: DOP853, every trajectory for itself."""

import torch
from torch import Tensor

from sciml.core.types import Params, Trajectory
from sciml.reference import Slope, integrate_rows

from .equations import friction, restoring

RANGE = 2.0
"""Initial displacement and velocity lie in ``[−RANGE, RANGE]``."""


def initial_state(generator: torch.Generator) -> Tensor:
    """(x, v), uniform and independent."""
    return RANGE * (2 * torch.rand(2, generator=generator, dtype=torch.float64) - 1)


def simulate(params: Params, initial: Tensor, times: Tensor, *, rtol: float = 1e-11) -> Trajectory:
    """States at `times`; see `sciml.core.problem.Evolves.simulate`.

    At μ = 20 the jumps between the slow branches last about 1/μ and the slow branches μ, and each row jumps at its own
    time, so the rows share no steps.
    """
    slopes = [_slope(mu) for mu in params["mu"].tolist()]
    return integrate_rows(slopes, initial, times, rtol=rtol, atol=1e-2 * rtol)


def _slope(mu: float) -> Slope:
    return lambda time, state: (state[1], friction(*state, mu) + restoring(state[0]))
