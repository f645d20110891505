"""The task contract: what a capability of a problem asks of a solver.

A task is a folder under ``sciml/tasks`` that exports ``TASKS``. It says how inputs and answers look, and prepares a
`Bench`: a problem with its data, examples to train on, a score to select weights by, and a final examination.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple

import xarray
from torch import Tensor, nn

from sciml.core.errors import UnsupportedError, UserError
from sciml.core.problem import Field, Parameter
from sciml.core.progress import Progress
from sciml.core.types import Grid, Prediction
from sciml.data import CardTable
from sciml.metrics import Metric, find_metric
from sciml.train._examples import Examples
from sciml.train._solver import AnySolver, B, C, P, Q, Solver, T
from sciml.train._view import View


class Column(NamedTuple):
    """One quantity among those that lie side by side in a tensor.

    Fields:
        name, units, long_name: as of a field or parameter.
        size: entries that it takes one after another, such as the values of a function at its sensors.
        origin: what its values are counted from.
    """

    name: str
    units: str
    long_name: str = ""
    size: int = 1
    origin: float = 0.0


def columns_of(entries: Iterable[Field | Parameter]) -> tuple[Column, ...]:
    """A column of every field or parameter, in their order."""
    return tuple(Column(entry.name, entry.units, entry.long_name) for entry in entries)


@dataclass(frozen=True)
class Examination:
    """The result of examining one trained module on the test split.

    Arguments:
        metrics: flat keys to numbers, for ``record.json`` (``rollout/vrmse``).
        arrays: per-sample and per-step values and some predictions, saved to ``predictions.h5``.
        seconds: median wall time of one prediction of one step for one sample.
        status: how many samples ended how.
        cases: the metrics that are means over test cases, case by case, for intervals over these.
    """

    metrics: Mapping[str, float]
    arrays: xarray.Dataset
    seconds: float
    status: Mapping[str, int] = field(default_factory=dict)
    cases: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Conclusion:
    """What a task works out of an examined module, beyond its errors: the formulas of a hidden term.

    Arguments:
        metrics: flat keys to numbers.
        details: plain data for ``record.json``.
        arrays: saved beside those of the examination.
        words: for the log and the command line.
    """

    metrics: Mapping[str, float]
    details: Mapping[str, Any]  # Any: JSON
    arrays: xarray.Dataset
    words: tuple[str, ...] = ()


class Bench(ABC, Generic[P, T, C, B, Q]):
    """A problem with its data, on which the solvers of one task are trained and examined.

    Fields:
        problem, settings: what it was prepared for.
        context: what networks must know of the data.
        dataset: what a record says of the data: at least its hash and its card.
        examples: what is trained on.
        example: the inputs of one test sample, the shortest question there is.
    """

    problem: P
    settings: T
    context: C
    dataset: Mapping[str, Any]  # Any: JSON
    examples: Examples[B]
    example: Q

    @abstractmethod
    def validate(self, solver: "TaskSolver[P, T, C, B, Q]", module: nn.Module) -> float:
        """The score (lower is better) on the validation split by which the best weights are chosen."""

    def test_batch(self) -> B | None:
        """The test samples as one batch, of which a tool may ask the loss; None (the default) for no such batch."""
        return None

    def cautions(self) -> tuple[str, ...]:
        """What is wrong with the data that a user must know before anything is trained; nothing by default."""
        return ()

    def watch(self, solver: "TaskSolver[P, T, C, B, Q]", module: nn.Module) -> Mapping[str, float]:
        """What is logged beside that score and decides nothing."""
        return {}

    def calibrate(self, solver: "TaskSolver[P, T, C, B, Q]", module: nn.Module) -> None:
        """What is set in a trained module by data that nothing was fitted to, before it is examined and saved.

        Nothing by default, and nothing where the settings ask for nothing.
        """

    @abstractmethod
    def examine(self, solver: "TaskSolver[P, T, C, B, Q]", module: nn.Module) -> Examination:
        """Everything that is reported of a trained module, on the test split."""

    def convention(self, name: str, solver: "TaskSolver[P, T, C, B, Q]", module: nn.Module) -> Mapping[str, float]:
        """Numbers of the test split as another benchmark defines them; `name` is one of `sciml.metrics.CONVENTIONS`.

        Raises: UnsupportedError where the benchmark has no such task, which is the default.
        """
        raise UnsupportedError(
            f"the numbers of {name!r} are those of forecasts on grids",
            got=f"a run of the task {solver.task.key!r}",
            fix="Leave out --metrics.",
        )

    def conclude(
        self, solver: "TaskSolver[P, T, C, B, Q]", module: nn.Module, folder: Path, progress: Progress
    ) -> Conclusion | None:
        """What follows from an examined module; finished steps are kept in `folder`, so that a run can be resumed.

        None, and no work, where the settings ask for nothing.
        """
        return None

    @abstractmethod
    def explain(self, solver: "TaskSolver[P, T, C, B, Q]", module: nn.Module, batch: B) -> str:
        """Which named quantity of a batch, or of the prediction for it, is not finite."""

    @abstractmethod
    def truth(self) -> xarray.Dataset:
        """The reference arrays that `Examination.arrays` are compared with, for the report."""


class Task(ABC, Generic[P, T, C, B, Q]):
    """One kind of question, the same for all problems of a capability.

    Fields:
        key, title: how it is called.
        capability: the class a problem must be of.
        card: the table of a dataset card that its data is made from, ``[presets.tiny.<key of the table>]``.
        config: its settings, the `task` table of a recipe.
        context: what it tells networks of the data.
        shared: fields of its inputs that belong to all samples, such as times.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    shared: ClassVar[frozenset[str]] = frozenset()
    capability: type[P]
    card: type[CardTable]
    config: type[T]
    context: type[C]
    free: ClassVar[Mapping[int, Mapping[int, str]]] = {}
    """Axes of `arguments`, beside that of samples, whose length an exported program leaves free where it can: by number
    of the argument and of its axis, with a name."""
    separate: ClassVar[bool] = False
    """Whether every field of a batch is one tensor row per sample, and benches have a `Bench.test_batch`."""
    metrics: ClassVar[tuple[Metric, ...]] = ()
    """What an examination measures, the most important first."""
    view: ClassVar[View] = View()
    """What the page of a run shows."""

    def metric(self, key: str) -> Metric:
        """What the number under `key` means; one that is not declared has words but no direction."""
        return find_metric(self.metrics, key)

    @abstractmethod
    def prepare(
        self, problem: P, preset: str, settings: T, *, progress: Progress | None = None, workers: int = 1
    ) -> Bench[P, T, C, B, Q]:
        """Make or open the data of `preset`; resumable, reports to `progress`."""

    @abstractmethod
    def inputs(self, batch: B) -> Q:
        """The question that a training batch answers."""

    @abstractmethod
    def read_inputs(self, path: Path, problem: P, context: C, steps: int | None) -> Q:
        """Inputs of `Solver.predict` from a user's file; DataError names what does not fit."""

    def resample(self, source: xarray.Dataset, context: C, label: str) -> xarray.Dataset:
        """Inputs on other points of the run's domain, interpolated to its own; `label` is what messages call them.

        Raises: UnsupportedError where inputs lie on no grid; DataError for points of another domain.
        """
        raise UnsupportedError(f"inputs of the task {self.key!r} lie on no grid, so there is nothing to resample")

    def unseen(self, inputs: Q, problem: P, context: C) -> Sequence[UserError]:
        """An error for all of a question that lies outside of what was trained on, parameters and forcings aside.

        They are raised unless the user asks for extrapolation; none by default.
        """
        return ()

    @abstractmethod
    def write_inputs(self, inputs: Q, problem: P, context: C) -> xarray.Dataset:
        """Inputs as the file that `read_inputs` reads."""

    def as_rows(self, content: xarray.Dataset) -> xarray.Dataset:
        """What `write_inputs` made, arranged as the table that `read_inputs` reads.

        Raises: UnsupportedError where that is no table; by default, where anything is not one number per sample.
        """
        for name, array in content.data_vars.items():
            if set(array.dims) - {"sample"}:
                raise UnsupportedError(f"inputs of the task {self.key!r} are no table with a row per case",
                                       got=f"{name} on {', '.join(map(str, array.dims))}",
                                       fix="Write a NetCDF file: .nc.")  # fmt: skip
        return content

    @abstractmethod
    def describe(self, inputs: Q, prediction: Prediction, problem: P, context: C) -> xarray.Dataset:
        """A prediction for `inputs` as named arrays with units."""

    def complete(
        self, solver: AnySolver, module: nn.Module, inputs: Q, prediction: Prediction, problem: P
    ) -> Prediction:
        """A prediction with what must not depend on how it was asked for among its statistics; itself by default."""
        return prediction

    def equip(self, module: nn.Module, context: C) -> None:
        """What every freshly built module gets of the task, such as room for bands; nothing by default."""
        return

    def conformal(self, share: float) -> tuple[str, ...]:
        """The settings by which predictions carry bands that hold a share of the values.

        Raises: UnsupportedError where the task has no such bands.
        """
        raise UnsupportedError(f"predictions of the task {self.key!r} have no conformal bands", got=f"{share:g}",
                               fix="Leave out --conformal.")  # fmt: skip

    def shorten(self, inputs: Q) -> tuple[Q, slice] | None:
        """Inputs that ask the same samples for less, and which part of axis 1 of the full answer that is.

        None where all of an answer is asked for at once.
        """
        return None

    def refine(self, inputs: Q) -> tuple[Q, slice] | None:
        """Inputs that ask the same samples for more, and which part of axis 1 of the fuller answer the old one is.

        Where answers are asked for at times: one more between any two, at which nothing is known. None where there is
        no more to ask for. It is how the contract tests find solvers whose answer depends on the other questions.
        """
        return None

    def arguments(self, inputs: Q) -> tuple[Tensor, ...] | None:
        """Arguments of `Solver.program`, if the question can be put as tensors alone, one row per sample."""
        return None

    def columns(self, problem: P, context: C) -> tuple[tuple[Column, ...], ...]:
        """What lies side by side along the axis of channels of each of the `arguments`; nothing where there is none."""
        return ()

    def answers(self, problem: P, context: C) -> tuple[Column, ...]:
        """What lies side by side in the answer of `Solver.program`: the fields, unless it is something else."""
        return columns_of(problem.fields)

    def grid_of(self, context: C) -> tuple[int, ...]:
        """Points per spatial axis of an input; none where there is no space."""
        grid = getattr(context, "grid", None)
        return grid.size if isinstance(grid, Grid) else ()

    def rows(self, inputs: Q, rows: Tensor) -> Q:
        """The chosen samples of some inputs."""
        parts = {
            name: value[rows]
            for name, value in inputs._asdict().items()  # pyright: ignore[reportAttributeAccessIssue] (a named tuple)
            if isinstance(value, Tensor) and name not in self.shared
        }
        return inputs._replace(**parts)  # pyright: ignore[reportAttributeAccessIssue]


TaskSolver = Solver[P, Any, T, C, B, Q, Any]  # Any: settings and module of its own
"""A solver of a task. Its hyper-parameters and module are its own affair."""
AnyTask = Task[Any, Any, Any, Any, Any]  # Any: see `AnySolver`
"""A task out of the registry; see `AnySolver`."""
AnyBench = Bench[Any, Any, Any, Any, Any]  # Any: see `AnySolver`
