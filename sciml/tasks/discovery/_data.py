"""What discovery trains on, asks, and tries a found equation on."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import pydantic
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml import ode
from sciml.core import rng
from sciml.core.capabilities import HasHiddenTerm, HeldOut, ObservationPlan, Observations
from sciml.core.config import Config
from sciml.core.errors import UserError
from sciml.core.problem import Problem
from sciml.core.types import Params, Trajectory

MAX_STEPS = 4000
CROWDED = 20
"""Extent of the observed times over the pace of their clock, from which on a logarithmic one is used."""


class DiscoveryConfig(Config):
    """What is observed; whatever is None is as the problem has it."""

    trajectories: int | None = pydantic.Field(None, ge=1)
    """Trajectories that are seen."""
    points: int | None = pydantic.Field(None, ge=4)
    """Points seen on each."""
    noise: float | None = pydantic.Field(None, ge=0)
    """Standard deviation of the noise, as a share of each field's mean magnitude."""
    draw: int = pydantic.Field(0, ge=0)
    """Which noise: another number is another measurement."""
    dense: int = pydantic.Field(151, ge=10)
    """Points per trajectory (and per axis, in space a fifth of it) on which the hidden term is examined."""


class Clock(NamedTuple):
    """The time by which trajectories are followed: its own, or for stiff ones that of a logarithm.

        p(t) = log(1 + (t − start)/pace) / log(1 + (end − start)/pace),   and (t − start)/(end − start) at infinite pace

    Fields:
        start, end: of what is observed.
        pace: the time after which the clock runs slower.
    """

    start: float
    end: float
    pace: float = math.inf

    @classmethod
    def of(cls, times: Float[Tensor, " point"]) -> "Clock":
        """The clock on which half of the times are in the first half.

        Times whose median is at m of T follow pace = m²/(T − 2m). Where that is not below a twentieth of T, time is
        its own clock.
        """
        start, end, middle = float(times.min()), float(times.max()), float(times.median())
        length, m = end - start, middle - start
        crowded = m > 0 and CROWDED * m * m < length * (length - 2 * m)
        return cls(start, end, m * m / (length - 2 * m) if crowded else math.inf)

    @property
    def even(self) -> bool:
        """Whether time is its own clock."""
        return self.pace == math.inf

    def position(self, times: Tensor) -> Tensor:
        """p(t), from 0 to 1."""
        if self.even:
            return (times - self.start) / (self.end - self.start)
        return ((times - self.start) / self.pace).log1p() / math.log1p((self.end - self.start) / self.pace)

    def speed(self, times: Tensor) -> Tensor:
        """dp/dt."""
        if self.even:
            return torch.full_like(times, 1 / (self.end - self.start))
        return 1 / ((self.pace + times - self.start) * math.log1p((self.end - self.start) / self.pace))

    def time(self, positions: Tensor) -> Tensor:
        """t(p)."""
        if self.even:
            return self.start + (self.end - self.start) * positions
        found = self.start + self.pace * (positions * math.log1p((self.end - self.start) / self.pace)).expm1()
        return found.clamp(self.start, self.end)


class Visited(NamedTuple):
    """Places on observed trajectories at which the hidden term is asked for.

    Fields:
        trajectory: which one.
        coordinates: time, then space.
    """

    trajectory: Int[Tensor, " batch"]
    coordinates: Float[Tensor, "batch dim"]


class Measured(NamedTuple):
    """What a method says of some `Visited` places.

    Fields:
        inputs: of the known part, from its own idea of the state.
        hidden: the hidden term there.
        spread: standard deviation of it over independent fits; None from a single one.
    """

    inputs: Float[Tensor, "batch input"]
    hidden: Float[Tensor, "batch channel"]
    spread: Float[Tensor, "batch channel"] | None = None


@dataclass(frozen=True)
class ObservationBatch:
    """Observed points.

    Fields:
        trajectory: to which each belongs.
        coordinates, values: where and what, float64.
    """

    trajectory: Int[Tensor, " batch"]
    coordinates: Float[Tensor, "batch dim"]
    values: Float[Tensor, "batch channel"]

    def to(self, device: torch.device | str) -> "ObservationBatch":
        """The same batch on another device."""
        return ObservationBatch(*(value.to(device) for value in vars(self).values()))

    def rows(self, rows: slice) -> "ObservationBatch":
        """A part of the batch."""
        return ObservationBatch(*(value[rows] for value in vars(self).values()))

    def __len__(self) -> int:
        return len(self.values)


