"""The DeepONet family: operators learned from pairs of functions."""

from sciml.solvers.deeponet._deeponet import DeepONetConfig as DeepONetConfig
from sciml.solvers.deeponet._deeponet import DeepONetSolver as DeepONetSolver
from sciml.solvers.deeponet._mionet import MIONetConfig as MIONetConfig
from sciml.solvers.deeponet._mionet import MIONetSolver as MIONetSolver
from sciml.solvers.deeponet._pod import PODDeepONetConfig as PODDeepONetConfig
from sciml.solvers.deeponet._pod import PODDeepONetSolver as PODDeepONetSolver

SOLVERS = (DeepONetSolver(), PODDeepONetSolver(), MIONetSolver())

__all__ = [
    "SOLVERS",
    "DeepONetConfig",
    "DeepONetSolver",
    "MIONetConfig",
    "MIONetSolver",
    "PODDeepONetConfig",
    "PODDeepONetSolver",
]
