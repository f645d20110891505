"""What every learned answer is compared with: no skill, linear skill, and plain networks of the same size."""

from sciml.solvers.baselines._boosted_trees import BoostedTrees as BoostedTrees
from sciml.solvers.baselines._boosted_trees import BoostedTreesConfig as BoostedTreesConfig
from sciml.solvers.baselines._boosted_trees import BoostedTreesOfModes as BoostedTreesOfModes
from sciml.solvers.baselines._boosted_trees import BoostedTreesSolver as BoostedTreesSolver
from sciml.solvers.baselines._dilresnet import DilResNetConfig as DilResNetConfig
from sciml.solvers.baselines._dilresnet import DilResNetSolver as DilResNetSolver
from sciml.solvers.baselines._fno import FNOConfig as FNOConfig
from sciml.solvers.baselines._fno import FNOSolver as FNOSolver
from sciml.solvers.baselines._fno_ensemble import FNOEnsembleSolver as FNOEnsembleSolver
from sciml.solvers.baselines._frames import Frames as Frames
from sciml.solvers.baselines._frames import FramesProgram as FramesProgram
from sciml.solvers.baselines._frames import Modes as Modes
from sciml.solvers.baselines._frames import chosen as chosen
from sciml.solvers.baselines._frames import features_of as features_of
from sciml.solvers.baselines._frames import finished as finished
from sciml.solvers.baselines._frames import reads_start as reads_start
from sciml.solvers.baselines._frames import supports_frames as supports_frames
from sciml.solvers.baselines._frames import training_times as training_times
from sciml.solvers.baselines._frames import whole as whole
from sciml.solvers.baselines._gaussian_process import GaussianProcess as GaussianProcess
from sciml.solvers.baselines._gaussian_process import GaussianProcessConfig as GaussianProcessConfig
from sciml.solvers.baselines._gaussian_process import GaussianProcessSolver as GaussianProcessSolver
from sciml.solvers.baselines._gru import GRUConfig as GRUConfig
from sciml.solvers.baselines._gru import GRUSolver as GRUSolver
from sciml.solvers.baselines._kde import KDEConfig as KDEConfig
from sciml.solvers.baselines._kde import KDESolver as KDESolver
from sciml.solvers.baselines._kde import KernelDensity as KernelDensity
from sciml.solvers.baselines._kernel_ridge import KernelRidge as KernelRidge
from sciml.solvers.baselines._kernel_ridge import KernelRidgeConfig as KernelRidgeConfig
from sciml.solvers.baselines._kernel_ridge import KernelRidgeSolver as KernelRidgeSolver
from sciml.solvers.baselines._lagged_ridge import LaggedRidge as LaggedRidge
from sciml.solvers.baselines._lagged_ridge import LaggedRidgeConfig as LaggedRidgeConfig
from sciml.solvers.baselines._lagged_ridge import LaggedRidgeSolver as LaggedRidgeSolver
from sciml.solvers.baselines._linear import LinearConfig as LinearConfig
from sciml.solvers.baselines._linear import LinearSolver as LinearSolver
from sciml.solvers.baselines._linear import LinearStencil as LinearStencil
from sciml.solvers.baselines._linear_ode import LinearODE as LinearODE
from sciml.solvers.baselines._linear_ode import LinearODEConfig as LinearODEConfig
from sciml.solvers.baselines._linear_ode import LinearODESolver as LinearODESolver
from sciml.solvers.baselines._log_spectrum import LogSpectrum as LogSpectrum
from sciml.solvers.baselines._log_spectrum import LogSpectrumConfig as LogSpectrumConfig
from sciml.solvers.baselines._log_spectrum import LogSpectrumSolver as LogSpectrumSolver
from sciml.solvers.baselines._mlp_regression import MLPRegression as MLPRegression
from sciml.solvers.baselines._mlp_regression import MLPRegressionConfig as MLPRegressionConfig
from sciml.solvers.baselines._mlp_regression import MLPRegressionSolver as MLPRegressionSolver
from sciml.solvers.baselines._persistence import Persistence as Persistence
from sciml.solvers.baselines._persistence import PersistenceConfig as PersistenceConfig
from sciml.solvers.baselines._persistence import PersistenceSolver as PersistenceSolver
from sciml.solvers.baselines._realnvp import RealNVPConfig as RealNVPConfig
from sciml.solvers.baselines._realnvp import RealNVPSolver as RealNVPSolver
from sciml.solvers.baselines._resnet import ResNetConfig as ResNetConfig
from sciml.solvers.baselines._resnet import ResNetSolver as ResNetSolver
from sciml.solvers.baselines._rows import BoostedTreesRowsConfig as BoostedTreesRowsConfig
from sciml.solvers.baselines._rows import BoostedTreesRowsSolver as BoostedTreesRowsSolver
from sciml.solvers.baselines._rows import GaussianProcessRowsConfig as GaussianProcessRowsConfig
from sciml.solvers.baselines._rows import GaussianProcessRowsSolver as GaussianProcessRowsSolver
from sciml.solvers.baselines._rows import KernelRidgeRowsConfig as KernelRidgeRowsConfig
from sciml.solvers.baselines._rows import KernelRidgeRowsSolver as KernelRidgeRowsSolver
from sciml.solvers.baselines._rows import MeanConfig as MeanConfig
from sciml.solvers.baselines._rows import MeanRowsSolver as MeanRowsSolver
from sciml.solvers.baselines._rows import MLPRowsConfig as MLPRowsConfig
from sciml.solvers.baselines._rows import MLPRowsSolver as MLPRowsSolver
from sciml.solvers.baselines._rows import RowModule as RowModule
from sciml.solvers.baselines._rows import RowRegression as RowRegression
from sciml.solvers.baselines._sequence_networks import CausalCNNConfig as CausalCNNConfig
from sciml.solvers.baselines._sequence_networks import CausalCNNSolver as CausalCNNSolver
from sciml.solvers.baselines._sequence_networks import GRUSequenceSolver as GRUSequenceSolver
from sciml.solvers.baselines._sequence_networks import RecurrentConfig as RecurrentConfig
from sciml.solvers.baselines._sequence_networks import RecurrentSolver as RecurrentSolver
from sciml.solvers.baselines._sequence_transformer import TransformerConfig as TransformerConfig
from sciml.solvers.baselines._sequence_transformer import TransformerSolver as TransformerSolver
from sciml.solvers.baselines._spline_flow import SplineFlowConfig as SplineFlowConfig
from sciml.solvers.baselines._spline_flow import SplineFlowSolver as SplineFlowSolver
from sciml.solvers.baselines._unet import UNetConfig as UNetConfig
from sciml.solvers.baselines._unet import UNetSolver as UNetSolver

