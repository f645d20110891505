"""The base of the solvers that learn stochastic equations."""

from typing import Generic, TypeVar

from torch import nn

from sciml.core.capabilities import Diffuses
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Support
from sciml.tasks.paths._data import PathBatch, PathInputs, PathsConfig, PathsContext
from sciml.tasks.paths._task import PATHS
from sciml.train import Solver

M = TypeVar("M", bound=Config)
N = TypeVar("N", bound=nn.Module)


class PathsSolver(Solver[Diffuses, M, PathsConfig, PathsContext, PathBatch, PathInputs, N], Generic[M, N]):
    """Base of the solvers whose predictions are paths, ``batch time channel``."""

    task = PATHS

    def supports(self, problem: Problem) -> Support:
        """A problem that `Diffuses`."""
        if isinstance(problem, Diffuses):
            return Support(True)
        return Support(False, "it has no noise term")
