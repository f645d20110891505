"""Solvers that predict whole trajectories of points."""

from typing import ClassVar, Generic, TypeVar

from torch import nn

from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Support
from sciml.tasks._no_space import supports_points
from sciml.tasks.trajectories._data import Start, TrajectoriesConfig, TrajectoriesContext, TrajectoryBatch
from sciml.tasks.trajectories._task import TRAJECTORIES
from sciml.train import Solver

P = TypeVar("P", bound=Problem)
M = TypeVar("M", bound=Config)
N = TypeVar("N", bound=nn.Module)


class TrajectoriesSolver(
    Solver[P, M, TrajectoriesConfig, TrajectoriesContext, TrajectoryBatch, Start, N], Generic[P, M, N]
):
    """Base of the solvers of the task `Trajectories`.

    P is the capability that a solver builds its module from: `HasTrajectories`, or what it asks for beside it.
    """

    task = TRAJECTORIES
    regresses: ClassVar[bool] = False
    """Whether it answers for every time at once by what it is told of a case, and learns no change of states."""

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasTrajectories` without spatial axes."""
        return supports_points(problem)

    def program(self, module: N) -> nn.Module | None:
        """None: most of them integrate. Regressions say otherwise."""
        return None
