"""Applying a tool to a run: the child run, its lineage, and what it cost before and after."""

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import torch
from torch import nn

from sciml.core import paths
from sciml.core.config import Config, differences, override, parse
from sciml.core.errors import ConfigError, DataError, UnsupportedError, UserError
from sciml.core.guests import as_guest
from sciml.core.progress import Progress, SilentProgress
from sciml.study._about import ABOUT
from sciml.study._findings import add_arrays, findings_entry
from sciml.study._fit import Fitted
from sciml.study._folder import (
    CONFIG,
    EXAMPLE,
    LOG,
    PREDICTIONS,
    WEIGHTS,
    OtherRun,
    RunConfig,
    Step,
    choose_folder,
    newest_folder,
    read_config,
    sole_writer,
)
from sciml.study._others import open_others, recorded, weights_digest
from sciml.study._pack import place_of
from sciml.study._record import (
    RECORD,
    LineageEntry,
    Record,
)
from sciml.study._results import make_record, write_predictions
from sciml.study._run import Run
from sciml.study._subject import KEPT, STAGES, TRIALS, OpenedRun
from sciml.study._use import load_run
from sciml.tools import AnyTool, Findings, Merge, Policy, Probe, Rewrite, Search, find_tool
from sciml.tools.cost import Cost, measure_costs
from sciml.train import AnyRecipe, save_weights

CHECKPOINT = "checkpoint.pt"


