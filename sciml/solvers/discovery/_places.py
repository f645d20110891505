"""Points at which a surrogate is asked, with what never changes there: scaled coordinates, the ansatz' derivatives."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.core.clock import Clock
from sciml.core.rate_equation import Column
from sciml.models import StackedJet as Jet


class Scales(NamedTuple):
    """What makes everything of order one.

    Fields:
        lower, upper: of the coordinates over all observations.
        field: largest magnitude of each field.
        rate: of the hidden term: the field's scale per 2π-th of the time, or the steepest slope seen where the clock is
            that of a logarithm.
        input: of each input of the known part; a derivative is scaled by 2π over the extent of its axis.
        clock: by which trajectories are followed.
    """

    lower: Float[Tensor, " dim"]
    upper: Float[Tensor, " dim"]
    field: Float[Tensor, " channel"]
    rate: Float[Tensor, " channel"]
    input: Float[Tensor, " input"]
    clock: Clock


def scales_of(problem: HasHiddenTerm, seen: Sequence[Observations]) -> Scales:
    """Scales from the range of the observed coordinates and the magnitudes of the fields."""
    every = torch.cat([entry.coordinates for entry in seen])
    lower, upper, clock = every.amin(0), every.amax(0), Clock.of(every[:, 0])
    extent, largest = upper - lower, torch.cat([entry.values for entry in seen]).abs().amax(0)
    field = torch.where(largest > 0, largest, 1.0)
    inputs = torch.stack([
        field[column.channel] * (2 * torch.pi / extent[column.axis]) ** column.order
        for column in problem.rate_equation.columns
    ])  # fmt: skip
    rate = field * 2 * torch.pi / extent[0] if clock.even else torch.stack([_steepest(e) for e in seen]).amax(0)
    return Scales(lower, upper, field, torch.where(rate > 0, rate, 1.0), inputs, clock)


def _steepest(entry: Observations) -> Float[Tensor, " channel"]:
    times, order = entry.coordinates[:, 0].sort()
    gaps = times.diff()
    return (entry.values[order].diff(dim=0)[gaps > 0].abs() / gaps[gaps > 0, None]).amax(0)


class Places(nn.Module):
    """Points on every trajectory, as many on each.

    u = A + B N holds at them exactly; A, B and their derivatives are worked out once.

    Arguments:
        problem: gives the ansatz.
        coordinates: of the points.
        scales: of the coordinates.
        bends: the coordinates by which second derivatives are needed.
    """

    coordinates: Tensor
    scaled: Tensor
    speed: Tensor
    offset: Tensor
    factor: Tensor

    def __init__(
        self, problem: HasHiddenTerm, coordinates: Float[Tensor, "trajectory point dim"], scales: Scales, *,
        bends: Sequence[int], trajectories: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        chosen = range(len(coordinates)) if trajectories is None else trajectories
        parts = [_jets(problem, k, points, bends) for k, points in zip(chosen, coordinates, strict=True)]
        self.bends, self.dims = bends, coordinates.shape[-1]
        self.slope = [float(value) for value in 2 / (scales.upper - scales.lower)]
        self.register_buffer("coordinates", coordinates, persistent=False)
        scaled = 2 * (coordinates - scales.lower) / (scales.upper - scales.lower) - 1
        if not scales.clock.even:
            scaled[..., 0] = 2 * scales.clock.position(coordinates[..., 0]) - 1
        self.register_buffer("scaled", scaled, persistent=False)
        self.register_buffer("speed", 2 * scales.clock.speed(coordinates[..., 0])[..., None], persistent=False)
        for name, index in (("offset", 0), ("factor", 1)):
            self.register_buffer(name, torch.stack([torch.stack(group[index]) for group in parts], 1), persistent=False)

    def state(self, free: Jet, members: int, field: Tensor) -> Jet:
        """The constrained state with its derivatives in physical units, from a network's jet; ``member`` is last."""

        def grouped(values: Tensor) -> Tensor:
            return values.view(members, -1, *values.shape[1:]) * field

        A, B, dims = self.offset, self.factor, self.dims
        pace = [self.speed, *self.slope[1:]]
        n, *first = grouped(free.value), *(grouped(d) * s for d, s in zip(free.first, pace, strict=True))
        value = A[0] + B[0] * n
        slopes = tuple(A[1 + i] + B[1 + i] * n + B[0] * d for i, d in enumerate(first))
        second: list[Tensor | None] = [None] * dims
        for row, axis in enumerate(self.bends, start=1 + dims):
            bend = free.second[axis]
            assert bend is not None
            bent = grouped(bend) * self.slope[axis] ** 2
            second[axis] = A[row] + B[row] * n + 2 * B[1 + axis] * first[axis] + B[0] * bent
        return Jet(value, slopes, tuple(second))


def _jets(
    problem: HasHiddenTerm, trajectory: int, points: Tensor, bends: Sequence[int]
) -> tuple[list[Tensor], list[Tensor]]:
    """Value, first derivatives by every coordinate, and second by those in `bends`, of A and of B."""
    equation = problem.rate_equation
    names = ["", *equation.axes, *(equation.axes[axis] * 2 for axis in bends)]
    offset, factor = problem.ansatz(trajectory).parts(equation.in_domain_order(points.double()), names)
    return [offset[name] for name in names], [factor[name] for name in names]


def inputs_from(jet: Jet, columns: Sequence[Column]) -> Float[Tensor, "*batch input"]:
    """The table of inputs from a state with its derivatives."""
    parts = []
    for column in columns:
        source = (jet.value, jet.first[column.axis], jet.second[column.axis])[column.order]
        assert source is not None
        parts.append(source[..., column.channel])
    return torch.stack(parts, dim=-1)
