"""Whole networks for anybody's loop: plain modules with keyword hyper-parameters, without problem, run or settings.

    from sciml import models

    network = models.FNO(in_channels=3, out_channels=3, modes=16, width=32)
    following = network(fields)
    models.save(network, "fno.safetensors")  # models.load gives it back

Fields (`FNO`, `UNet`, `SineNet`, `DilResNet`) are ``batch channel *space`` on one to three axes, with an optional
condition, ``batch scalar``. Coordinates: `MLP`, `CoordinateMLP`, `ModifiedMLP`, `PirateNet`, `StackedMLP`.
Trajectories and series: `Dynamics` (neural ODE), `NeuralSDE`, `LatentODE`, `GRUSeries`. Long sequences, ``batch time
channel``: `LSSL`, `S4`, `S4D`, `S5`, `RecurrentNetwork`, `CausalCNN`, `SequenceTransformer`. Classes: `ResNet`,
`ODENet`, `SDENet`. Tables:
`LipschitzMLP`, `SoftTrees`; `KernelRidgeRegressor`, `GaussianProcessRegressor`, `BoostedTreesRegressor`,
`MLPRegressor`, `SoftTreesRegressor` and `SoftTreesClassifier` are estimators in the manner of scikit-learn, around
`KernelRidgeMap`, `Processes`, `BoostedTreesMap`, `MLP` and `SoftTrees`. Operators: `DeepONet`, `PODDeepONet`,
`MIONet`. Densities: `RealNVP`, `SplineFlow`, `Flow` (continuous). Courses in time:
`TimeNetwork`, `HyperNetwork`, `Pulse`. An `ODEBlock` or `SDEBlock` makes a network with an equation in it of any
right-hand side. `sciml.models.npde` generates networks from a PDE: `NPDEConv`, `NPDEMLP`, `NPDERNN`, `StableNPDE`,
`NPDEFree`.
"""

from sciml.models._branches import CNNBranch as CNNBranch
from sciml.models._branches import GlorotMLP as GlorotMLP
from sciml.models._branches import StackedBranch as StackedBranch
from sciml.models._coordinate_nets import ARCHITECTURES as ARCHITECTURES
from sciml.models._coordinate_nets import CoordinateMLP as CoordinateMLP
from sciml.models._coordinate_nets import ModifiedMLP as ModifiedMLP
from sciml.models._coordinate_nets import PirateNet as PirateNet
from sciml.models._deeponet import DeepONet as DeepONet
from sciml.models._deeponet import MIONet as MIONet
from sciml.models._deeponet import PeriodicFeatures as PeriodicFeatures
from sciml.models._deeponet import Strategy as Strategy
from sciml.models._deeponet import Vanishing as Vanishing
from sciml.models._dilresnet import DilatedBlock as DilatedBlock
from sciml.models._dilresnet import DilResNet as DilResNet
from sciml.models._dynamics import Dynamics as Dynamics
from sciml.models._dynamics import Features as Features
from sciml.models._dynamics import StateField as StateField
from sciml.models._estimators import BoostedTreesRegressor as BoostedTreesRegressor
from sciml.models._estimators import GaussianProcessRegressor as GaussianProcessRegressor
from sciml.models._estimators import KernelRidgeRegressor as KernelRidgeRegressor
from sciml.models._estimators import MLPRegressor as MLPRegressor
from sciml.models._flow import Flow as Flow
from sciml.models._flow import FlowField as FlowField
from sciml.models._flow import PlanarVelocity as PlanarVelocity
from sciml.models._fno import FNO as FNO
from sciml.models._gru import GRUSeries as GRUSeries
from sciml.models._integrals import WithIntegral as WithIntegral
from sciml.models._latent import LatentField as LatentField
from sciml.models._latent import LatentODE as LatentODE
from sciml.models._latent import divergence as divergence
from sciml.models._lipschitz import LipschitzMLP as LipschitzMLP
from sciml.models._local import local_error as local_error
from sciml.models._maps import KernelRidgeMap as KernelRidgeMap
from sciml.models._maps import Processes as Processes
from sciml.models._neural_sde import NeuralSDE as NeuralSDE
from sciml.models._ode_block import IntegrateConfig as IntegrateConfig
from sciml.models._ode_block import ODEBlock as ODEBlock
from sciml.models._ode_net import ODENet as ODENet
from sciml.models._pair_loss import pair_loss as pair_loss
from sciml.models._pod_deeponet import PODDeepONet as PODDeepONet
from sciml.models._pod_state_space import PODStateSpace as PODStateSpace
from sciml.models._published_sinenet import channel_multiplier as channel_multiplier
from sciml.models._published_sinenet import published_sinenet as published_sinenet
from sciml.models._realnvp import Coupling as Coupling
from sciml.models._realnvp import RealNVP as RealNVP
from sciml.models._regularise import PUBLISHED_COEFFICIENTS as PUBLISHED_COEFFICIENTS
from sciml.models._regularise import RegulariseConfig as RegulariseConfig
from sciml.models._regularise import jittered_times as jittered_times
from sciml.models._regularise import steps_penalty as steps_penalty
from sciml.models._resnet import ResNet as ResNet
from sciml.models._save import load as load
from sciml.models._save import save as save
from sciml.models._sde_block import DiffuseConfig as DiffuseConfig
from sciml.models._sde_block import SDEBlock as SDEBlock
from sciml.models._sde_net import SDENet as SDENet
from sciml.models._sequence_nets import CausalCNN as CausalCNN
from sciml.models._sequence_nets import RecurrentNetwork as RecurrentNetwork
from sciml.models._sequence_transformer import SequenceTransformer as SequenceTransformer
from sciml.models._sinenet import SineNet as SineNet
from sciml.models._sinenet import Wave as Wave
from sciml.models._sinenet import wave_channels as wave_channels
from sciml.models._soft_trees import SoftTrees as SoftTrees
from sciml.models._spline_flow import SplineFlow as SplineFlow
from sciml.models._stacked_mlp import StackedJet as StackedJet
from sciml.models._stacked_mlp import StackedMLP as StackedMLP
from sciml.models._state_space_nets import LSSL as LSSL
from sciml.models._state_space_nets import S4 as S4
from sciml.models._state_space_nets import S4D as S4D
from sciml.models._state_space_nets import S5 as S5
from sciml.models._time_courses import HyperNetwork as HyperNetwork
from sciml.models._time_courses import Pulse as Pulse
from sciml.models._time_courses import TimeNetwork as TimeNetwork
from sciml.models._tree_estimators import SoftTreesClassifier as SoftTreesClassifier
from sciml.models._tree_estimators import SoftTreesRegressor as SoftTreesRegressor
from sciml.models._trees import BoostedTreesMap as BoostedTreesMap
from sciml.models._unet import UNet as UNet
from sciml.models.npde import NPDEMLP as NPDEMLP
from sciml.models.npde import NPDERNN as NPDERNN
from sciml.models.npde import NPDEConv as NPDEConv
from sciml.models.npde import NPDEFree as NPDEFree
from sciml.models.npde import NPDESpec as NPDESpec
from sciml.models.npde import StableNPDE as StableNPDE
from sciml.nn import MLP as MLP

