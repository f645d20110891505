"""The tool contract: what a module under ``sciml/tools`` exports in its ``TOOLS`` tuple.

A tool acts on a `Subject`, a finished run brought back into memory, and leaves a child run: a run folder like any
other, whose ``config.json`` holds the parent's recipe and the plan of everything that tools did. There are five shapes;
a leaf is one of them, and tools of several shapes are applied one after another.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import xarray
from torch import nn

from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Support
from sciml.metrics import Metric
from sciml.train import (
    AnyBench,
    AnyRecipe,
    AnySolver,
    AnyTask,
    Context,
    Examination,
    Sampler,
    StepRule,
    TrainConfig,
    TrainResult,
)

if TYPE_CHECKING:
    from sciml.tools.cost import Cost

K = TypeVar("K", bound=Config)
"""Settings of a tool."""
L = TypeVar("L", bound=Config)
"""The plan of a rewrite."""

AnyRule = StepRule[Any]  # Any: batches of every task
"""A step rule of the batches of some task; see `sciml.train.AnySolver`."""


@runtime_checkable
class Subject(Protocol):
    """A finished run that a tool acts on. Nothing in it is made before it is asked for."""

    @property
    def problem(self) -> Problem:
        """What it solves."""
        ...

    @property
    def solver(self) -> AnySolver:
        """What solves it."""
        ...

    @property
    def task(self) -> AnyTask:
        """What it is trained and examined by."""
        ...

    @property
    def recipe(self) -> AnyRecipe:
        """How it was made."""
        ...

    @property
    def context(self) -> Context:
        """What its module knows of the data."""
        ...

    @property
    def folder(self) -> Path:
        """Its files."""
        ...

    @property
    def seed(self) -> int:
        """Of the run, from which a tool derives its own; see `sciml.core.rng`."""
        ...

    @property
    def module(self) -> nn.Module:
        """With its weights, in evaluation mode. A tool that changes it works on a copy."""
        ...

    def example(self) -> Any:  # Any: the inputs of its task
        """The shortest question about one test sample (one step where there are steps), from the run's own folder."""
        ...

    def predict(self, module: nn.Module) -> Callable[[], object]:
        """A call that answers `example` with a module of the subject's kind."""
        ...

    def bench(self) -> AnyBench:
        """Its problem with the data; makes or opens them."""
        ...

    def train(
        self,
        module: nn.Module,
        config: TrainConfig,
        *,
        rule: AnyRule | None = None,
        sampler: Sampler | None = None,
        stage: str = "",
    ) -> TrainResult:
        """Train a module in place by the one trainer, resumable in the child's folder.

        Arguments:
            module: of the subject's kind.
            config: steps, batch, optimiser.
            rule: what takes the steps; None for that of the solver.
            sampler: what draws the batches; None for a shuffle of every epoch.
            stage: name of a training before the last one, which has a checkpoint of its own; one that was finished
                before a stop gives its weights again at once.
        """
        ...

    def examine(self, module: nn.Module) -> Examination:
        """Everything that is reported of a module, on the test split."""
        ...

    def keep(self, name: str, make: Callable[[], str]) -> str:
        """What `make` gives, once per child: where a stopped child is resumed, the text that it gave then.

        For decisions that would come out otherwise a second time, such as those by measured times.

        Arguments:
            name: of the text among those of this tool.
            make: gives it.
        """
        ...

    def measure(self, module: nn.Module, patience: float | None = None) -> "Cost":
        """What answering `example` costs with a module; the latency takes `patience` seconds at most, or six calls."""
        ...


@dataclass(frozen=True)
class FindingsTable:
    """A table of what a tool found, for the page and ``sciml show``.

    Arguments:
        title: one line.
        columns: names.
        rows: cells, text or numbers; as many per row as there are columns.
        bars: the column of numbers that the page draws as bars beside the table; empty for none.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]
    bars: str = ""


@dataclass(frozen=True)
class FindingsFigure:
    """Lines that a tool found, kept as numbers and drawn by the page.

    Arguments:
        title: one line.
        x, y: what the axes show, with units.
        lines: abscissae and ordinates, by the name in the legend; values that are not finite leave gaps.
        log: axes with a logarithmic scale, of "x" and "y".
        caption: a sentence or two below it.
        points: names of those that are points, not joined.
    """

    title: str
    x: str
    y: str
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    log: tuple[str, ...] = ()
    caption: str = ""
    points: tuple[str, ...] = ()


@dataclass(frozen=True)
class FindingsPictures:
    """Pictures in a row, painted by the page from a variable of the findings' arrays.

    Arguments:
        title: one line.
        variable: of ``arrays``, with dims ``picture y x``.
        captions: one per picture.
    """

    title: str
    variable: str
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Findings:
    """What a tool reports besides the child's own metrics.

    Arguments:
        metrics: numbers by name, for ``record.json``; the page shows those that the tool declares, which have words and
            units, and all of them where there are neither words nor tables.
        arrays: saved in ``predictions.h5`` under ``tools/<key>``.
        words: remarks for people, one sentence each.
        tables: what is said row by row, such as of every layer.
        figures: lines.
        pictures: rows of pictures.
        files: texts by file name, written beside the record, such as a certificate or what another call reads.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    arrays: xarray.Dataset = field(default_factory=xarray.Dataset)
    words: tuple[str, ...] = ()
    tables: tuple[FindingsTable, ...] = ()
    figures: tuple[FindingsFigure, ...] = ()
    pictures: tuple[FindingsPictures, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


class Prepared(NamedTuple):
    """What a rewrite trained before it decides.

    Fields:
        module: takes the place of the subject's own.
        metrics: of that training, beside those of the findings.
    """

    module: nn.Module
    metrics: Mapping[str, float]


class Tool(ABC, Generic[K]):
    """What every tool says of itself."""

    key: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]
    config: type[K]
    """Its settings, which ``--set`` changes; every one has a default."""
    metrics: ClassVar[tuple[Metric, ...]] = ()
    """Numbers of its findings that a study may show and judge by; their keys are ``<key of the tool>/<name>``."""

    @abstractmethod
    def supports(self, solver: AnySolver) -> Support:
        """Whether it can act on runs of a solver, with the reason where it cannot."""


