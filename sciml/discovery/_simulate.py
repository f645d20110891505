"""Equations with some function for their hidden part, integrated from where they are known exactly."""

from collections.abc import Callable

import torch
from torch import Tensor

from sciml import ode
from sciml.core.capabilities import HasHiddenTerm, HeldOut, Levels
from sciml.core.clock import Clock
from sciml.core.types import Params, Trajectory

MAX_STEPS = 4000


def start_of(problem: HasHiddenTerm, trajectory: int, points: Tensor) -> tuple[Tensor, Tensor]:
    """A and B of u = A + B N at some points, ``point channel`` each; where B is zero, u is known exactly."""
    coordinates, channels = problem.rate_equation.in_domain_order(points.double()), len(problem.fields)
    offset, factor = problem.ansatz(trajectory).parts(coordinates, [""])
    return offset[""][:, :channels], factor[""][:, :channels]


def method_for(times: Tensor) -> str:
    """The method that integrates to these times: an implicit one where they crowd, for they do where scales differ."""
    return "tsit5" if Clock.of(times).even else "rodas4"


def scaled(levels: Levels, states: Tensor) -> Tensor:
    """States ``… channel *space`` without their offset and in units of their scale, see `Levels`."""
    offset, scale = _beside(levels, states)
    return (states - offset) / scale


def unscaled(levels: Levels, states: Tensor) -> Tensor:
    """The inverse of `scaled`."""
    offset, scale = _beside(levels, states)
    return states * scale + offset


def rescaled(levels: Levels, rates: Tensor) -> Tensor:
    """Rates of states in units of their scale."""
    return rates / _beside(levels, rates)[1]


def _beside(levels: Levels, states: Tensor) -> tuple[Tensor, Tensor]:
    shape = (-1, *(1 for _ in states.shape[2:]))
    return levels.offset.view(shape), levels.scale.view(shape)


def forecast(
    problem: HasHiddenTerm, hidden: Callable[[Tensor], Tensor], held: HeldOut, scalars: Params | None = None,
    trajectory: int = -1,
) -> Trajectory:  # fmt: skip
    """The held-out trajectory with the hidden part `hidden`, a function ``point input -> point channel``.

    Integrated by `sciml.ode`, in space on the grid of the held-out states, by `method_for` the times, with tolerances
    in units of the fields' `Levels`. A forecast that breaks down has a status and ends in NaN.

    Arguments:
        problem: gives the known part.
        hidden: the hidden part.
        held: the first state and the times.
        scalars: unknown scalars of the known part.
        trajectory: whose drivers there are; by default the one held out.
    """
    numbers = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in (scalars or {}).items()}
    levels = problem.levels
    states = scaled(levels, held.states.double())
    limit = 1e3 * states.nan_to_num(0.0).abs().max()

    def rate(time: Tensor, state: Tensor) -> Tensor:
        each = {name: value.expand(len(state)) for name, value in numbers.items()}
        times, driven = time.expand(len(state)), problem.drivers(trajectory, time.expand(len(state)))
        rates = problem.rate_equation.rates(times, unscaled(levels, state), hidden, each, driven)
        return torch.where(state.abs() < limit, rescaled(levels, rates), torch.nan)

    with torch.no_grad():
        solved = ode.solve(
            rate, states[:1], held.times.double(), rtol=1e-6, atol=1e-8,
            method=method_for(held.times), max_steps=MAX_STEPS,
        )  # fmt: skip
    return Trajectory(unscaled(levels, solved.states[0])[None], solved.status)


def relative_error(problem: HasHiddenTerm, found: Tensor, true: Tensor) -> float:
    """Relative L2 error of states ``time channel *space``, in units of the fields' `Levels`; gaps do not count."""
    levels = problem.levels
    wanted, made = scaled(levels, true.double()), scaled(levels, found.double())
    here = wanted.isfinite()
    return float((made - wanted)[here].norm() / wanted[here].norm())
