"""Points at which an equation and its conditions are asked to hold, and where solutions are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar, Literal, NamedTuple

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import HasResidual
from sciml.core.config import Config, from_file
from sciml.core.errors import UnknownNameError
from sciml.core.scales import Scales
from sciml.core.statement import Statement
from sciml.data import Batch
from sciml.tasks.collocation._table import ObservedTable, read_observed
from sciml.tasks.collocation._unit_points import PointSet, unit_points
from sciml.train import Context


class CollocationConfig(Config):
    """Which setting is solved, and the points a solver is trained on; the card says where it is judged."""

    case: str = ""
    """Name of one of the problem's cases; empty for the first."""
    parameters: dict[str, pydantic.FiniteFloat] = {}
    """Values of the equation's parameters in place of those of the case (``task.parameters.nu=0.01``). A reference that
    is not the statement's own solution belongs to the values of the case, and is then left out."""
    points: int | None = pydantic.Field(default=None, ge=1)
    """Points inside the domain; None for 100 in one dimension, 1000 in two and 4000 in more."""
    face_points: int = pydantic.Field(default=100, ge=1)
    """Points of the face of every condition, where conditions are not built into the solver."""
    sampler: PointSet = "sobol"
    """How points are chosen."""
    resample: bool = False
    """Whether every step has new points; else they are drawn once."""
    observations: Annotated[ObservedTable, from_file(read_observed, "table of observations")] | None = None
    """A file of measurements instead of the card's observations: columns of the axes, of fields and of their standard
    deviations (``sigma_u``). A run keeps what was in it."""
    sigma: float | None = pydantic.Field(default=None, gt=0)
    """Standard deviation of the observations where their table has none; None for the card's."""

    @pydantic.field_validator("case", mode="before")
    @classmethod
    def _in_words(cls, case: object) -> object:
        """A case that is called by a number, which TOML reads as one."""
        return str(case) if isinstance(case, int | float) and not isinstance(case, bool) else case

    scale: Literal["auto", "none"] = "auto"
    """Whether fields, equations and unknown numbers far from 1 are scaled by their typical magnitudes."""


class Locations(NamedTuple):
    """Where a solution is asked for.

    Fields:
        points: in physical units, columns in the order of the axes, float64.
    """

    points: Float[Tensor, "batch dim"]


class CollocationContext(Context):
    """What a solver must know: which setting of the problem it solves, at which scales; its statement has the rest."""

    case: str
    """Name of one of the problem's cases."""
    scales: Scales = Scales()
    """Typical magnitudes, where they are not about 1."""
    parameters: dict[str, float] = {}
    """Values of parameters that are not those of the case."""


def stated(problem: HasResidual, case: str, parameters: Mapping[str, float]) -> Statement:
    """The statement of a case with some of its parameters replaced.

    Raises: UnknownNameError for a parameter it does not have.
    """
    with torch.device("cpu"):  # it compares numbers, also where a network is only counted, on the device meta
        statement = problem.statement(case)
        for name in parameters:
            if name not in statement.parameters:
                raise UnknownNameError(f"parameter of case {case!r}", name, statement.parameters)
        return replace(statement, parameters={**statement.parameters, **parameters}) if parameters else statement


@dataclass(frozen=True)
class CollocationBatch(Batch):
    """Points of one step.

    Fields:
        points: inside the domain, what the batch counts.
        faces: by number of a condition, points of its face or edge.
        observed: where fields were observed; None if none were.
        values: what was observed there, one column per observed field; NaN where it was not.
        sigma: standard deviations of the values, by which they are weighed against the equations; None for no such
            weights.
        seen: names of the observed fields; empty for those that the statement says are observed.
        fresh: whether these points were drawn for this step alone.
    """

    shared: ClassVar[frozenset[str]] = frozenset({"faces", "observed", "values", "sigma", "seen", "fresh"})

    points: Float[Tensor, "batch dim"]
    faces: Mapping[int, Float[Tensor, "_ dim"]]
    observed: Float[Tensor, "observation dim"] | None = None
    values: Float[Tensor, "observation field"] | None = None
    sigma: Float[Tensor, "observation field"] | None = None
    seen: tuple[str, ...] = ()
    fresh: bool = False

    def _part(self, rows: slice) -> dict[str, object]:
        """All points are the same tensor as ever: what a solver remembers of it is kept."""
        part = self.points[rows]
        return {"points": self.points if len(part) == len(self.points) else part}


class CollocationExamples:
    """The points a solver is trained on.

    Arguments:
        statement: the equation.
        config: how many points, and how they are chosen.
        generator: of the points that are drawn once.
        observed, values, sigma: observations, or None.
        seen: names of the observed fields, as in `CollocationBatch`.
    """

    def __init__(
        self,
        statement: Statement,
        config: CollocationConfig,
        generator: torch.Generator,
        observed: Float[Tensor, "observation dim"] | None = None,
        values: Float[Tensor, "observation field"] | None = None,
        sigma: Float[Tensor, "observation field"] | None = None,
        seen: tuple[str, ...] = (),
    ) -> None:
        self.statement, self.config = statement, config
        self.observed, self.values, self.sigma, self.seen = observed, values, sigma, seen
        dim = len(statement.names)
        self.points = self._inside(config.points or {1: 100, 2: 1000}.get(dim, 4000), generator)
        self.faces = face_points(statement, config.face_points, config.sampler, generator)
        self._whole = torch.arange(len(self.points))

    def __len__(self) -> int:
        return len(self.points)

    def batch(self, indices: Tensor, generator: torch.Generator) -> CollocationBatch:
        """The points at `indices`, all of them in the same tensor as ever where the indices are all there are."""
        if self.config.resample:
            points = self._inside(len(indices), generator)[: len(indices)]
            faces = face_points(self.statement, self.config.face_points, self.config.sampler, generator)
            return CollocationBatch(points, faces, self.observed, self.values, self.sigma, self.seen, fresh=True)
        whole = len(indices) == len(self.points) and torch.equal(indices.sort().values, self._whole)
        points = self.points if whole else self.points[indices]
        return CollocationBatch(points, self.faces, self.observed, self.values, self.sigma, self.seen)

    def _inside(self, count: int, generator: torch.Generator) -> Tensor:
        return self.statement.domain.fill(count, partial(unit_points, self.config.sampler, generator=generator))


def face_points(
    statement: Statement, count: int, sampler: PointSet, generator: torch.Generator
) -> dict[int, Float[Tensor, "_ dim"]]:
    """Points of the face or edge of every condition, by its number; a single one where the face is a point."""
    draw = partial(unit_points, sampler, generator=generator)
    return {i: statement.place_of(i, count, draw) for i in range(len(statement.conditions))}
