"""Physics-based parameterised neural ODEs: a reduced model whose unknown closures are networks of the parameters."""

from sciml.solvers.pnode._calibrate import calibrate as calibrate
from sciml.solvers.pnode._closures import Coefficient as Coefficient
from sciml.solvers.pnode._closures import Source as Source
from sciml.solvers.pnode._config import CalibrationConfig as CalibrationConfig
from sciml.solvers.pnode._config import CurriculumConfig as CurriculumConfig
from sciml.solvers.pnode._config import MisfitConfig as MisfitConfig
from sciml.solvers.pnode._config import PNODEConfig as PNODEConfig
from sciml.solvers.pnode._config import SourceConfig as SourceConfig
from sciml.solvers.pnode._config import StiffConfig as StiffConfig
from sciml.solvers.pnode._network import PNODE as PNODE
from sciml.solvers.pnode._solver import PNODESolver as PNODESolver
from sciml.solvers.pnode._solver import ReducedModelSolver as ReducedModelSolver
from sciml.solvers.pnode._solver import misfits as misfits

SOLVERS = (PNODESolver(), ReducedModelSolver())

__all__ = [
    "PNODE",
    "SOLVERS",
    "CalibrationConfig",
    "Coefficient",
    "CurriculumConfig",
    "MisfitConfig",
    "PNODEConfig",
    "PNODESolver",
    "ReducedModelSolver",
    "Source",
    "SourceConfig",
    "StiffConfig",
    "calibrate",
    "misfits",
]
