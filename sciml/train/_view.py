"""What a task shows of a run: a view gets plain fields of the record, and returns figures and values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray

from sciml import draw
from sciml.core.errors import DataError
from sciml.core.problem import Problem
from sciml.draw import Figure, Picture


@dataclass(frozen=True)
class Predictions:
    """The groups of a run's ``predictions.h5``.

    Arguments:
        path: the file.
        truth: what the predictions are compared with.
        solvers: what each competitor predicted, by key.
    """

    path: Path
    truth: xarray.Dataset
    solvers: Mapping[str, xarray.Dataset]

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn what reading arrays in another layout raises into a DataError that names the file."""
        with layout_errors(self.path):
            yield


@contextmanager
def layout_errors(path: Path) -> Iterator[None]:
    """Turn what reading a damaged or foreign file of predictions raises into a DataError that names it."""
    try:
        yield
    except (DataError, NameError, ImportError):  # the latter two are none of the file's
        raise
    except Exception as error:  # a damaged file, or one of another layout, can fail anywhere in a view
        raise DataError(
            f"{path} does not hold predictions in the layout of a run",
            got=f"{type(error).__name__}: {error}",
            fix="Remove it to get a page without pictures, or run again to write it again.",
        ) from error


@dataclass(frozen=True)
class Competitor:
    """The solver of a run or one of its baselines: its size, cost and errors.

    Arguments:
        key, title: in files and in words.
        metrics: on the test split; NaN where a value is not finite.
        outcomes: test samples by how they ended.
        parameters: trainable scalars.
        flops: floating-point operations of one prediction.
        train_steps, train_seconds: what fitting took.
        best_step: whose weights were kept; None for a closed-form fit.
        predict_seconds: wall time of one prediction.
        conclusion: what its task concluded, such as formulas, as plain data of the task; None where it did not.
    """

    key: str
    title: str
    metrics: Mapping[str, float]
    outcomes: Mapping[str, int] = field(default_factory=dict)
    parameters: int = 0
    flops: int = 0
    train_steps: int = 0
    train_seconds: float = 0.0
    best_step: int | None = None
    predict_seconds: float = 0.0
    conclusion: Mapping[str, Any] | None = None  # Any: JSON of the task


@dataclass(frozen=True)
class RunView:
    """A finished run, read and checked; its solver is the first of `competitors`.

    Arguments:
        task: key of the task it was trained and examined by.
        problem_key: registry key of its problem.
        problem: the loaded problem; None when it is not registered here.
        competitors: the solver and its baselines.
        log: the lines of the training log; Any: every step rule logs what it has.
        predictions: None when the run stored none.
    """

    task: str
    problem_key: str
    problem: Problem | None
    competitors: tuple[Competitor, ...]
    log: tuple[Mapping[str, Any], ...] = ()
    predictions: Predictions | None = None

    @property
    def solver(self) -> Competitor:
        """The solver the run is about."""
        return self.competitors[0]

    @property
    def baselines(self) -> tuple[Competitor, ...]:
        """Who it is compared with."""
        return self.competitors[1:]

    @property
    def problem_title(self) -> str:
        """The problem's human name, or its key when the problem is not here."""
        return self.problem.title if self.problem else self.problem_key

    @property
    def predicted(self) -> Mapping[str, xarray.Dataset]:
        """What every competitor predicted, the solver first; empty unless the solver's own predictions are stored."""
        stored = self.predictions.solvers if self.predictions else {}
        if self.solver.key not in stored:
            return {}
        return {entry.key: stored[entry.key] for entry in self.competitors if entry.key in stored}


@dataclass(frozen=True)
class Shown:
    """What a task adds to the page of a run.

    Arguments:
        values: what the template asks for, by name. Any: an affair of the view and its template.
        files: every figure and picture of `values`, to be written as files too.
    """

    values: Mapping[str, Any]
    files: Sequence[Figure | Picture] = ()


def show_training(view: RunView) -> Shown:
    """The training curve alone, for a task that has nothing else to show."""
    figures = draw.training(view.log, view.solver.best_step)
    return Shown({"plots": {"training": figures}}, figures)


@dataclass(frozen=True)
class View:
    """How a task shows its runs.

    Arguments:
        show: makes figures and values of a run.
        template: a Jinja file that extends ``run.html.j2`` and fills its blocks; None for that page as it is.
        samples: what the test samples are called.
        counted: what operations are counted for.
        timed: what the time of a prediction is given for.
        batched: how that time is measured.
    """

    show: Callable[[RunView], Shown] = show_training
    template: Path | None = None
    samples: str = "samples"
    counted: str = "answer"
    timed: str = "answer"
    batched: str = "per sample, in a batch"
