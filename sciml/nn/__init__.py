"""Layers any network may use, and the wrapper that turns a network into a time stepper in physical units."""

from sciml.core.derivatives import LAPLACIAN as LAPLACIAN
from sciml.nn._block import ConvBlock as ConvBlock
from sciml.nn._boundary import Mode as Mode
from sciml.nn._boundary import Modes as Modes
from sciml.nn._boundary import Odd as Odd
from sciml.nn._boundary import Padding as Padding
from sciml.nn._boundary import PaddingChoice as PaddingChoice
from sciml.nn._boundary import Parity as Parity
from sciml.nn._boundary import axis_modes as axis_modes
from sciml.nn._boundary import check_odd as check_odd
from sciml.nn._boundary import odd_channels as odd_channels
from sciml.nn._boundary import padding_modes as padding_modes
from sciml.nn._branch_trunk import BranchTrunkProduct as BranchTrunkProduct
from sciml.nn._branch_trunk import contract as contract
from sciml.nn._circular import circular_pad as circular_pad
from sciml.nn._condition import ConditionChoice as ConditionChoice
from sciml.nn._condition import Conditioning as Conditioning
from sciml.nn._condition import ConditionMode as ConditionMode
from sciml.nn._condition import Embedding as Embedding
from sciml.nn._condition import Modulation as Modulation
from sciml.nn._condition import condition_mode as condition_mode
from sciml.nn._condition import condition_of as condition_of
from sciml.nn._condition import modulation as modulation
from sciml.nn._conv import Conv as Conv
from sciml.nn._conv import convolution as convolution
from sciml.nn._coordinates import CoordinateEmbedding as CoordinateEmbedding
from sciml.nn._coordinates import FactorisedLinear as FactorisedLinear
from sciml.nn._coordinates import affine_layer as affine_layer
from sciml.nn._downsample import check_halvings as check_halvings
from sciml.nn._downsample import halve as halve
from sciml.nn._factor import Matrices as Matrices
from sciml.nn._factor import discarded_energy as discarded_energy
from sciml.nn._factor import low_rank_like as low_rank_like
from sciml.nn._factor import low_rank_obstacle as low_rank_obstacle
from sciml.nn._factor import low_rank_of as low_rank_of
from sciml.nn._factor import matrices as matrices
from sciml.nn._field_network import FieldNetwork as FieldNetwork
from sciml.nn._full_precision import full_precision as full_precision
from sciml.nn._jet import Cosine as Cosine
from sciml.nn._jet import Jet as Jet
from sciml.nn._jet import Record as Record
from sciml.nn._jet import Signal as Signal
from sciml.nn._jet import Sine as Sine
from sciml.nn._jet import coordinates as coordinates
from sciml.nn._jet import join as join
from sciml.nn._jet import linear as linear
from sciml.nn._jet import pointwise as pointwise
from sciml.nn._layout import channels_last as channels_last
from sciml.nn._low_rank import LowRank as LowRank
from sciml.nn._low_rank import LowRankConv as LowRankConv
from sciml.nn._low_rank import LowRankLinear as LowRankLinear
from sciml.nn._low_rank import LowRankSpectralConv as LowRankSpectralConv
from sciml.nn._mlp import MLP as MLP
from sciml.nn._mlp import Activation as Activation
from sciml.nn._mlp import ConcatLinear as ConcatLinear
from sciml.nn._mlp import ConcatSquash as ConcatSquash
from sciml.nn._mlp import TimeMLP as TimeMLP
from sciml.nn._mlp import activation as activation
from sciml.nn._network import Network as Network
from sciml.nn._norm import Norm as Norm
from sciml.nn._operators import OPERATORS as OPERATORS
from sciml.nn._operators import Operator as Operator
from sciml.nn._operators import PointwiseBlock as PointwiseBlock
from sciml.nn._operators import SeparableConv as SeparableConv
from sciml.nn._operators import SpectralMix as SpectralMix
from sciml.nn._operators import operator_block as operator_block
from sciml.nn._operators import split_operators as split_operators
from sciml.nn._packed import CompressedLinear as CompressedLinear
from sciml.nn._packed import Packed as Packed
from sciml.nn._packed import compress as compress
from sciml.nn._packed import compressed_rows as compressed_rows
from sciml.nn._packed import is_packed as is_packed
from sciml.nn._packed import owner_of as owner_of
from sciml.nn._packed import pack as pack
from sciml.nn._packed import packed_weight as packed_weight
from sciml.nn._packed import packing_of as packing_of
from sciml.nn._packed import unpack as unpack
from sciml.nn._pad import mirrored as mirrored
from sciml.nn._pad import num_mirrors as num_mirrors
from sciml.nn._pad import pad_field as pad_field
from sciml.nn._pad import with_walls as with_walls
from sciml.nn._parameter_groups import GroupsParameters as GroupsParameters
from sciml.nn._parameter_groups import ParameterGroup as ParameterGroup
from sciml.nn._parameter_groups import declared_groups as declared_groups
from sciml.nn._parameter_groups import optimiser_groups as optimiser_groups
from sciml.nn._pictures import PictureHead as PictureHead
from sciml.nn._pictures import PictureStem as PictureStem
from sciml.nn._pictures import picture_norm as picture_norm
from sciml.nn._program import HasProgram as HasProgram
from sciml.nn._real_modes import RealSpectralConv as RealSpectralConv
from sciml.nn._real_modes import without_complex_numbers as without_complex_numbers
from sciml.nn._recurrent import GatedUnit as GatedUnit
from sciml.nn._spectral import SpectralConv as SpectralConv
from sciml.nn._spectral import SpectralLayer as SpectralLayer
from sciml.nn._stepper import Stepper as Stepper
from sciml.nn._structure import dense_matrices as dense_matrices
from sciml.nn._structure import shape_of as shape_of
from sciml.nn._structure import structured_like as structured_like
from sciml.nn._structure import structured_of as structured_of
from sciml.nn._structure import unstructured_like as unstructured_like
from sciml.nn._structure import unstructured_of as unstructured_of
from sciml.nn._structure import with_operator as with_operator
from sciml.nn._time_conv import ConcatConv2d as ConcatConv2d
from sciml.nn._units import Moments as Moments
from sciml.nn._units import Units as Units
from sciml.nn._upsample import Upsample as Upsample
from sciml.nn._upsample import refinement as refinement
from sciml.nn._weight_marks import MarksWeights as MarksWeights
from sciml.nn._weight_marks import WeightMark as WeightMark

