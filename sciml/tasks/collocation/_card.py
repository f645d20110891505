"""The card's table of points at which solutions of a differential equation are examined."""

from typing import Any

import pydantic
import torch

from sciml import data
from sciml.core.capabilities import HasResidual
from sciml.core.problem import Problem
from sciml.core.rng import generator
from sciml.data import Check, Count, checked
from sciml.tasks._in_memory import having


class CollocationCard(data.InMemoryCard):
    """The table ``[presets.NAME.collocation]``: where solutions of an equation on a box are examined."""

    key = "collocation"

    grid: Count
    """Points per axis of the lattice on which a solution is compared with the reference."""
    pool: Count
    """Independent points at which the residual is watched; no solver is trained on them."""
    observations: int = pydantic.Field(default=0, strict=True, ge=0)
    """Points at which the observed fields of an inverse problem are given."""
    noise: float = pydantic.Field(default=0.0, ge=0)
    """Standard deviation of the errors of the observations."""
    seed: int = pydantic.Field(strict=True, ge=0)
    """Seed of pool and observations."""

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
        """References finite, and fulfilling the conditions that fix a value."""
        subject = having(problem, HasResidual)
        return [
            check
            for case in subject.cases
            for check in checked(f"case {case}", lambda case=case: _reference(subject, case))
        ]


def _reference(problem: HasResidual, case: str) -> list[Check]:
    statement = problem.statement(case)
    unit = torch.rand(64, len(statement.names), generator=generator(0, "verify"), dtype=torch.float64)
    values = problem.reference(statement.domain.place(unit), case)
    good = values.shape == (64, len(statement.fields)) and values.dtype == torch.float64
    checks = [Check(f"{case}: reference", good and bool(values.isfinite().all()), "finite, one column per field")]
    for i, condition in enumerate(statement.conditions):
        if condition.order or statement.singular_corners or not good:
            continue
        points = statement.domain.face(unit, condition.axis, condition.side)
        field = problem.reference(points, case)[:, statement.fields.index(condition.field)]
        worst = float((field - statement.value(i, points)).abs().max())
        checks.append(Check(f"{case}: {condition}", worst < 1e-6, f"missed by {worst:.1e} at most"))
    return checks
