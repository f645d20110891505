"""The card's table of densities to draw from."""

from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from sciml import data
from sciml.core.capabilities import HasDensity
from sciml.core.problem import Problem
from sciml.data import Check, checked, reproduced
from sciml.tasks._in_memory import having


class DensityCard(data.SamplesCard):
    """The table ``[presets.NAME.density]``: how many points are drawn from every density."""

    key = "density"

    def summary(self, problem: Problem, time_units: str) -> dict[str, Any]:  # Any: JSON
        """Sizes and statistics, by density."""
        subject = having(problem, HasDensity)
        drawn = {shape: data.density_splits(subject, shape, self)["train"] for shape in subject.shapes}
        shapes = {
            shape: {
                "log density": "known" if subject.log_density(shape, points[:1]) is not None else "not known",
                "fields": data.field_statistics(problem, data.sample_statistics(points)),
            }
            for shape, points in drawn.items()
        }
        return {"seed": self.seed, "samples": self.samples.model_dump(), "shapes": shapes}

    def checks(self, problem: Problem) -> list[Check]:
        """Splits disjoint, densities finite, draws reproduced."""
        subject = having(problem, HasDensity)
        return [
            check
            for shape in subject.shapes
            for check in checked(f"density {shape}", lambda shape=shape: self._checks(subject, shape))
        ]

    def _checks(self, problem: HasDensity, shape: str) -> list[Check]:
        splits, again = data.density_splits(problem, shape, self), data.density_splits(problem, shape, self)
        same = all(torch.equal(splits[name], again[name]) for name in splits)
        apart = not any(_shared(first, second) for first, second in combinations(splits.values(), 2))
        known = problem.log_density(shape, splits["test"].double())
        finite = known is None or bool(known.isfinite().all())
        words = "density not known" if known is None else f"mean log density {float(known.mean()):.3f}"
        return [
            Check(f"{shape}: draws", apart, f"{sum(map(len, splits.values()))}, finite, none in two splits; {words}"),
            Check(f"{shape}: density", finite, "finite at every test point, where it is known"),
            reproduced(f"{shape}: reproduced", same),
        ]


def _shared(first: Tensor, second: Tensor) -> bool:
    """Whether any row is in both."""
    return bool({tuple(row) for row in first.tolist()} & {tuple(row) for row in second.tolist()})