__all__ = [
    "LAPLACIAN",
    "MLP",
    "OPERATORS",
    "Activation",
    "BranchTrunkProduct",
    "CompressedLinear",
    "ConcatConv2d",
    "ConcatLinear",
    "ConcatSquash",
    "ConditionChoice",
    "ConditionMode",
    "Conditioning",
    "Conv",
    "ConvBlock",
    "CoordinateEmbedding",
    "Cosine",
    "Embedding",
    "FactorisedLinear",
    "FieldNetwork",
    "GatedUnit",
    "GroupsParameters",
    "HasProgram",
    "Jet",
    "LowRank",
    "LowRankConv",
    "LowRankLinear",
    "LowRankSpectralConv",
    "MarksWeights",
    "Matrices",
    "Mode",
    "Modes",
    "Modulation",
    "Moments",
    "Network",
    "Norm",
    "Operator",
    "Packed",
    "Padding",
    "PaddingChoice",
    "ParameterGroup",
    "PictureHead",
    "PictureStem",
    "PointwiseBlock",
    "RealSpectralConv",
    "Record",
    "SeparableConv",
    "Signal",
    "Sine",
    "SpectralConv",
    "SpectralLayer",
    "SpectralMix",
    "Stepper",
    "TimeMLP",
    "Units",
    "Upsample",
    "WeightMark",
    "activation",
    "affine_layer",
    "axis_modes",
    "channels_last",
    "check_halvings",
    "circular_pad",
    "compress",
    "compressed_rows",
    "condition_mode",
    "condition_of",
    "contract",
    "convolution",
    "coordinates",
    "declared_groups",
    "dense_matrices",
    "discarded_energy",
    "full_precision",
    "halve",
    "is_packed",
    "join",
    "linear",
    "low_rank_like",
    "low_rank_obstacle",
    "low_rank_of",
    "matrices",
    "modulation",
    "operator_block",
    "optimiser_groups",
    "owner_of",
    "pack",
    "packed_weight",
    "packing_of",
    "padding_modes",
    "picture_norm",
    "pointwise",
    "refinement",
    "shape_of",
    "split_operators",
    "structured_like",
    "structured_of",
    "unpack",
    "unstructured_like",
    "unstructured_of",
    "with_operator",
    "without_complex_numbers",
]
