"""Ordinary differential equations driven by functions of time, many functions at once."""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import Images
from sciml.core.errors import UserError
from sciml.core.functions import Functions
from sciml.core.status import Status

ForcedSlope = Callable[[Tensor, Tensor], Tensor]
"""``dy/dt`` from the states ``batch channel`` and the forcing ``batch``, row by row."""


def integrate_forced(
    slope: ForcedSlope,
    forcing: Functions,
    initial: Float[Tensor, " channel"],
    times: Float[Tensor, " time"],
    *,
    start: float,
    largest_step: float,
    bound: float = math.inf,
) -> Images:
    """States of dy/dt = slope(y, u(t)), y(start) = initial, at `times`, by the classical Runge-Kutta method, order 4.

    The steps are the same for all functions, so that u is evaluated at all of their ends and middles at once.

    Arguments:
        slope: right-hand side.
        forcing: u, of one variable.
        initial: y at the start, the same for all functions.
        times: in any order, none before the start.
        start: where integration begins.
        largest_step: every interval between outputs is cut into equal steps of at most this.
        bound: a function whose state leaves [-bound, bound] has diverged.

    Returns: ``function time channel``; DIVERGED, and NaN throughout, where a state leaves the bound.
    """
    times = times.double()
    if bool((times < start).any()) or largest_step <= 0:
        raise UserError("a time lies before the start, or the step is not positive",
                        got=f"from {float(times.min())}, start {start}, step {largest_step}")  # fmt: skip
    stops = torch.unique(torch.cat((times.new_tensor([start]), times)))
    counts = [max(1, math.ceil((late - early) / largest_step - 1e-9)) for early, late in pairwise(stops.tolist())]
    ends = [stops[:1]]
    for (early, late), count in zip(pairwise(stops.tolist()), counts, strict=True):
        ends.append(torch.linspace(early, late, count + 1, dtype=torch.float64)[1:])
    nodes = torch.cat(ends)
    halves = torch.stack((nodes[:-1], (nodes[:-1] + nodes[1:]) / 2), dim=1).flatten()
    u = forcing(torch.cat((halves, nodes[-1:]))[:, None])
    state = initial.double().expand(len(forcing), -1)
    kept, step, diverged = [state], 0, torch.zeros(len(forcing), dtype=torch.bool)
    for count in counts:
        for _ in range(count):
            dt = nodes[step + 1] - nodes[step]
            before, middle, after = u[:, 2 * step], u[:, 2 * step + 1], u[:, 2 * step + 2]
            k1 = slope(state, before)
            k2 = slope(state + dt / 2 * k1, middle)
            k3 = slope(state + dt / 2 * k2, middle)
            k4 = slope(state + dt * k3, after)
            state = state + dt / 6 * (k1 + 2 * (k2 + k3) + k4)
            broken = ~(state.abs() <= bound).all(1)
            diverged |= broken
            state = torch.where(broken[:, None], torch.nan, state)
            step += 1
        kept.append(state)
    values = torch.stack(kept, dim=1)[:, torch.searchsorted(stops, times.contiguous())]
    values = torch.where(diverged[:, None, None], torch.nan, values)
    return Images(values, torch.where(diverged, int(Status.DIVERGED), int(Status.OK)).to(torch.int8))
