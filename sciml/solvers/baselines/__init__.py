"""What every learned forecast is compared with: no skill, linear skill, and plain networks of the same size."""

from sciml.solvers.baselines._dilresnet import DilatedBlock as DilatedBlock
from sciml.solvers.baselines._dilresnet import DilResNet as DilResNet
from sciml.solvers.baselines._dilresnet import DilResNetConfig as DilResNetConfig
from sciml.solvers.baselines._dilresnet import DilResNetSolver as DilResNetSolver
from sciml.solvers.baselines._fno import FNO as FNO
from sciml.solvers.baselines._fno import FNOConfig as FNOConfig
from sciml.solvers.baselines._fno import FNOSolver as FNOSolver
from sciml.solvers.baselines._linear import LinearConfig as LinearConfig
from sciml.solvers.baselines._linear import LinearSolver as LinearSolver
from sciml.solvers.baselines._linear import LinearStencil as LinearStencil
from sciml.solvers.baselines._persistence import Persistence as Persistence
from sciml.solvers.baselines._persistence import PersistenceConfig as PersistenceConfig
from sciml.solvers.baselines._persistence import PersistenceSolver as PersistenceSolver
from sciml.solvers.baselines._unet import UNet as UNet
from sciml.solvers.baselines._unet import UNetConfig as UNetConfig
from sciml.solvers.baselines._unet import UNetSolver as UNetSolver

SOLVERS = (PersistenceSolver(), LinearSolver(), UNetSolver(), FNOSolver(), DilResNetSolver())

__all__ = [
    "FNO",
    "SOLVERS",
    "DilResNet",
    "DilResNetConfig",
    "DilResNetSolver",
    "DilatedBlock",
    "FNOConfig",
    "FNOSolver",
    "LinearConfig",
    "LinearSolver",
    "LinearStencil",
    "Persistence",
    "PersistenceConfig",
    "PersistenceSolver",
    "UNet",
    "UNetConfig",
    "UNetSolver",
]
