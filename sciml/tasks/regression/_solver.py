"""Solvers that predict numbers from parameters."""

from typing import Generic, TypeVar

from torch import nn

from sciml.core.capabilities import MapsParameters
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Support
from sciml.tasks.regression._data import Point, RegressionConfig, RegressionContext, RowBatch
from sciml.tasks.regression._task import REGRESSION
from sciml.train import Solver

M = TypeVar("M", bound=Config)
N = TypeVar("N", bound=nn.Module)


class RegressionSolver(
    Solver[MapsParameters, M, RegressionConfig, RegressionContext, RowBatch, Point, N], Generic[M, N]
):
    """Base of the solvers of the task `Regression`; their modules map parameters to targets, both in physical units."""

    task = REGRESSION

    def supports(self, problem: Problem) -> Support:
        """A problem that `MapsParameters` and has some."""
        if not isinstance(problem, MapsParameters):
            return Support(False, "it does not map parameters to numbers")
        if not problem.parameters:
            return Support(False, "it has no parameters to regress on")
        return Support(True)