class ObservationExamples:
    """All observed points, trajectory after trajectory; `seen` has them apart."""

    def __init__(self, seen: tuple[Observations, ...]) -> None:
        self.seen = seen
        self.whole = ObservationBatch(
            torch.cat([torch.full((len(entry.values),), i) for i, entry in enumerate(seen)]),
            torch.cat([entry.coordinates for entry in seen]),
            torch.cat([entry.values for entry in seen]),
        )

    def __len__(self) -> int:
        return len(self.whole)

    def batch(self, indices: Tensor, generator: torch.Generator) -> ObservationBatch:
        """The points at `indices`."""
        return ObservationBatch(*(value[indices] for value in vars(self.whole).values()))


def observe(problem: Problem, config: DiscoveryConfig) -> tuple[Observations, ...]:
    """The observations that `config` asks for; the same call gives the same bits.

    Raises: UserError for what the problem cannot give, or gives wrongly.
    """
    assert isinstance(problem, HasHiddenTerm)
    usual = problem.plan
    plan = ObservationPlan(
        usual.trajectories if config.trajectories is None else config.trajectories,
        usual.points if config.points is None else config.points,
        usual.noise if config.noise is None else config.noise,
    )
    with torch.device("cpu"):
        seen = problem.observations(plan, rng.generator(config.draw, problem.name, "observations"))
    for i, entry in enumerate(seen):
        if len(entry.values) != len(entry.coordinates) or not (
            entry.values.isfinite().all() and entry.coordinates.isfinite().all()
        ):
            raise UserError(f"trajectory {i} of problem {problem.name!r} is not in order",
                            got=f"{len(entry.coordinates)} places, {len(entry.values)} values",
                            expected="finite values, as many as places")  # fmt: skip
    return seen


def dense_places(seen: tuple[Observations, ...], count: int) -> Visited:
    """Places over the range of each trajectory, equidistant by its `Clock`; in space a grid of (count / 5)² of them."""
    found = []
    for i, entry in enumerate(seen):
        lower, upper = entry.coordinates.amin(0), entry.coordinates.amax(0)
        dims, clock = len(lower), Clock.of(entry.coordinates[:, 0])
        each = count if dims == 1 else max(8, round((count // 5) ** (2 / dims)))
        axes = [torch.linspace(float(a), float(b), each).double() for a, b in zip(lower, upper, strict=True)]
        if not clock.even:
            axes[0] = clock.time(torch.linspace(0.0, 1.0, each, dtype=torch.float64))
        points = torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")], dim=1)
        found.append((torch.full((len(points),), i), points))
    return Visited(torch.cat([a for a, _ in found]), torch.cat([b for _, b in found]))


def method_for(times: Tensor) -> str:
    """The method that integrates to these times: an implicit one where they crowd, for they do where scales differ."""
    return "tsit5" if Clock.of(times).even else "rodas4"


def forecast(
    problem: Problem, hidden: Callable[[Tensor], Tensor], held: HeldOut, scalars: Params | None = None
) -> Trajectory:
    """The held-out trajectory with the hidden part `hidden`, a function ``point input -> point channel``.

    Integrated by `sciml.ode`, in space on the grid of the held-out states, by `method_for` the times. A forecast that
    breaks down has a status and ends in NaN.
    """
    assert isinstance(problem, HasHiddenTerm)
    given = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in (scalars or {}).items()}
    space = held.states.ndim - 2
    limit = 1e3 * held.states.abs().max()

    def rate(time: Tensor, state: Tensor) -> Tensor:
        inputs = problem.spread(state)
        flat = inputs.flatten(0, -2)
        each = time.view(-1, *[1] * space).expand(inputs.shape[:-1]).flatten()
        rows = {name: value.expand(len(flat)) for name, value in given.items()}
        found = problem.known(each, flat, rows) + hidden(flat)
        found = found.view(*inputs.shape[:-1], -1).movedim(-1, 1)
        return torch.where(state.abs() < limit, found, torch.nan)

    with torch.no_grad():
        solved = ode.solve(
            rate, held.states[:1].double(), held.times.double(), rtol=1e-6, atol=1e-8,
            method=method_for(held.times), max_steps=MAX_STEPS,
        )  # fmt: skip
    return Trajectory(solved.states, solved.status)
