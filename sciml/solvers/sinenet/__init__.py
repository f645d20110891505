"""SineNet (Zhang et al., ICLR 2024): a time step as a chain of thin U-Nets."""

from sciml.solvers.sinenet._config import SineNetConfig as SineNetConfig
from sciml.solvers.sinenet._config import count_parameters as count_parameters
from sciml.solvers.sinenet._config import width_for as width_for
from sciml.solvers.sinenet._ensemble import SineNetEnsembleSolver as SineNetEnsembleSolver
from sciml.solvers.sinenet._solver import SineNetSolver as SineNetSolver

SOLVERS = (SineNetSolver(), SineNetEnsembleSolver())

__all__ = ["SOLVERS", "SineNetConfig", "SineNetEnsembleSolver", "SineNetSolver", "count_parameters", "width_for"]