SOLVERS = (
    PersistenceSolver(),
    LinearSolver(),
    UNetSolver(),
    FNOSolver(),
    FNOEnsembleSolver(),
    DilResNetSolver(),
    LinearODESolver(),
    GRUSolver(),
    ResNetSolver(),
    RealNVPSolver(),
    SplineFlowSolver(),
    KDESolver(),
    KernelRidgeSolver(),
    GaussianProcessSolver(),
    MLPRegressionSolver(),
    BoostedTreesSolver(),
    MeanRowsSolver(),
    KernelRidgeRowsSolver(),
    GaussianProcessRowsSolver(),
    MLPRowsSolver(),
    BoostedTreesRowsSolver(),
    RecurrentSolver(),
    GRUSequenceSolver(),
    CausalCNNSolver(),
    TransformerSolver(),
    LaggedRidgeSolver(),
    LogSpectrumSolver(),
)

__all__ = [
    "SOLVERS",
    "BoostedTrees",
    "BoostedTreesConfig",
    "BoostedTreesOfModes",
    "BoostedTreesRowsConfig",
    "BoostedTreesRowsSolver",
    "BoostedTreesSolver",
    "CausalCNNConfig",
    "CausalCNNSolver",
    "DilResNetConfig",
    "DilResNetSolver",
    "FNOConfig",
    "FNOEnsembleSolver",
    "FNOSolver",
    "Frames",
    "FramesProgram",
    "GRUConfig",
    "GRUSequenceSolver",
    "GRUSolver",
    "GaussianProcess",
    "GaussianProcessConfig",
    "GaussianProcessRowsConfig",
    "GaussianProcessRowsSolver",
    "GaussianProcessSolver",
    "KDEConfig",
    "KDESolver",
    "KernelDensity",
    "KernelRidge",
    "KernelRidgeConfig",
    "KernelRidgeRowsConfig",
    "KernelRidgeRowsSolver",
    "KernelRidgeSolver",
    "LaggedRidge",
    "LaggedRidgeConfig",
    "LaggedRidgeSolver",
    "LinearConfig",
    "LinearODE",
    "LinearODEConfig",
    "LinearODESolver",
    "LinearSolver",
    "LinearStencil",
    "LogSpectrum",
    "LogSpectrumConfig",
    "LogSpectrumSolver",
    "MLPRegression",
    "MLPRegressionConfig",
    "MLPRegressionSolver",
    "MLPRowsConfig",
    "MLPRowsSolver",
    "MeanConfig",
    "MeanRowsSolver",
    "Modes",
    "Persistence",
    "PersistenceConfig",
    "PersistenceSolver",
    "RealNVPConfig",
    "RealNVPSolver",
    "RecurrentConfig",
    "RecurrentSolver",
    "ResNetConfig",
    "ResNetSolver",
    "RowModule",
    "RowRegression",
    "SplineFlowConfig",
    "SplineFlowSolver",
    "TransformerConfig",
    "TransformerSolver",
    "UNetConfig",
    "UNetSolver",
    "chosen",
    "features_of",
    "finished",
    "reads_start",
    "supports_frames",
    "training_times",
    "whole",
]
