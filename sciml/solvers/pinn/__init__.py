"""Physics-informed networks: equations on boxes solved by networks of the coordinates."""

from sciml.solvers.pinn._config import AdaptConfig as AdaptConfig
from sciml.solvers.pinn._config import EmbedConfig as EmbedConfig
from sciml.solvers.pinn._config import OptimiseConfig as OptimiseConfig
from sciml.solvers.pinn._config import PINNConfig as PINNConfig
from sciml.solvers.pinn._config import WeighConfig as WeighConfig
from sciml.solvers.pinn._module import PINN as PINN
from sciml.solvers.pinn._solver import PINNSolver as PINNSolver

SOLVERS = (PINNSolver(),)

__all__ = ["PINN", "SOLVERS", "AdaptConfig", "EmbedConfig", "OptimiseConfig", "PINNConfig", "PINNSolver", "WeighConfig"]
