"""NPDE: forecasts by a network that is a PDE, whose weights are physical coefficients."""

from sciml.solvers.npde._config import NPDEConfig as NPDEConfig
from sciml.solvers.npde._fit import Fit as Fit
from sciml.solvers.npde._fit import fit as fit
from sciml.solvers.npde._forecaster import Forecaster as Forecaster
from sciml.solvers.npde._intervals import Interval as Interval
from sciml.solvers.npde._intervals import jackknife as jackknife
from sciml.solvers.npde._one_step import information as information
from sciml.solvers.npde._rules import NPDERule as NPDERule
from sciml.solvers.npde._rules import TrajectoryRule as TrajectoryRule
from sciml.solvers.npde._solver import NPDESolver as NPDESolver
from sciml.solvers.npde._trajectory_fit import TrajectoryFit as TrajectoryFit
from sciml.solvers.npde._trajectory_fit import assign_flat as assign_flat

SOLVERS = (NPDESolver(),)

__all__ = [
    "SOLVERS",
    "Fit",
    "Forecaster",
    "Interval",
    "NPDEConfig",
    "NPDERule",
    "NPDESolver",
    "TrajectoryFit",
    "TrajectoryRule",
    "assign_flat",
    "fit",
    "information",
    "jackknife",
]
