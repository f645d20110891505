"""Learned differential equations: recipes and fitting of six solvers built on them."""

from sciml.solvers.neural_ode._cnf import CNFSolver as CNFSolver
from sciml.solvers.neural_ode._cnf import FlowConfig as FlowConfig
from sciml.solvers.neural_ode._latent_ode import LatentConfig as LatentConfig
from sciml.solvers.neural_ode._latent_ode import LatentODESolver as LatentODESolver
from sciml.solvers.neural_ode._neural_ode import DynamicsConfig as DynamicsConfig
from sciml.solvers.neural_ode._neural_ode import NeuralODESolver as NeuralODESolver
from sciml.solvers.neural_ode._neural_sde import NeuralSDEConfig as NeuralSDEConfig
from sciml.solvers.neural_ode._neural_sde import NeuralSDESolver as NeuralSDESolver
from sciml.solvers.neural_ode._ode_net import ODENetConfig as ODENetConfig
from sciml.solvers.neural_ode._ode_net import ODENetSolver as ODENetSolver
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
    "DynamicsConfig",
    "FlowConfig",
    "LatentConfig",
    "LatentODESolver",
    "NeuralODESolver",
    "NeuralSDEConfig",
    "NeuralSDESolver",
    "ODENetConfig",
    "ODENetSolver",
    "SDENetConfig",
    "SDENetSolver",
]
