"""Physics-informed networks: equations on boxes solved by networks of the coordinates."""

from sciml.solvers.pinn._config import AdaptConfig as AdaptConfig
from sciml.solvers.pinn._config import EmbedConfig as EmbedConfig
from sciml.solvers.pinn._config import OptimiseConfig as OptimiseConfig
from sciml.solvers.pinn._config import PINNConfig as PINNConfig
from sciml.solvers.pinn._config import WeighConfig as WeighConfig
from sciml.solvers.pinn._deepxde import DeepXDEConfig as DeepXDEConfig
from sciml.solvers.pinn._deepxde import deepxde as deepxde
from sciml.solvers.pinn._deepxde import import_geometry as import_geometry
from sciml.solvers.pinn._deepxde import make_model as make_deepxde_model
from sciml.solvers.pinn._deepxde import train as train_deepxde
from sciml.solvers.pinn._module import PINN as PINN
from sciml.solvers.pinn._rule import PINNRule as PINNRule
from sciml.solvers.pinn._solver import PINNSolver as PINNSolver

SOLVERS = (PINNSolver(),)

__all__ = [
    "PINN",
    "SOLVERS",
    "AdaptConfig",
    "DeepXDEConfig",
    "EmbedConfig",
    "OptimiseConfig",
    "PINNConfig",
    "PINNRule",
    "PINNSolver",
    "WeighConfig",
    "deepxde",
    "import_geometry",
    "make_deepxde_model",
    "train_deepxde",
]