def apply_tool(
    key: str,
    folder: str | Path,
    *,
    settings: Sequence[str] = (),
    others: Sequence[str | Path] = (),
    resume: bool = False,
    problem: str | Path | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> Run:
    """Apply a tool to a finished run and write the child run beside it.

    Arguments:
        key: of the tool.
        folder: the run.
        settings: ``key=value`` changes to the tool's settings.
        others: further runs, for a tool that merges several.
        resume: go on with the newest child of this name; one that is finished is returned as it is.
        problem: as for `load_run`.
        out: the folder under which the child is made; None for the one that the run is in.
        progress: where to report.

    Returns: the child, in ``<run>-<tool>``, complete without its parent.

    Raises: UserError for a tool that does not apply (with the reason), settings that do not exist, or a folder that is
        not a finished run; NumericsError and Interrupted as `Trainer.fit`. Whatever fails before a step of training was
        saved leaves no folder behind.
    """
    place = place_of(folder)
    parent = place.folder
    tool = find_tool(key)
    asked = override(tool.config(), list(settings))
    loaded, before = load_run(parent, problem=problem), Record.read(parent)
    if not (support := tool.supports(loaded.solver)).ok:
        raise UnsupportedError(
            f"tool {key!r} does not apply to runs of solver {loaded.solver.key!r}: {support.reason}",
            fix="`sciml list` shows what applies to what.",
        )
    companions = open_others(tool, loaded, others, problem)
    identity = {
        "run": loaded.config.model_dump(mode="json"),
        "weights": weights_digest(parent),
        "tool": key,
        "settings": asked.model_dump(mode="json"),
        **({"others": [entry.weights for entry in recorded(companions)]} if companions else {}),
    }
    with as_guest(1), _Home(paths.make_folder(out or place.beside), f"{parent.name}-{key}", resume) as home:
        started = None if home.stopped is None else _started(home.stopped, asked, recorded(companions))
        if home.stopped is not None and (home.stopped / RECORD).exists():
            return Run(home.stopped, Record.read(home.stopped))
        report = progress or SilentProgress()
        subject = OpenedRun(loaded, home.folder, identity, resume=resume, progress=report)
        merged = [
            OpenedRun(
                entry, lambda number=number: home.folder() / STAGES / f"site_{number}", identity, resume=resume,
                progress=report,
            )
            for number, entry in enumerate(companions, start=2)
        ]  # fmt: skip
        _act(tool, subject, merged, asked, home, started).write(parent, before)
        return Run(home.folder(), Record.read(home.folder()))


class _Home:
    """The child's folder, made and locked when the first file goes there; removed again if nothing comes of it.

    Attributes:
        stopped: the folder to go on with; None for a new one.
    """

    def __init__(self, place: Path, stem: str, resume: bool) -> None:
        self._place, self._stem = place, stem
        self.stopped = newest_folder(place, stem) if resume else None
        self._folder: Path | None = None
        self._lock = ExitStack()

    def folder(self) -> Path:
        """The folder."""
        if self._folder is None:
            self._folder = self.stopped or choose_folder(self._place, self._stem, False)
            self._lock.enter_context(sole_writer(self._folder))
        return self._folder

    def __enter__(self) -> "_Home":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        made = None if self.stopped else self._folder
        if error is not None and made is not None and not any(made.rglob(CHECKPOINT)):
            shutil.rmtree(made)
        self._lock.close()


class _Child(NamedTuple):
    """What a tool made of a run.

    Fields:
        tool, subject, config, folder: what was done to what, and where it goes.
        recipe, module: how it is built, and its weights.
        findings: what the tool reports.
        seconds: what it took, data not counted.
    """

    tool: AnyTool
    subject: OpenedRun
    config: RunConfig
    folder: Path
    recipe: AnyRecipe
    module: nn.Module
    findings: Findings
    seconds: float

    def write(self, parent: Path, before: Record) -> None:
        """Write the files, complete without the parent's; the record last, which makes it a finished run."""
        subject, folder, loaded = self.subject, self.folder, self.subject.loaded
        if not isinstance(self.tool, Probe):  # what a tool changed errs otherwise than before
            subject.bench().calibrate(loaded.solver, self.module)
        save_weights(self.module, folder / WEIGHTS)
        findings = {self.tool.key: findings_entry(self.findings)}
        if isinstance(self.tool, Probe):  # the module is the parent's, and so are its numbers
            cost = subject.cost or subject.measure(subject.module)
            costs = {"before": cost, "after": cost}
            record, findings = before, before.findings | findings
            for name in (PREDICTIONS, LOG):
                if (parent / name).is_file():
                    shutil.copyfile(parent / name, folder / name)
        else:
            fitted = Fitted(loaded.solver, self.recipe, self.module, subject.trained, self.seconds)
            results = [(fitted, subject.examine(self.module))]
            record = make_record(self.config, subject.bench(), results, {}, torch.device("cpu"))
            write_predictions(folder, subject.bench(), results)
            costs = measure_costs(
                {"before": loaded.module, "after": self.module},
                loaded.solver.predict,
                loaded.example(),
                batch=1,
                grid=loaded.task.grid_of(loaded.context),
            )
        for name, text in self.findings.files.items():
            if Path(name).name != name or name in (RECORD, CONFIG, WEIGHTS, PREDICTIONS, LOG):
                raise UserError(
                    f"tool {self.tool.key!r} writes a file that is not its own", got=repr(name),
                    expected="a plain name that no file of a run has",
                )  # fmt: skip
            paths.write_text(folder / name, text)
        add_arrays(folder / PREDICTIONS, self.tool.key, self.findings.arrays)
        for scratch in (KEPT, TRIALS, STAGES):
            shutil.rmtree(folder / scratch, ignore_errors=True)
        record.model_copy(
            update={
                "parent": parent.name,
                "tool": self.tool.key,
                "lineage": (*_rows_until(parent.name, before, costs["before"]), self._row(record, costs["after"])),
                "findings": findings,
            }
        ).write(folder)

    def _row(self, record: Record, cost: Cost) -> LineageEntry:
        return LineageEntry(
            run=self.folder.name,
            tool=self.tool.key,
            metrics=record.metrics["test"],
            train_seconds=self.seconds,
            cost=cost,
        )


def _act(
    tool: AnyTool, subject: OpenedRun, others: list[OpenedRun], asked: Config, home: _Home, started: Step | None
) -> _Child:
    """Decide, write down what was decided, then train: what is resumed goes on with the same decision."""
    clock = time.perf_counter()
    recipe, plan, findings = subject.recipe, {}, Findings()
    if isinstance(tool, Probe):
        module, findings = subject.module, tool.probe(subject, asked)
        seconds = time.perf_counter() - clock
        config = _begin(home, subject, tool, asked, recipe, plan)
        return _Child(tool, subject, config, home.folder(), recipe, module, findings, seconds)
    if isinstance(tool, Rewrite):
        prepared = tool.prepare(subject, asked)
        subject.prepare(None if prepared is None else prepared.module)
        decided = (
            tool.plan(subject, asked)
            if started is None
            else parse(tool.plan_type, started.plan_before or started.plan, f"the plan in {home.folder() / CONFIG}")
        )
        plan = decided.model_dump(mode="json")
        module = tool.transfer(subject.fresh(recipe) if tool.restarts(asked) else subject.copy(), decided)
        seconds = time.perf_counter() - clock - subject.seconds
        training = tool.training(asked, recipe.train)
        config = _begin(home, subject, tool, asked, recipe, plan)
        if training is not None:
            subject.train(module, training, rule=tool.rule(subject, module, training, asked, decided))
        module, kept = tool.finish(module, decided)
        findings = tool.findings(kept)
        if prepared is not None:
            findings = replace(findings, metrics={**findings.metrics, **prepared.metrics})
        if kept != decided:
            config = _begin(home, subject, tool, asked, recipe, kept.model_dump(mode="json"), plan)
    elif isinstance(tool, Merge):
        config = _begin(home, subject, tool, asked, recipe, plan, others=recorded([one.loaded for one in others]))
        module, findings = tool.merge([subject, *others], asked)
        seconds = sum(one.seconds for one in others)
    elif isinstance(tool, Policy):
        training = tool.training(asked, recipe.train)
        module, seconds = subject.fresh(recipe) if tool.fresh else subject.copy(), 0.0
        rule, sampler = tool.rule(subject, module, training, asked), tool.sampler(subject, asked)
        recipe = recipe.model_copy(update={"train": training})
        config = _begin(home, subject, tool, asked, recipe, plan)
        subject.train(module, training, rule=rule, sampler=sampler)
        findings = tool.findings(subject, module.eval(), training, asked)
    elif isinstance(tool, Search):
        _refuse_rewritten(tool, subject)
        recipe, findings = tool.search(subject, asked, subject.score)
        module, seconds = subject.fresh(recipe), 0.0
        config = _begin(home, subject, tool, asked, recipe, plan)
        subject.train(module, recipe.train)
    else:
        raise UnsupportedError(f"tool {tool.key!r} is none of the five kinds of tool", got=type(tool).__name__)
    return _Child(tool, subject, config, home.folder(), recipe, module.eval(), findings, seconds + subject.seconds)


def _begin(
    home: _Home,
    subject: OpenedRun,
    tool: AnyTool,
    asked: Config,
    recipe: AnyRecipe,
    plan: Mapping[str, Any],
    plan_before: dict[str, Any] | None = None,
    others: tuple[OtherRun, ...] = (),
) -> RunConfig:
    """Write down what the child is, before anything is trained; again where training changed the plan."""
    parent, before, after = subject.loaded, subject.recipe.model_dump(mode="json"), recipe.model_dump(mode="json")
    step = Step(
        tool=tool.key,
        plan=dict(plan),
        plan_before=plan_before,
        settings=asked.model_dump(mode="json"),
        recipe_before=None if after == before else before,
        others=others,
    )
    config = parent.config.model_copy(
        update={"recipe": after, "lineage": (*parent.config.lineage, step), "parent": parent.folder.name}
    )
    paths.write_text(home.folder() / CONFIG, config.model_dump_json(indent=2) + "\n")
    shutil.copyfile(parent.folder / EXAMPLE, home.folder() / EXAMPLE)
    paths.write_text(home.folder() / ABOUT, parent.about().model_dump_json(indent=2) + "\n")
    return config


def _started(folder: Path, asked: Config, others: tuple[OtherRun, ...]) -> Step | None:
    """What was decided in a folder before it was stopped; refuses to go on with other settings, or other runs."""
    if not (folder / CONFIG).exists():
        return None
    lineage = read_config(folder).lineage
    if not lineage:
        raise DataError(f"{folder} is in the way: it is not a child run", fix="Rename it, or leave out --resume.")
    step = lineage[-1]
    if different := differences(step.settings, asked.model_dump(mode="json")):
        raise ConfigError(
            f"{folder} was started with other settings",
            got=", ".join(f"{key}={now}" for key, (_, now) in different.items()),
            expected=", ".join(f"{key}={before}" for key, (before, _) in different.items()),
            fix="Leave out --resume to start a new child run beside it.",
        )
    if step.others != others:
        raise ConfigError(f"{folder} was started with other runs, or with other weights of theirs",
                          got=", ".join(entry.run for entry in others) or "none",
                          expected=", ".join(entry.run for entry in step.others) or "none",
                          fix="Leave out --resume to start a new child run beside it.")  # fmt: skip
    return step


def _refuse_rewritten(tool: AnyTool, subject: OpenedRun) -> None:
    rewrites = [step.tool for step in subject.loaded.config.lineage if isinstance(find_tool(step.tool), Rewrite)]
    if rewrites:
        raise UnsupportedError(
            f"tool {tool.key!r} changes recipes, and a plan made for one recipe does not fit another",
            got=f"a run rewritten by {', '.join(rewrites)}",
            expected="a run in the structure of its recipe",
            fix="Apply it to the first run of the lineage, and rewrite what it finds.",
        )


def _rows_until(name: str, before: Record, cost: Cost) -> tuple[LineageEntry, ...]:
    """The rows up to the parent's, whose cost was measured again beside the child's."""
    if before.lineage:
        return (*before.lineage[:-1], before.lineage[-1].model_copy(update={"cost": cost}))
    first = LineageEntry(
        run=name, tool="", metrics=before.metrics["test"], train_seconds=before.train.seconds, cost=cost
    )
    return (first,)