__all__ = [
    "ARCHITECTURES",
    "FNO",
    "LSSL",
    "MLP",
    "NPDEMLP",
    "NPDERNN",
    "PUBLISHED_COEFFICIENTS",
    "S4",
    "S4D",
    "S5",
    "BoostedTreesMap",
    "BoostedTreesRegressor",
    "CNNBranch",
    "CausalCNN",
    "CoordinateMLP",
    "Coupling",
    "DeepONet",
    "DiffuseConfig",
    "DilResNet",
    "DilatedBlock",
    "Dynamics",
    "Features",
    "Flow",
    "FlowField",
    "GRUSeries",
    "GaussianProcessRegressor",
    "GlorotMLP",
    "HyperNetwork",
    "IntegrateConfig",
    "KernelRidgeMap",
    "KernelRidgeRegressor",
    "LatentField",
    "LatentODE",
    "LipschitzMLP",
    "MIONet",
    "MLPRegressor",
    "ModifiedMLP",
    "NPDEConv",
    "NPDEFree",
    "NPDESpec",
    "NeuralSDE",
    "ODEBlock",
    "ODENet",
    "PODDeepONet",
    "PODStateSpace",
    "PeriodicFeatures",
    "PirateNet",
    "PlanarVelocity",
    "Processes",
    "Pulse",
    "RealNVP",
    "RecurrentNetwork",
    "RegulariseConfig",
    "ResNet",
    "SDEBlock",
    "SDENet",
    "SequenceTransformer",
    "SineNet",
    "SoftTrees",
    "SoftTreesClassifier",
    "SoftTreesRegressor",
    "SplineFlow",
    "StableNPDE",
    "StackedBranch",
    "StackedJet",
    "StackedMLP",
    "StateField",
    "Strategy",
    "TimeNetwork",
    "UNet",
    "Vanishing",
    "Wave",
    "WithIntegral",
    "channel_multiplier",
    "divergence",
    "jittered_times",
    "load",
    "local_error",
    "pair_loss",
    "published_sinenet",
    "save",
    "steps_penalty",
    "wave_channels",
]
