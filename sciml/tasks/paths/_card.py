"""The card's table of reference paths."""

from typing import Any

import pydantic
import torch

from sciml import data
from sciml.core.capabilities import Diffuses
from sciml.core.problem import Problem
from sciml.data import Check, checked
from sciml.tasks._in_memory import having


class PathsCard(data.InMemoryCard):
    """The table ``[presets.NAME.paths]``: the paths behind the moments of a stochastic differential equation."""

    key = "paths"

    paths: data.Splits
    """Reference paths from which the moments of each split are computed, each split from its own."""
    step: float = pydantic.Field(gt=0)
    """Longest step of the reference integration."""
    seed: int = pydantic.Field(strict=True, ge=0)
    """Seed of the reference paths."""

    @pydantic.field_validator("paths")
    @classmethod
    def _enough(cls, paths: data.Splits) -> data.Splits:
        if min(paths.train, paths.valid, paths.test) < 2:
            raise ValueError("a variance needs at least 2 paths in every split")
        return paths

    def summary(self, problem: Problem, time_units: str) -> dict[str, Any]:  # Any: JSON
        """Numbers of paths, times and start."""
        subject = having(problem, Diffuses)
        times = subject.times()
        span = {"first": float(times[0]), "last": float(times[-1]), "number": len(times), "units": time_units}
        start = dict(zip([field.name for field in problem.fields], subject.start().tolist(), strict=True))
        return {"seed": self.seed, "paths": self.paths.model_dump(), "step": self.step, "times": span, "start": start}

    def checks(self, problem: Problem) -> list[Check]:
        """Times increasing; drift and diffusion finite at the start."""
        return checked("coefficients", lambda: _coefficients(having(problem, Diffuses)))


def _coefficients(problem: Diffuses) -> list[Check]:
    times, start = problem.times(), problem.start()
    rising = len(times) > 1 and bool((times.diff() > 0).all())
    fits = start.shape == (len(problem.fields),)
    checks = [Check("times", rising, f"{len(times)}, increasing"), Check("start", fits, "one value per field")]
    if not (rising and fits):
        return checks
    params = {entry.name: torch.full((2,), entry.low, dtype=torch.float64) for entry in problem.parameters}
    state = start.double().expand(2, -1)
    for name, function in (("drift", problem.drift), ("diffusion", problem.diffusion)):
        value = function(times[:1].double().expand(2), state, params)
        good = value.shape == state.shape and bool(value.isfinite().all())
        checks.append(Check(name, good, "finite at the start, one value per field"))
    return checks
