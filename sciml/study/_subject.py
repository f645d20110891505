"""A finished run as a tool sees it."""

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from sciml.core import paths, rng
from sciml.core.config import parse
from sciml.core.errors import ConfigError, UnsupportedError
from sciml.core.problem import Problem
from sciml.core.progress import Progress, SilentProgress
from sciml.study._use import Loaded
from sciml.tools import AnyRule, Rewrite, find_tool
from sciml.tools.cost import Cost, measure_cost
from sciml.train import (
    AnyBench,
    AnyRecipe,
    AnySolver,
    AnyTask,
    Context,
    Examination,
    Sampler,
    TrainConfig,
    Trainer,
    TrainResult,
    build_module,
)

TRIALS = "trials"
"""Folder of the trials of a search, gone when the child is finished."""
KEPT = "kept"
"""Folder of what tools decided once, gone when the child is finished."""
STAGES = "stages"
"""Folder of the trainings before the last one, gone when the child is finished."""


class OpenedRun:
    """A run as a tool sees it; see `sciml.tools.Subject`.

    Arguments:
        loaded: the run.
        home: gives the child's folder, which is made when it is first asked for.
        identity: what is done to which weights, kept in checkpoints so that another child's are refused.
        resume: whether training goes on from a checkpoint in that folder.
        progress: where to report.

    Attributes:
        trained: the last training; None before there was one.
        seconds: of all trainings.
        cost: what `measure` said of the run's own module; None if it was not asked.
    """

    def __init__(
        self,
        loaded: Loaded,
        home: Callable[[], Path],
        identity: dict[str, Any],  # Any: JSON
        *,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self.loaded, self._home, self._identity = loaded, home, identity
        self._resume, self._progress = resume, progress or SilentProgress()
        self._bench: AnyBench | None = None
        self._prepared: nn.Module | None = None
        self.trained: TrainResult | None = None
        self.seconds = 0.0
        self.cost: Cost | None = None

    @property
    def problem(self) -> Problem:
        """What it solves."""
        return self.loaded.problem

    @property
    def solver(self) -> AnySolver:
        """What solves it."""
        return self.loaded.solver

    @property
    def task(self) -> AnyTask:
        """What it is trained and examined by."""
        return self.loaded.task

    @property
    def recipe(self) -> AnyRecipe:
        """How it was made."""
        return self.loaded.recipe

    @property
    def context(self) -> Context:
        """What its module knows of the data."""
        return self.loaded.context

    @property
    def folder(self) -> Path:
        """Its files."""
        return self.loaded.folder

    @property
    def seed(self) -> int:
        """Of the run."""
        return self.loaded.config.seed

    @property
    def module(self) -> nn.Module:
        """With its weights, or what a tool prepared of it."""
        return self._prepared or self.loaded.module

    def prepare(self, module: nn.Module | None) -> None:
        """Put a module in the place of the run's own; None leaves that."""
        self._prepared = None if module is None else module.eval()

    def copy(self) -> nn.Module:
        """The module once more, for a tool to change."""
        return copy.deepcopy(self.module)

    def example(self) -> Any:  # Any: the inputs of its task
        """The shortest question about one test sample."""
        return self.loaded.example()

    def predict(self, module: nn.Module) -> Callable[[], object]:
        """A call that answers the example."""
        inputs = self.example()
        return lambda: self.solver.predict(module, inputs)

    def bench(self) -> AnyBench:
        """Its problem with the data."""
        if self._bench is None:
            self._bench = self.loaded.bench(self._progress)
        return self._bench

    def examine(self, module: nn.Module) -> Examination:
        """On the test split."""
        return self.bench().examine(self.solver, module)

    def measure(self, module: nn.Module, patience: float | None = None) -> Cost:
        """Cost of answering the example."""
        cost = measure_cost(
            module,
            lambda inputs: self.solver.predict(module, inputs),
            self.example(),
            batch=1,
            grid=self.task.grid_of(self.context),
            patience=patience,
        )
        if module is self.module:
            self.cost = cost
        return cost

    def keep(self, name: str, make: Callable[[], str]) -> str:
        """A text made once, kept in the child's folder until it is finished."""
        described = hashlib.sha256(json.dumps([self._identity, name], sort_keys=True).encode()).hexdigest()[:16]
        path = paths.make_folder(self._home() / KEPT) / f"{described}.txt"
        if self._resume and path.is_file():
            return path.read_text(encoding="utf-8")
        text = make()
        paths.write_text(path, text)
        return text

    def fresh(self, recipe: AnyRecipe) -> nn.Module:
        """A module of a recipe before training, in the structure that earlier tools made.

        It is rewritten as trained modules are, so that factors and masks start from what initialisation drew.
        """
        rng.seed_everything(rng.derive(self.seed, "init", self.solver.key))
        module = build_module(self.solver, self.problem, recipe.model, self.context)
        self.solver.task.equip(module, self.context)
        self.solver.initialise(module, self.bench().examples)
        for step in self.loaded.config.lineage:
            if isinstance(tool := find_tool(step.tool), Rewrite):
                module = tool.transfer(module, parse(tool.plan_type, step.plan, f"the plan of tool {tool.key!r}"))
        return module

    def train(
        self,
        module: nn.Module,
        config: TrainConfig,
        *,
        rule: AnyRule | None = None,
        sampler: Sampler | None = None,
        stage: str = "",
    ) -> TrainResult:
        """Train in place, with files in the child's folder."""
        folder = paths.make_folder(self._home() / STAGES / stage) if stage else self._home()
        self.trained = self._fit(module, config, folder, self._resume, rule, sampler)
        return self.trained

    def score(self, recipe: AnyRecipe) -> float:
        """Train a recipe on the side and give its validation score; one that was tried before costs nothing."""
        described = recipe.model_dump_json()
        digest = hashlib.sha256(described.encode()).hexdigest()[:16]
        folder = paths.make_folder(self._home() / TRIALS / digest)
        return self._fit(self.fresh(recipe), recipe.train, folder, True, None, None).best

    def _fit(
        self,
        module: nn.Module,
        config: TrainConfig,
        folder: Path,
        resume: bool,
        rule: AnyRule | None,
        sampler: Sampler | None,
    ) -> TrainResult:
        bench, solver = self.bench(), self.solver
        if rule is None:
            self._refuse_ignored(config)
            rng.seed_everything(rng.derive(self.seed, "tool", solver.key))
            rule = solver.step_rule(module, bench.examples, config, rng.derive(self.seed, "rule", solver.key))
        else:
            rng.seed_everything(rng.derive(self.seed, "tool", solver.key))
        result = Trainer(
            module,
            solver.loss,
            bench.examples,
            lambda candidate: bench.validate(solver, candidate),
            config,
            folder=folder,
            seed=rng.derive(self.seed, "tool", solver.key),
            identity={**self._identity, "trained": solver.key, "train": config.model_dump(mode="json")},
            explain=lambda candidate, batch: bench.explain(solver, candidate, batch),
            progress=self._progress,
            rule=rule,
            sampler=sampler,
            watch=lambda candidate: bench.watch(solver, candidate),
        ).fit(resume=resume)
        self.seconds += result.seconds
        return result

    def _refuse_ignored(self, config: TrainConfig) -> None:
        """Refuse a training that the solver's own rule would not take as it is asked for."""
        if self.solver.rule is None:
            raise UnsupportedError(f"solver {self.solver.key!r} is not trained by steps, so a tool cannot train it")
        before = self.recipe.train.model_dump()
        changed = [name for name, value in config.model_dump().items() if value != before[name]]
        if ignored := sorted(set(changed) - self.solver.rule.reads):
            raise ConfigError(
                f"the steps of solver {self.solver.key!r} do not read what the tool asks for",
                got=", ".join(f"train.{name}={getattr(config, name)}" for name in ignored),
                fix="Leave the tool's setting of that name as it is.",
            )
