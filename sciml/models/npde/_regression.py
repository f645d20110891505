"""The residual of a step, which is linear in the coefficients: what pseudo-inverse learning solves."""

from __future__ import annotations

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.types import Params
from sciml.models.npde._coefficients import Trainable
from sciml.models.npde._network import NPDE
from sciml.models.npde._rates import Moment
from sciml.models.npde._schemes import in_modes
from sciml.models.npde._spec import SpecAxis
from sciml.models.npde._stencils import applied, padded

_NEWTON_COTES = {
    1: (1 / 2, 1 / 2),
    2: (1 / 6, 4 / 6, 1 / 6),
    3: (1 / 8, 3 / 8, 3 / 8, 1 / 8),
    4: (7 / 90, 32 / 90, 12 / 90, 32 / 90, 7 / 90),
}
"""Weights of a mean over equidistant times: trapezoids, Simpson's two rules, Boole's."""


def trainable_numbers(network: NPDE) -> tuple[str, ...]:
    """The coefficients a regression can find."""
    return tuple(entry.name for entry in network.spec.coefficients if isinstance(entry, Trainable))


@torch.no_grad()
def regression_rows(
    network: NPDE,
    states: Inexact[Tensor, "batch time channel *space"],
    *,
    parameters: Params | None = None,
    inputs: Float[Tensor, "batch time input"] | None = None,
    smoothing: int = 0,
    weights: Float[Tensor, " channel"] | None = None,
    margin: int = 0,
) -> Float[Tensor, "row column"]:
    """One row (φ_1 … φ_p, y) per cell, field and time of the equation y = Σ c_i φ_i, in float64.

    With one substep of ``explicit``, ``imex`` or ``crank_nicolson`` this is the step itself, so that data of the scheme
    give its coefficients to rounding. Else it is the integral over up to four frames by Newton and Cotes.

    Arguments:
        network: with ``tied`` coefficients.
        states: frames `dt` apart, two or more.
        parameters, inputs: as in a rollout.
        smoothing: how often rows are averaged with (1, 2, 1)/4 along every axis: a weak form, against noise.
        weights: the size of the rows of each field; None for 1.
        margin: cells that are left out at both ends of axes that are not periodic, where nobody knows what is beyond.

    Raises: UserError where nothing can be found so.
    """
    spec = network.spec
    if spec.sharing == "per_step" or not trainable_numbers(network):
        raise UserError("pseudo-inverse learning finds numbers that are the same at every step",
                        got=f"sharing={spec.sharing!r}, trainable: {', '.join(trainable_numbers(network)) or 'none'}",
                        expected="sharing='tied' and a trainable coefficient")  # fmt: skip
    if states.shape[1] < 2:
        raise UserError("one frame has no rate of change", got=tuple(states.shape), expected="two frames or more")
    states = torch.stack([network.checked(u, None if inputs is None else inputs[:, 0]) for u in states.unbind(1)], 1)
    exact = spec.substeps == 1 and spec.scheme in ("explicit", "imex", "crank_nicolson")
    last, begin, rows = states.shape[1] - 1, 0, []
    while begin < last:
        length = 1 if exact else min(4, last - begin)
        rows.append(_equation(network, states[:, begin : begin + length + 1], begin, parameters, inputs))
        begin += length
    table = torch.cat(rows)  # batch*pieces column channel *space
    table = _smoothed(table, spec.axes, smoothing)
    table = inner(table, spec.axes, margin)
    if weights is not None:
        table = table * weights.to(table).view(-1, *[1] * len(spec.axes))
    flat = table.movedim(1, -1).flatten(0, -2)
    if flat.is_complex():
        flat = torch.cat((flat.real, flat.imag))
    return flat.double()


def _equation(
    network: NPDE, frames: Tensor, begin: int, parameters: Params | None, inputs: Tensor | None
) -> Inexact[Tensor, "batch column channel *space"]:
    spec, length = network.spec, frames.shape[1] - 1
    implicit = spec.substeps == 1 and spec.scheme == "imex"
    forward = spec.substeps == 1 and spec.scheme == "explicit"
    total: Tensor | None = None
    for i, weight in enumerate(_NEWTON_COTES[length]):
        driven = None if inputs is None else inputs[:, begin + i]
        at = network.moment((begin + i) * spec.dt, begin + i, driven, parameters)
        if implicit or forward:
            if forward and i:
                continue
            diffuses = bool(i)
            part = _columns(network, frames[:, i], at, parameters, diffuses if implicit else None)
            weight = 1.0
        else:
            part = _columns(network, frames[:, i], at, parameters, None)
        total = weight * part if total is None else total + weight * part
    assert total is not None
    rate = (frames[:, -1] - frames[:, 0]) / (length * spec.dt)
    return torch.cat((total[:, :-1], (rate - total[:, -1])[:, None]), 1)


def _columns(
    network: NPDE, state: Tensor, at: Moment, parameters: Params | None, diffusion: bool | None
) -> Inexact[Tensor, "batch column channel *space"]:
    """Columns and the known part, of all terms, of diffusion only, or of the rest only."""
    columns, known = network.rates.columns(
        state,
        lambda name: network.coefficient(name, state, at, parameters),
        at,
        only=lambda term: diffusion is None or in_modes(term) == diffusion,
    )
    zeros = torch.zeros_like(state)
    return torch.stack([*(columns.get(name, zeros) for name in trainable_numbers(network)), known], 1)


def inner(values: Inexact[Tensor, "*shape"], axes: tuple[SpecAxis, ...], margin: int) -> Inexact[Tensor, "*part"]:
    """Fields without the cells next to the ends of axes that are not periodic; a half of every axis stays at least."""
    for i, axis in enumerate(axes):
        cut = 0 if axis.boundary == "periodic" else min(margin, axis.size // 4)
        values = values.narrow(values.ndim - len(axes) + i, cut, axis.size - 2 * cut)
    return values


def _smoothed(table: Tensor, axes: tuple[SpecAxis, ...], times: int) -> Tensor:
    """Means over neighbours; along an axis that is not periodic the rows nearest to the walls keep their weight."""
    for _ in range(times):
        for i, axis in enumerate(axes):
            dim = table.ndim - len(axes) + i
            edge = "periodic" if axis.boundary == "periodic" else "neumann"
            table = applied(padded(table, dim, 1, edge), dim, (0.25, 0.5, 0.25))
    return table
