"""Learned differential equations: the block they are made of, what keeps them cheap, and six solvers built on them."""

from sciml.solvers.neural_ode._block import IntegrateConfig as IntegrateConfig
from sciml.solvers.neural_ode._block import ODEBlock as ODEBlock
from sciml.solvers.neural_ode._cnf import CNFSolver as CNFSolver
from sciml.solvers.neural_ode._dynamics import Dynamics as Dynamics
from sciml.solvers.neural_ode._dynamics import DynamicsConfig as DynamicsConfig
from sciml.solvers.neural_ode._flow import Flow as Flow
from sciml.solvers.neural_ode._flow import FlowConfig as FlowConfig
from sciml.solvers.neural_ode._latent import LatentConfig as LatentConfig
from sciml.solvers.neural_ode._latent import LatentODE as LatentODE
from sciml.solvers.neural_ode._latent_ode import LatentODESolver as LatentODESolver
from sciml.solvers.neural_ode._neural_ode import NeuralODESolver as NeuralODESolver
from sciml.solvers.neural_ode._neural_sde import NeuralSDE as NeuralSDE
from sciml.solvers.neural_ode._neural_sde import NeuralSDEConfig as NeuralSDEConfig
from sciml.solvers.neural_ode._neural_sde import NeuralSDESolver as NeuralSDESolver
from sciml.solvers.neural_ode._ode_net import ODENet as ODENet
from sciml.solvers.neural_ode._ode_net import ODENetConfig as ODENetConfig
from sciml.solvers.neural_ode._ode_net import ODENetSolver as ODENetSolver
from sciml.solvers.neural_ode._regularise import RegulariseConfig as RegulariseConfig
from sciml.solvers.neural_ode._sde_block import DiffuseConfig as DiffuseConfig
from sciml.solvers.neural_ode._sde_block import SDEBlock as SDEBlock
from sciml.solvers.neural_ode._sde_net import SDENet as SDENet
from sciml.solvers.neural_ode._sde_net import SDENetConfig as SDENetConfig
from sciml.solvers.neural_ode._sde_net import SDENetSolver as SDENetSolver

SOLVERS = (
    NeuralODESolver(),
    ODENetSolver(),
    LatentODESolver(),
    CNFSolver(),
    NeuralSDESolver(),
    SDENetSolver(),
)

__all__ = [
    "SOLVERS",
    "CNFSolver",
    "DiffuseConfig",
    "Dynamics",
    "DynamicsConfig",
    "Flow",
    "FlowConfig",
    "IntegrateConfig",
    "LatentConfig",
    "LatentODE",
    "LatentODESolver",
    "NeuralODESolver",
    "NeuralSDE",
    "NeuralSDEConfig",
    "NeuralSDESolver",
    "ODEBlock",
    "ODENet",
    "ODENetConfig",
    "ODENetSolver",
    "RegulariseConfig",
    "SDEBlock",
    "SDENet",
    "SDENetConfig",
    "SDENetSolver",
]
