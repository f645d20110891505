"""What operator networks are compared with: the mean, the best linear operator, a plain network, networks of fields."""

from sciml.solvers.maps._fnn import FNNConfig as FNNConfig
from sciml.solvers.maps._fnn import FNNSolver as FNNSolver
from sciml.solvers.maps._fnn import PlainNetwork as PlainNetwork
from sciml.solvers.maps._gridded import FNOMapConfig as FNOMapConfig
from sciml.solvers.maps._gridded import FNOMapSolver as FNOMapSolver
from sciml.solvers.maps._gridded import UNetMapConfig as UNetMapConfig
from sciml.solvers.maps._gridded import UNetMapSolver as UNetMapSolver
from sciml.solvers.maps._linear import BasisOperator as BasisOperator
from sciml.solvers.maps._linear import LinearMapConfig as LinearMapConfig
from sciml.solvers.maps._linear import LinearMapSolver as LinearMapSolver
from sciml.solvers.maps._linear import MeanMapSolver as MeanMapSolver

SOLVERS = (MeanMapSolver(), LinearMapSolver(), FNNSolver(), FNOMapSolver(), UNetMapSolver())

__all__ = [
    "SOLVERS",
    "BasisOperator",
    "FNNConfig",
    "FNNSolver",
    "FNOMapConfig",
    "FNOMapSolver",
    "LinearMapConfig",
    "LinearMapSolver",
    "MeanMapSolver",
    "PlainNetwork",
    "UNetMapConfig",
    "UNetMapSolver",
]
