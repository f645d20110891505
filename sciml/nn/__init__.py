"""Layers any solver may use, and the wrapper that turns a network into a time stepper in physical units."""

from sciml.nn._block import ConvBlock as ConvBlock
from sciml.nn._boundary import Mode as Mode
from sciml.nn._boundary import Modes as Modes
from sciml.nn._boundary import PaddingChoice as PaddingChoice
from sciml.nn._boundary import padding_modes as padding_modes
from sciml.nn._circular import circular_pad as circular_pad
from sciml.nn._condition import ConditionChoice as ConditionChoice
from sciml.nn._condition import ConditionMode as ConditionMode
from sciml.nn._condition import Embedding as Embedding
from sciml.nn._condition import Modulation as Modulation
from sciml.nn._condition import condition_mode as condition_mode
from sciml.nn._condition import modulation as modulation
from sciml.nn._conv import Conv as Conv
from sciml.nn._coordinate_nets import ARCHITECTURES as ARCHITECTURES
from sciml.nn._coordinate_nets import CoordinateEmbedding as CoordinateEmbedding
from sciml.nn._coordinate_nets import CoordinateMLP as CoordinateMLP
from sciml.nn._coordinate_nets import FactorisedLinear as FactorisedLinear
from sciml.nn._coordinate_nets import ModifiedMLP as ModifiedMLP
from sciml.nn._coordinate_nets import PirateNet as PirateNet
from sciml.nn._jet import LAPLACIAN as LAPLACIAN
from sciml.nn._jet import Cosine as Cosine
from sciml.nn._jet import Jet as Jet
from sciml.nn._jet import Record as Record
from sciml.nn._jet import Signal as Signal
from sciml.nn._jet import Sine as Sine
from sciml.nn._jet import coordinates as coordinates
from sciml.nn._jet import join as join
from sciml.nn._jet import linear as linear
from sciml.nn._jet import pointwise as pointwise
from sciml.nn._layout import fold_time as fold_time
from sciml.nn._layout import unfold_time as unfold_time
from sciml.nn._mlp import MLP as MLP
from sciml.nn._mlp import Activation as Activation
from sciml.nn._mlp import ConcatLinear as ConcatLinear
from sciml.nn._mlp import ConcatSquash as ConcatSquash
from sciml.nn._mlp import TimeMLP as TimeMLP
from sciml.nn._mlp import activation as activation
from sciml.nn._norm import Norm as Norm
from sciml.nn._pictures import PictureHead as PictureHead
from sciml.nn._pictures import PictureStem as PictureStem
from sciml.nn._pictures import picture_norm as picture_norm
from sciml.nn._recurrent import GatedUnit as GatedUnit
from sciml.nn._spectral import SpectralConv as SpectralConv
from sciml.nn._stepper import Stepper as Stepper
from sciml.nn._time_conv import ConcatConv2d as ConcatConv2d
from sciml.nn._upsample import Upsample as Upsample
from sciml.nn._upsample import refinement as refinement

__all__ = [
    "ARCHITECTURES",
    "LAPLACIAN",
    "MLP",
    "Activation",
    "ConcatConv2d",
    "ConcatLinear",
    "ConcatSquash",
    "ConditionChoice",
    "ConditionMode",
    "Conv",
    "ConvBlock",
    "CoordinateEmbedding",
    "CoordinateMLP",
    "Cosine",
    "Embedding",
    "FactorisedLinear",
    "GatedUnit",
    "Jet",
    "Mode",
    "Modes",
    "ModifiedMLP",
    "Modulation",
    "Norm",
    "PaddingChoice",
    "PictureHead",
    "PictureStem",
    "PirateNet",
    "Record",
    "Signal",
    "Sine",
    "SpectralConv",
    "Stepper",
    "TimeMLP",
    "Upsample",
    "activation",
    "circular_pad",
    "condition_mode",
    "coordinates",
    "fold_time",
    "join",
    "linear",
    "modulation",
    "padding_modes",
    "picture_norm",
    "pointwise",
    "refinement",
    "unfold_time",
]
