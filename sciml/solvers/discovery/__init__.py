"""Measuring the hidden part of an equation from sparse noisy observations; `sciml.discovery` names it."""

from sciml.solvers.discovery._places import Places as Places
from sciml.solvers.discovery._sindy import SINDySolver as SINDySolver
from sciml.solvers.discovery._solver import DiscoverySolver as DiscoverySolver
from sciml.solvers.discovery._spline import SplineDerivativeSolver as SplineDerivativeSolver
from sciml.solvers.discovery._surface import Surfaces as Surfaces
from sciml.solvers.discovery._universal_ode import UniversalODESolver as UniversalODESolver
from sciml.solvers.discovery._upinn import UPINN as UPINN
from sciml.solvers.discovery._upinn import UPINNConfig as UPINNConfig
from sciml.solvers.discovery._upinn import steps_of as steps_of
from sciml.solvers.discovery._upinn_solver import UPINNSolver as UPINNSolver

SOLVERS = (UPINNSolver(), SplineDerivativeSolver(), SINDySolver(), UniversalODESolver())

__all__ = [
    "SOLVERS",
    "UPINN",
    "DiscoverySolver",
    "Places",
    "SINDySolver",
    "SplineDerivativeSolver",
    "Surfaces",
    "UPINNConfig",
    "UPINNSolver",
    "UniversalODESolver",
    "steps_of",
]
