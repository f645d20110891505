"""A solver with its tiny recipe on a small problem, built and not trained."""

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import pytest
import torch
from torch import nn

from sciml.core import rng
from sciml.core.config import Config
from sciml.core.types import Prediction
from sciml.testing._problems import bench_for
from sciml.train import AnyBench, AnyRecipe, AnySolver, AnyTask, find_solver, registered_solvers

C = TypeVar("C", bound=Config)
_STIR, _SMALL = 1.0, 0.02
"""Standard deviation of what is added to every weight, in that of the weights of its layer, and where these are all
equal: a final layer that starts at zero would hide what a network reads."""
_FEW: dict[str, Any] = {
    "members": 2,
    "folds": 2,
    "calibration": {"points": 2, "rounds": 1},
    "integrate": {"predict_rtol": 1e-3},
}
"""At most so many parts of a model that has several alike, and rounds of a search; more of them show no more. Errors
of an integration may be at least so large: answers are compared with one another, of the same steps."""


def fewer(config: C, few: Mapping[str, Any]) -> C:  # Any: numbers, and the same of a nested configuration
    """A configuration with at most so many of what `few` names, and at least such tolerances, where it has them."""
    changes: dict[str, Any] = {}
    for name in few.keys() & type(config).model_fields.keys():
        value = getattr(config, name)
        if isinstance(value, Config):
            changes[name] = fewer(value, few[name])
        else:
            changes[name] = min(few[name], value) if isinstance(value, int) else max(few[name], value)
    return config.model_copy(update=changes)


class Trial:
    """What the tests try of one solver.

    Arguments:
        solver: of the registry.

    Fields:
        recipe, bench, task: its tiny recipe with few parts, on the first problem that fits it.
    """

    def __init__(self, solver: AnySolver) -> None:
        self.solver: AnySolver = solver
        self.task: AnyTask = solver.task
        recipe = solver.recipe("tiny")
        self.recipe: AnyRecipe = recipe.model_copy(update={"model": fewer(recipe.model, _FEW)})
        self.bench: AnyBench = bench_for(solver.key, solver)

    def build(self, seed: int = 0) -> nn.Module:
        """A fresh module."""
        rng.seed_everything(seed)
        return self.solver.build(self.bench.problem, self.recipe.model, self.bench.context)

    @cached_property
    def module(self) -> nn.Module:
        """A module that depends on all it can: fitted in closed form, or initialised and stirred. Nobody changes it."""
        module = self.build()
        if not self.solver.solve_closed_form(module, self.bench.examples):
            self.solver.initialise(module, self.bench.examples)
            generator = rng.generator(0, "stir")
            with torch.no_grad():
                for weight in module.parameters():
                    spread = float(weight.std()) if weight.numel() > 1 else 0.0
                    weight += (_STIR * spread or _SMALL) * torch.randn(weight.shape, generator=generator).to(weight)
        return module.eval()

    def batch(self, count: int = 4) -> Any:  # Any: the batch of its task
        """Training samples spread over all of them, repeated where there are not so many."""
        spread = torch.arange(count) * max(1, len(self.bench.examples) // count) % len(self.bench.examples)
        return self.bench.examples.batch(spread, rng.generator(0))

    def inputs(self, count: int = 4) -> Any:  # Any: the inputs of its task
        """What these samples answer."""
        return self.task.inputs(self.batch(count))

    def predict(self, inputs: Any) -> Prediction:  # Any: the inputs of its task
        """By `module`."""
        return self.solver.predict(self.module, inputs)

    @cached_property
    def asked(self) -> Any:  # Any: the inputs of its task
        """The inputs of four samples, made once."""
        return self.inputs()

    @cached_property
    def answered(self) -> Prediction:
        """The answer to `asked`, made once."""
        return self.predict(self.asked)

    @cached_property
    def refined(self) -> tuple[Any, Any, Prediction] | None:  # Any: the inputs of its task; an index of its answers
        """More questions than `asked`, where those of `asked` are among them, and the answer; None for all at once."""
        refined = self.task.refine(self.asked)
        return None if refined is None else (*refined, self.predict(refined[0]))


def one_of_each_task() -> list[Any]:  # Any: parameters of pytest
    """Keys of all solvers; all but one of each task (with a network, if there is any) are marked as slow."""
    solvers = registered_solvers()
    quick: dict[str, str] = {}
    for key, solver in sorted(solvers.items(), key=lambda entry: entry[1].knob is None):
        quick.setdefault(solver.task.key, key)
    marks = {key: () if key in quick.values() else (pytest.mark.slow,) for key in solvers}
    return [pytest.param(key, marks=marks[key]) for key in sorted(solvers)]


@lru_cache
def trial_of(key: str) -> Trial:
    """The trial of a registered solver, made once."""
    return Trial(find_solver(key))
