"""Classical solver of the Lotka-Volterra equations: RK4 with steps from the bounds the invariant sets to an orbit."""

import numpy as np
import torch
from torch import Tensor

from sciml.core.types import Params, Trajectory
from sciml.reference import DenseTrajectories, integrate

from .equations import BENCHMARK, CLOSURES, END, parts, rate

RANGE = (0.5, 1.5)
"""Range of both initial populations; the prey always start below their equilibrium γ/δ."""
STEP = 0.02
"""Largest step in units of the inverse of the fastest rate of the orbit, max(β y, δ x)."""


def initial_state(generator: torch.Generator) -> Tensor:
    """(x, y), uniform and independent in `RANGE`."""
    low, high = RANGE
    return low + (high - low) * torch.rand(2, generator=generator, dtype=torch.float64)


def simulate(params: Params, initial: Tensor, times: Tensor, *, step: float = STEP) -> Trajectory:
    """States at `times`; see `sciml.core.problem.Evolves.simulate`.

    An orbit keeps ``r − 1 − ln r <= V/γ`` for r = δ x/γ, which bounds r by ``1 + q + sqrt(q² + 2 q)`` with q = V/γ, and
    the predators in the same way; so the rates met between two output times are known beforehand. A row is DIVERGED
    when a population is not finite or not positive.
    """

    def largest_step(state: Tensor) -> Tensor:
        level = sum(parts(state, params))
        rates = [params[name] * largest_ratio(level / params[name]) for name in ("gamma", "alpha")]
        return step / torch.maximum(*rates)

    return integrate(
        lambda state: rate(state, params, CLOSURES),
        initial,
        times.tolist(),
        largest_step=largest_step,
        is_admissible=lambda state: (state.isfinite() & (state > 0)).all(1),
    )


def largest_ratio(q: Tensor) -> Tensor:
    """A bound of r where ``r − 1 − ln r = q``: with r = 1 + u, ``u − ln(1 + u) >= u²/(2 (1 + u))`` for u >= 0."""
    return 1 + q + (q * q + 2 * q).sqrt()


def _benchmark_rate(state: np.ndarray) -> np.ndarray:
    numbers = {name: torch.tensor([value], dtype=torch.float64) for name, value in BENCHMARK.items()}
    return rate(torch.from_numpy(state)[None], numbers, CLOSURES)[0].numpy()


BENCHMARK_TRAJECTORIES = DenseTrajectories(_benchmark_rate, np.array, END)
"""At the parameters of the benchmark, by initial condition (x, y): DOP853 at tolerances of 1e-12, dense in time."""
