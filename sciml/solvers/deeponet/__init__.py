"""The DeepONet family: operators learned from pairs of functions."""

from sciml.solvers.deeponet._deeponet import DeepONetConfig as DeepONetConfig
from sciml.solvers.deeponet._deeponet import DeepONetSolver as DeepONetSolver
from sciml.solvers.deeponet._deepxde import copy_weights as copy_deepxde_weights
from sciml.solvers.deeponet._deepxde import make_deepxde_operator as make_deepxde_operator
from sciml.solvers.deeponet._ensemble import DeepONetEnsembleConfig as DeepONetEnsembleConfig
from sciml.solvers.deeponet._ensemble import DeepONetEnsembleSolver as DeepONetEnsembleSolver
from sciml.solvers.deeponet._informed import InformedOperator as InformedOperator
from sciml.solvers.deeponet._informed import Physics as Physics
from sciml.solvers.deeponet._mionet import MIONetConfig as MIONetConfig
from sciml.solvers.deeponet._mionet import MIONetSolver as MIONetSolver
from sciml.solvers.deeponet._pi_deeponet import PIDeepONetConfig as PIDeepONetConfig
from sciml.solvers.deeponet._pi_deeponet import PIDeepONetSolver as PIDeepONetSolver
from sciml.solvers.deeponet._pod import PODDeepONetConfig as PODDeepONetConfig
from sciml.solvers.deeponet._pod import PODDeepONetSolver as PODDeepONetSolver

SOLVERS = (DeepONetSolver(), PODDeepONetSolver(), MIONetSolver(), PIDeepONetSolver(), DeepONetEnsembleSolver())

__all__ = [
    "SOLVERS",
    "DeepONetConfig",
    "DeepONetEnsembleConfig",
    "DeepONetEnsembleSolver",
    "DeepONetSolver",
    "InformedOperator",
    "MIONetConfig",
    "MIONetSolver",
    "PIDeepONetConfig",
    "PIDeepONetSolver",
    "PODDeepONetConfig",
    "PODDeepONetSolver",
    "Physics",
    "copy_deepxde_weights",
    "make_deepxde_operator",
]
