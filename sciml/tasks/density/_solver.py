"""The base of the solvers that estimate densities."""

from typing import Generic, TypeVar

from torch import nn

from sciml.core.capabilities import HasDensity
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Support
from sciml.tasks.density._data import DensityConfig, DensityContext, PointBatch, Points
from sciml.tasks.density._task import DENSITY
from sciml.train import Solver

M = TypeVar("M", bound=Config)
N = TypeVar("N", bound=nn.Module)


class DensitySolver(Solver[HasDensity, M, DensityConfig, DensityContext, PointBatch, Points, N], Generic[M, N]):
    """Base of the solvers whose predictions are log densities in physical units, ``batch``."""

    task = DENSITY

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasDensity`."""
        if isinstance(problem, HasDensity):
            return Support(True)
        return Support(False, "it has no density to sample")