class Rewrite(Tool[K], Generic[K, L]):
    """Changes the structure of a trained module: pruning, factored or structured layers."""

    plan_type: type[L]
    cheaper: ClassVar[bool] = True
    """Whether a prediction never takes more products than before."""

    def prepare(self, subject: Subject, config: K) -> Prepared | None:
        """Train before anything is decided: the module that `plan` and `transfer` are then given.

        None (the default) for that of the subject as it is. Always the same one: where a stopped child is resumed it is
        asked for again, so that it trains with ``subject.train(..., stage=...)``. What cannot succeed is refused here.
        """
        return None

    @abstractmethod
    def plan(self, subject: Subject, config: K) -> L:
        """Decide what to change. Raises UnsupportedError with the reason where nothing can be."""

    @abstractmethod
    def apply(self, module: nn.Module, plan: L) -> nn.Module:
        """Rebuild the structure from the plan alone, in place where it can; weights are loaded afterwards."""

    @abstractmethod
    def transfer(self, module: nn.Module, plan: L) -> nn.Module:
        """The same change to a trained module, whose weights are carried over; in place where it can."""

    def restarts(self, config: K) -> bool:
        """Whether the rewritten module gets the weights that the first run began with; False by default."""
        return False

    def training(self, config: K, recipe: TrainConfig) -> TrainConfig | None:
        """How a rewritten module is fine-tuned, from how its solver was trained; None (the default): not at all."""
        return None

    def rule(self, subject: Subject, module: nn.Module, train: TrainConfig, config: K, plan: L) -> AnyRule | None:
        """What takes the steps of that, with the module as the plan made it.

        None (the default) for what the solver takes its own with.
        """
        return None

    def program(self, module: nn.Module) -> nn.Module:
        """The rewritten module as it is exported, with the same answers; the module itself by default.

        Works on a copy where it changes anything.
        """
        return module

    def finish(self, module: nn.Module, plan: L) -> tuple[nn.Module, L]:
        """What is kept of a module after its training, and the plan that rebuilds it.

        By default both as they are; a structure that was learned is decided only here.
        """
        return module, plan

    def findings(self, plan: L) -> Findings:
        """What is worth telling of a plan."""
        return Findings()


class Policy(Tool[K]):
    """Trains another way: masked momentum, private gradients."""

    fresh: ClassVar[bool] = True
    """Whether it starts from fresh weights, in the structure that earlier tools made; else from the trained ones."""

    @abstractmethod
    def training(self, config: K, recipe: TrainConfig) -> TrainConfig:
        """Steps, batch and schedule, from how the solver was trained."""

    @abstractmethod
    def rule(self, subject: Subject, module: nn.Module, train: TrainConfig, config: K) -> AnyRule:
        """What takes the steps. Its loss is that of ``subject.solver``, or one around it."""

    def sampler(self, subject: Subject, config: K) -> Sampler | None:
        """What draws the batches; None (the default) for a shuffle of every epoch."""
        return None

    def findings(self, subject: Subject, module: nn.Module, train: TrainConfig, config: K) -> Findings:
        """What is worth telling of the trained module."""
        return Findings()


class Merged(NamedTuple):
    """What several runs were made into.

    Fields:
        module: of the kind of the first one's, whose recipe rebuilds it.
        findings: what is reported.
    """

    module: nn.Module
    findings: Findings


class Merge(Tool[K]):
    """Makes one module of several runs of one solver, such as those of sites that share no data.

    The child is that of the first run, with its recipe, context and data; its lineage names the others.
    """

    @abstractmethod
    def merge(self, subjects: Sequence[Subject], config: K) -> Merged:
        """One module of all. What a subject trains, it trains on its own data, in a ``stage`` of its own.

        Arguments:
            subjects: two or more runs of one solver on one problem, the first one that whose child it will be.
            config: the settings.

        Raises: UserError for modules that cannot be put together, with the reason.
        """


class Search(Tool[K]):
    """Looks for a better recipe; the best one is trained as the child run."""

    @abstractmethod
    def search(self, subject: Subject, config: K, score: Callable[[AnyRecipe], float]) -> tuple[AnyRecipe, Findings]:
        """The best recipe and what was tried.

        Arguments:
            subject: whose recipe is the starting point.
            config: the settings.
            score: trains a recipe and gives its validation score, lower is better. A recipe that was tried before
                costs nothing, also where an interrupted search is resumed.
        """


class Probe(Tool[K]):
    """Measures a trained module and leaves it as it is."""

    @abstractmethod
    def probe(self, subject: Subject, config: K) -> Findings:
        """Numbers, arrays and remarks."""


AnyTool = Tool[Any]  # Any: settings of its own
"""A tool out of the registry: what its settings are is its own affair."""
AnyRewrite = Rewrite[Any, Any]  # Any: settings and plan of its own
