"""The task contract: what a capability of a problem asks of a solver.

A task turns a problem into examples to train on, a score to select weights by, and a final examination. A capability
that needs another kind of examination brings its own module with one subclass, and the solvers that want it name it in
``Solver.task``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
import xarray
from torch import Tensor, nn

from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.progress import Progress
from sciml.core.types import Grid, Prediction
from sciml.data import Statistics
from sciml.train._solver import Solver


@runtime_checkable
class Examples(Protocol):
    """What the trainer draws from: numbered samples that collate into a batch."""

    def __len__(self) -> int: ...

    def batch(self, indices: Tensor, generator: torch.Generator) -> Any:
        """The samples at `indices` as one batch that offers ``len``, ``rows(slice)`` and ``to(device)``.

        `generator` is for augmentation (noise); it is a function of seed and step, so that a resumed run repeats it.
        """
        ...


@dataclass(frozen=True)
class Examination:
    """The result of examining one trained module on the test split.

    Arguments:
        metrics: flat keys to numbers, for ``record.json`` (``rollout/vrmse``).
        arrays: per-sample and per-step values and some predictions, saved to ``predictions.h5``.
        seconds: median wall time of one prediction of one step for one sample.
        status: how many samples ended how.
    """

    metrics: Mapping[str, float]
    arrays: xarray.Dataset
    seconds: float
    status: Mapping[str, int] = field(default_factory=dict)


class Task(ABC):
    """A problem made ready for one kind of solver."""

    key: ClassVar[str]
    capability: ClassVar[type]
    """The capability base a problem must have."""
    config: ClassVar[type[Config]]
    """The task's settings, the `task` table of a recipe."""

    problem: Problem
    examples: Examples
    grid: Grid
    statistics: Statistics
    dataset: Mapping[str, Any]
    """What a record says of the data: at least its hash and its card."""

    @classmethod
    @abstractmethod
    def prepare(
        cls, problem: Problem, preset: str, config: Config, *, progress: Progress | None = None, workers: int = 1
    ) -> "Task":
        """Make or open the data of `preset`; resumable, reports to `progress`."""

    @abstractmethod
    def validate(self, solver: Solver, module: nn.Module) -> float:
        """The score (lower is better) on the validation split by which the best weights are chosen."""

    def watch(self, solver: Solver, module: nn.Module) -> Mapping[str, float]:
        """What is logged beside that score and decides nothing."""
        return {}

    @abstractmethod
    def examine(self, solver: Solver, module: nn.Module) -> Examination:
        """Everything that is reported of a trained module, on the test split."""

    @abstractmethod
    def explain(self, solver: Solver, module: nn.Module, batch: Any) -> str:
        """Which named quantity of a batch, or of the prediction for it, is not finite."""

    @abstractmethod
    def sample(self) -> Any:
        """One input of `Solver.predict` for a single sample, to count operations and to export with."""

    def arguments(self) -> tuple[Tensor, ...] | None:
        """Arguments of the module itself for a single sample, if it can be exported as a program that maps tensors."""
        return None

    @abstractmethod
    def read_inputs(self, path: Path, steps: int | None) -> Any:
        """Inputs of `Solver.predict` from a user's file; DataError names what does not fit."""

    @abstractmethod
    def describe(self, inputs: Any, prediction: Prediction) -> xarray.Dataset:
        """A prediction for `inputs` as named arrays with units."""

    @abstractmethod
    def truth(self) -> xarray.Dataset:
        """The reference arrays that `Examination.arrays` are compared with, for the report."""
