"""The card's table of observations of an equation with a hidden term."""

from typing import Any

import torch

from sciml import data
from sciml.core import rng
from sciml.core.capabilities import HasHiddenTerm
from sciml.core.errors import DataError
from sciml.core.problem import Problem
from sciml.data import Check, checked, reproduced


class ObservationsCard(data.InMemoryCard):
    """The table ``[presets.NAME.discovery]``; the run says what is observed."""

    key = "discovery"

    def summary(self, problem: Problem, time_units: str) -> dict[str, Any]:  # Any: JSON
        """What is observed by default."""
        hidden = _stated(problem).hidden
        fields = {field.name: {"units": field.units} for field in problem.fields}
        return {"observed": vars(hidden.plan), "fields": fields}

    def checks(self, problem: Problem) -> list[Check]:
        """Observations finite and reproduced."""
        return checked("observations", lambda: _observed(problem))


def _stated(problem: Problem) -> HasHiddenTerm:
    if not isinstance(problem, HasHiddenTerm):
        raise DataError(f"the card of {problem.name} has a table `discovery`, but no term of its equation is hidden",
                        fix="Mark a term with `hidden(...)`, or drop the table.")  # fmt: skip
    return problem


def _observed(problem: Problem) -> list[Check]:
    subject = _stated(problem)
    plan = subject.hidden.plan
    seen, again = (subject.observations(plan, rng.generator(0, problem.name, "verify")) for _ in range(2))
    same = all(torch.equal(a.values, b.values) for a, b in zip(seen, again, strict=True))
    finite = all(bool(entry.values.isfinite().all()) for entry in seen)
    points = sum(len(entry.values) for entry in seen)
    return [
        Check("observations", finite, f"{points} values per field, {len(seen)} trajectories"),
        reproduced("reproduced", same),
    ]
