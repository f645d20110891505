"""Solvers that complete and continue sparsely observed series."""

from typing import Generic, TypeVar

from torch import nn

from sciml.core.capabilities import HasTrajectories
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Support
from sciml.tasks._no_space import supports_points
from sciml.tasks.series._data import Observed, SeriesBatch, SeriesConfig, SeriesContext
from sciml.tasks.series._task import SERIES
from sciml.train import Solver

M = TypeVar("M", bound=Config)
N = TypeVar("N", bound=nn.Module)


class SeriesSolver(Solver[HasTrajectories, M, SeriesConfig, SeriesContext, SeriesBatch, Observed, N], Generic[M, N]):
    """Base of the solvers of the task `Series`."""

    task = SERIES

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasTrajectories` without spatial axes."""
        return supports_points(problem)
