"""Points at which a surrogate is asked, with what never changes there: scaled coordinates, the ansatz' derivatives."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.core.problem import HasHiddenTerm, Problem
from sciml.solvers.discovery._stacked import Jet


class Scales(NamedTuple):
    """What makes everything of order one.

    Fields:
        lower, upper: of the coordinates over all observations.
        field: largest magnitude of each field.
        rate: field scale per time scale, of d(state)/dt and of the hidden term.
        input: of each input of the known part; a derivative is scaled by 2π over the extent of its axis.
    """

    lower: Float[Tensor, " dim"]
    upper: Float[Tensor, " dim"]
    field: Float[Tensor, " channel"]
    rate: Float[Tensor, " channel"]
    input: Float[Tensor, " input"]


class Column(NamedTuple):
    """Where an input comes from: which field, and how often it is differentiated by the axis in space."""

    channel: int
    order: int


def columns_of(problem: Problem) -> tuple[Column, ...]:
    """The inputs of a problem that `HasHiddenTerm`: ``u`` is a field's symbol, ``u_x`` and ``u_xx`` its derivatives.

    Raises: UserError for a name that is neither.
    """
    assert isinstance(problem, HasHiddenTerm)
    axes = list(problem.boundary)
    known = {field.symbol: Column(i, 0) for i, field in enumerate(problem.fields)}
    for axis in axes[:1]:
        for i, field in enumerate(problem.fields):
            known |= {f"{field.symbol}_{axis * order}": Column(i, order) for order in (1, 2)}
    for name in problem.inputs:
        if name not in known:
            raise UserError(f"problem {problem.name!r} has an input that is no field or derivative", got=repr(name),
                            expected=f"one of: {', '.join(known)}")  # fmt: skip
    return tuple(known[name] for name in problem.inputs)


def scales_of(problem: Problem, lower: Tensor, upper: Tensor, largest: Tensor) -> Scales:
    """Scales from the range of the coordinates and the largest magnitude of each field."""
    extent = upper - lower
    field = torch.where(largest > 0, largest, 1.0)
    inputs = torch.stack([
        field[column.channel] * (2 * torch.pi / extent[-1]) ** column.order for column in columns_of(problem)
    ])  # fmt: skip
    return Scales(lower, upper, field, field * 2 * torch.pi / extent[0], inputs)


class Places(nn.Module):
    """Points on every trajectory, as many on each.

    u = A + B N holds at them exactly; A, B and their derivatives are worked out once.

    Arguments:
        problem: gives the ansatz.
        coordinates: of the points.
        scales: of the coordinates.
        bends: whether second derivatives are needed.
    """

    def __init__(
        self, problem: Problem, coordinates: Float[Tensor, "trajectory point dim"], scales: Scales, *, bends: bool,
        trajectories: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        assert isinstance(problem, HasHiddenTerm)
        chosen = range(len(coordinates)) if trajectories is None else trajectories
        parts = [_jets(problem, k, points, bends) for k, points in zip(chosen, coordinates, strict=True)]
        self.bends, self.dims = bends, coordinates.shape[-1]
        self.slope = [float(value) for value in 2 / (scales.upper - scales.lower)]
        self.register_buffer("coordinates", coordinates, persistent=False)
        scaled = 2 * (coordinates - scales.lower) / (scales.upper - scales.lower) - 1
        self.register_buffer("scaled", scaled, persistent=False)
        for name, index in (("offset", 0), ("factor", 1)):
            self.register_buffer(name, torch.stack([torch.stack(part[index]) for part in parts], 1), persistent=False)

    def state(self, free: Jet, members: int, field: Tensor) -> Jet:
        """The constrained state with its derivatives in physical units, from a network's jet; ``member`` is last."""

        def grouped(values: Tensor) -> Tensor:
            return values.view(members, -1, *values.shape[1:]) * field

        A, B = self.offset, self.factor
        n, *first = grouped(free.value), *(grouped(d) * s for d, s in zip(free.first, self.slope, strict=True))
        value = A[0] + B[0] * n
        slopes = tuple(A[1 + i] + B[1 + i] * n + B[0] * d for i, d in enumerate(first))
        if not self.bends:
            return Jet(value, slopes, None)
        assert free.second is not None
        bend = grouped(free.second) * self.slope[-1] ** 2
        return Jet(value, slopes, A[-1] + B[-1] * n + 2 * B[self.dims] * first[-1] + B[0] * bend)


def _jets(problem: HasHiddenTerm, trajectory: int, points: Tensor, bends: bool) -> tuple[list[Tensor], list[Tensor]]:
    """Value, first derivatives by every coordinate, and second by the last, of A and of B."""
    where = points.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        parts = problem.ansatz(trajectory, where)
        return tuple(_derivatives(part, where, bends) for part in parts)  # type: ignore[return-value]


def _derivatives(part: Tensor, where: Tensor, bends: bool) -> list[Tensor]:
    def by(values: Tensor) -> Tensor:  # point channel -> point channel dim
        if not values.requires_grad:
            return values.new_zeros(*values.shape, where.shape[1])
        found = [torch.autograd.grad(c.sum(), where, create_graph=True, allow_unused=True)[0] for c in values.unbind(1)]
        return torch.stack([torch.zeros_like(where) if d is None else d for d in found], 1)

    first = by(part)
    answer = [part, *first.unbind(-1)]
    if bends:
        answer.append(by(first[..., -1])[..., -1])
    return [value.detach() for value in answer]


def inputs_from(jet: Jet, columns: Sequence[Column]) -> Float[Tensor, "*batch input"]:
    """The table of inputs from a state with its derivatives."""
    parts = []
    for column in columns:
        source = (jet.value, jet.first[-1], jet.second)[column.order]
        assert source is not None
        parts.append(source[..., column.channel])
    return torch.stack(parts, dim=-1)
