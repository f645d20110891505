"""The base of the solvers that tell classes apart."""

from typing import Generic, TypeVar

from torch import nn

from sciml.core.capabilities import Classifies
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Support
from sciml.tasks.classification._data import ClassificationConfig, ClassificationContext, Labelled, Pictures
from sciml.tasks.classification._task import CLASSIFICATION
from sciml.train import Solver

M = TypeVar("M", bound=Config)
N = TypeVar("N", bound=nn.Module)


class ClassificationSolver(
    Solver[Classifies, M, ClassificationConfig, ClassificationContext, Labelled, Pictures, N], Generic[M, N]
):
    """Base of the solvers whose predictions are probabilities of classes, ``batch class``."""

    task = CLASSIFICATION

    def supports(self, problem: Problem) -> Support:
        """A problem that `Classifies`."""
        if isinstance(problem, Classifies):
            return Support(True)
        return Support(False, "it has no labelled samples")
