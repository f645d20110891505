"""Equations with some function for their hidden part, integrated from where they are known exactly."""

from collections.abc import Callable

import torch
from torch import Tensor

from sciml import ode
from sciml.core.capabilities import HasHiddenTerm, HeldOut
from sciml.core.clock import Clock
from sciml.core.types import Params, Trajectory

MAX_STEPS = 4000


def start_of(problem: HasHiddenTerm, trajectory: int, points: Tensor) -> tuple[Tensor, Tensor]:
    """A and B of u = A + B N at some points, ``point channel`` each; where B is zero, u is known exactly."""
    coordinates = problem.rate_equation.in_domain_order(points.double())
    offset, factor = problem.ansatz(trajectory).parts(coordinates, [""])
    return offset[""], factor[""]


def method_for(times: Tensor) -> str:
    """The method that integrates to these times: an implicit one where they crowd, for they do where scales differ."""
    return "tsit5" if Clock.of(times).even else "rodas4"


def forecast(
    problem: HasHiddenTerm, hidden: Callable[[Tensor], Tensor], held: HeldOut, scalars: Params | None = None
) -> Trajectory:
    """The held-out trajectory with the hidden part `hidden`, a function ``point input -> point channel``.

    Integrated by `sciml.ode`, in space on the grid of the held-out states, by `method_for` the times. A forecast that
    breaks down has a status and ends in NaN.
    """
    numbers = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in (scalars or {}).items()}
    limit = 1e3 * held.states.abs().max()

    def rate(time: Tensor, state: Tensor) -> Tensor:
        each = {name: value.expand(len(state)) for name, value in numbers.items()}
        rates = problem.rate_equation.rates(time.expand(len(state)), state, hidden, each)
        return torch.where(state.abs() < limit, rates, torch.nan)

    with torch.no_grad():
        solved = ode.solve(
            rate, held.states[:1].double(), held.times.double(), rtol=1e-6, atol=1e-8,
            method=method_for(held.times), max_steps=MAX_STEPS,
        )  # fmt: skip
    return Trajectory(solved.states, solved.status)
