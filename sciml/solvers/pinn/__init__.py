"""Physics-informed networks: equations on boxes solved by networks of the coordinates."""

from sciml.core.guests import deepxde as deepxde
from sciml.solvers.pinn._adapt import adapted as adapted
from sciml.solvers.pinn._adapt import density as density
from sciml.solvers.pinn._config import AdaptConfig as AdaptConfig
from sciml.solvers.pinn._config import EmbedConfig as EmbedConfig
from sciml.solvers.pinn._config import OptimiseConfig as OptimiseConfig
from sciml.solvers.pinn._config import PINNConfig as PINNConfig
from sciml.solvers.pinn._config import WeighConfig as WeighConfig
from sciml.solvers.pinn._deepxde import DeepXDEConfig as DeepXDEConfig
from sciml.solvers.pinn._deepxde import import_geometry as import_geometry
from sciml.solvers.pinn._deepxde import make_model as make_deepxde_model
from sciml.solvers.pinn._deepxde import train as train_deepxde
from sciml.solvers.pinn._engines import Gradient as Gradient
from sciml.solvers.pinn._engines import choose as choose
from sciml.solvers.pinn._engines import residual_by as residual_by
from sciml.solvers.pinn._gauss_newton import GaussNewton as GaussNewton
from sciml.solvers.pinn._gauss_newton import assign as assign
from sciml.solvers.pinn._gauss_newton import conjugate_gradients as conjugate_gradients
from sciml.solvers.pinn._gauss_newton import flat as flat
from sciml.solvers.pinn._jacobian import jacobian as jacobian
from sciml.solvers.pinn._module import PINN as PINN
from sciml.solvers.pinn._objective import Weights as Weights
from sciml.solvers.pinn._objective import evaluate as evaluate
from sciml.solvers.pinn._objective import losses as losses
from sciml.solvers.pinn._objective import scaled as scaled
from sciml.solvers.pinn._objective import terms_of as terms_of
from sciml.solvers.pinn._rule import PINNRule as PINNRule
from sciml.solvers.pinn._rule import initial_weights as initial_weights
from sciml.solvers.pinn._solver import PINNSolver as PINNSolver
from sciml.solvers.pinn._weigh import Balance as Balance
from sciml.solvers.pinn._weigh import causal_weights as causal_weights

SOLVERS = (PINNSolver(),)

__all__ = [
    "PINN",
    "SOLVERS",
    "AdaptConfig",
    "Balance",
    "DeepXDEConfig",
    "EmbedConfig",
    "GaussNewton",
    "Gradient",
    "OptimiseConfig",
    "PINNConfig",
    "PINNRule",
    "PINNSolver",
    "WeighConfig",
    "Weights",
    "adapted",
    "assign",
    "causal_weights",
    "choose",
    "conjugate_gradients",
    "deepxde",
    "density",
    "evaluate",
    "flat",
    "import_geometry",
    "initial_weights",
    "jacobian",
    "losses",
    "make_deepxde_model",
    "residual_by",
    "scaled",
    "terms_of",
    "train_deepxde",
]
