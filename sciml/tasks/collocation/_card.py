"""The card's table of points at which solutions of a differential equation are examined."""

from pathlib import Path
from typing import Annotated, Any

import pydantic
import torch

from sciml import data
from sciml.core.capabilities import HasResidual
from sciml.core.domain import Condition
from sciml.core.errors import ConfigError
from sciml.core.problem import Problem
from sciml.core.registry import card_path
from sciml.core.rng import generator
from sciml.core.shapes import uniform
from sciml.data import Check, Count, checked
from sciml.tasks._in_memory import having
from sciml.tasks.collocation._observed import observed_in
from sciml.tasks.collocation._table import ObservedTable, read_observed


class CollocationCard(data.InMemoryCard):
    """The table ``[presets.NAME.collocation]``: where solutions of an equation on a box are examined."""

    key = "collocation"

    grid: Count
    """Points per axis of the lattice on which a solution is compared with the reference."""
    pool: Count
    """Independent points at which the residual is watched; no solver is trained on them."""
    observations: Annotated[int, pydantic.Field(strict=True, ge=0)] | Annotated[str, pydantic.Field(min_length=1)] = 0
    """Points at which the observed fields of an inverse problem are made up from the reference, or the name of a file
    of measurements beside the card."""
    noise: float = pydantic.Field(default=0.0, ge=0)
    """Standard deviation of the errors of the observations; 0 in a file without one where nobody knows it."""
    seed: int = pydantic.Field(strict=True, ge=0)
    """Seed of pool and observations."""

    def measured(self, problem: Problem) -> ObservedTable | None:
        """The table of the file beside the card; None where the card names none.

        Raises: ConfigError for a name with a folder in it; DataError for a file that cannot be read.
        """
        if isinstance(self.observations, int):
            return None
        if Path(self.observations).name != self.observations:
            raise ConfigError("the file of observations does not lie beside the card", got=repr(self.observations),
                              expected="the name of a file without folders")  # fmt: skip
        return read_observed(card_path(problem).parent / self.observations)

    def summary(self, problem: Problem, time_units: str) -> dict[str, Any]:  # Any: JSON
        """Sizes, and axes, fields and numbers of every case."""
        subject, cases = having(problem, HasResidual), {}
        for case in subject.cases:
            statement = subject.statement(case)
            cases[case] = {
                "axes": {axis.name: [axis.lower, axis.upper] for axis in statement.domain.axes},
                "fields": list(statement.fields),
                "parameters": dict(statement.parameters),
                "to be found": [unknown.name for unknown in statement.unknowns],
            }
        return {"seed": self.seed, **self.model_dump(exclude={"seed", "cost"}), "cases": cases}

    def checks(self, problem: Problem) -> list[Check]:
        """References finite, and fulfilling the conditions that fix a value; measurements read."""
        subject = having(problem, HasResidual)
        return [
            check
            for case in subject.cases
            for part in (_reference, self._measurements)
            for check in checked(f"case {case}", lambda part=part, case=case: part(subject, case))
        ]

    def _measurements(self, problem: HasResidual, case: str) -> list[Check]:
        table = self.measured(problem)
        if table is None:
            return []
        units = {field.name: field.units for field in problem.fields}
        observed = observed_in(table, problem.statement(case), units, self.noise or None)
        return [Check(f"{case}: observations", True, f"{len(observed.points)} of {', '.join(observed.names)}")]


def _reference(problem: HasResidual, case: str) -> list[Check]:
    statement = problem.statement(case)
    draw = uniform(generator(0, "verify"))
    unit = draw(64, len(statement.names))
    inside = statement.domain.fill(64, lambda count, dim: unit if count == len(unit) else draw(count, dim))
    values = problem.reference(inside, case)
    if values is None:
        return [Check(f"{case}: reference", True, "none: nobody knows the solution")]
    good = values.shape == (len(inside), len(statement.fields)) and values.dtype == torch.float64
    checks = [Check(f"{case}: reference", good and bool(values.isfinite().all()), "finite, one column per field")]
    for i, condition in enumerate(statement.conditions):
        open_value = statement.is_mixed(i) or statement.has_unknown(i)
        if condition.order or statement.singular_corners or open_value or not good:
            continue
        if isinstance(condition, Condition):
            points = statement.domain.face(unit, condition.axis, condition.side)
        else:
            points = statement.place_of(i, 64, draw)
        there = problem.reference(points, case)
        assert there is not None
        worst = float((there[:, statement.fields.index(condition.field)] - statement.value(i, points)).abs().max())
        checks.append(Check(f"{case}: {condition}", worst < 1e-6, f"missed by {worst:.1e} at most"))
    return checks
