"""What discovery trains on, asks, and tries a found equation on."""

from dataclasses import dataclass
from typing import NamedTuple

import pydantic
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core import rng
from sciml.core.capabilities import HasHiddenTerm, ObservationPlan, Observations
from sciml.core.clock import Clock
from sciml.core.config import Config
from sciml.core.errors import UserError
from sciml.core.tensors import TensorField
from sciml.data import Batch
from sciml.discovery import NamingConfig, TableProblem
from sciml.train import Context


class DiscoveryConfig(Config):
    """What is observed; whatever is None is as the problem has it."""

    trajectories: int | None = pydantic.Field(default=None, ge=1)
    """Trajectories that are seen."""
    points: int | None = pydantic.Field(default=None, ge=4)
    """Points seen on each."""
    noise: float | None = pydantic.Field(default=None, ge=0)
    """Standard deviation of the noise, as a share of each field's mean magnitude."""
    draw: int = pydantic.Field(default=0, ge=0)
    """Which noise: another number is another measurement."""
    dense: int = pydantic.Field(default=151, ge=10)
    """Points per trajectory (and per axis, in space a fifth of it) on which the hidden term is examined."""
    naming: NamingConfig = NamingConfig()
    """Whether the measured term is named, and how."""


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


class Observed(Config):
    """The observations of one trajectory, as a run keeps them; see `Observations`."""

    coordinates: TensorField
    values: TensorField
    sigma: TensorField | None = None


class DiscoveryContext(Context):
    """What a method must know: all observations."""

    observed: tuple[Observed, ...]
    """One entry per trajectory."""

    @property
    def observations(self) -> tuple[Observations, ...]:
        """The observations as the problem gave them."""
        return tuple(Observations(entry.coordinates, entry.values, entry.sigma) for entry in self.observed)

    @classmethod
    def of(cls, seen: tuple[Observations, ...]) -> "DiscoveryContext":
        """The context of some observations."""
        return cls(observed=tuple(Observed(**vars(entry)) for entry in seen))


@dataclass(frozen=True)
class ObservationBatch(Batch):
    """Observed points.

    Fields:
        trajectory: to which each belongs.
        coordinates, values: where and what, float64; NaN where a field was not seen.
    """

    trajectory: Int[Tensor, " batch"]
    coordinates: Float[Tensor, "batch dim"]
    values: Float[Tensor, "batch channel"]


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


def observe(problem: HasHiddenTerm, config: DiscoveryConfig) -> tuple[Observations, ...]:
    """The observations that `config` asks for; the same call gives the same bits.

    Raises: UserError for what the problem cannot give, or gives wrongly.
    """
    if isinstance(problem, TableProblem) and config.draw:
        raise UserError("a table was measured once", got=f"task.draw={config.draw}", fix="Leave out task.draw.")
    usual = problem.hidden.plan
    plan = ObservationPlan(
        usual.trajectories if config.trajectories is None else config.trajectories,
        usual.points if config.points is None else config.points,
        usual.noise if config.noise is None else config.noise,
    )
    with torch.device("cpu"):
        seen = problem.observations(
            plan, rng.generator(config.draw, problem.hidden.stream or problem.name, "observations")
        )
    for i, entry in enumerate(seen):
        if len(entry.values) != len(entry.coordinates) or not (
            not entry.values.isinf().any() and entry.seen.any(0).all() and entry.coordinates.isfinite().all()
        ):
            raise UserError(f"trajectory {i} of problem {problem.name!r} is not in order",
                            got=f"{len(entry.coordinates)} places, {len(entry.values)} values",
                            expected="finite values, as many as places, or NaN where there is none")  # fmt: skip
    return seen


def dense_places(seen: tuple[Observations, ...], count: int) -> Visited:
    """Places over the range of each trajectory, equidistant by its `Clock`; in space a grid of (count / 5)² of them."""
    parts = []
    for i, entry in enumerate(seen):
        lower, upper = entry.coordinates.amin(0), entry.coordinates.amax(0)
        dims, clock = len(lower), Clock.of(entry.coordinates[:, 0])
        each = count if dims == 1 else max(8, round((count // 5) ** (2 / dims)))
        axes = [
            torch.linspace(float(a), float(b), each, dtype=torch.float64) for a, b in zip(lower, upper, strict=True)
        ]
        if not clock.even:
            axes[0] = clock.time(torch.linspace(0.0, 1.0, each, dtype=torch.float64))
        points = torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")], dim=1)
        parts.append((torch.full((len(points),), i), points))
    return Visited(torch.cat([a for a, _ in parts]), torch.cat([b for _, b in parts]))
