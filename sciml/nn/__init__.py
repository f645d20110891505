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
from sciml.nn._layout import fold_time as fold_time
from sciml.nn._layout import unfold_time as unfold_time
from sciml.nn._norm import Norm as Norm
from sciml.nn._spectral import SpectralConv as SpectralConv
from sciml.nn._stepper import Stepper as Stepper
from sciml.nn._upsample import Upsample as Upsample
from sciml.nn._upsample import refinement as refinement

__all__ = [
    "ConditionChoice",
    "ConditionMode",
    "Conv",
    "ConvBlock",
    "Embedding",
    "Mode",
    "Modes",
    "Modulation",
    "Norm",
    "PaddingChoice",
    "SpectralConv",
    "Stepper",
    "Upsample",
    "circular_pad",
    "condition_mode",
    "fold_time",
    "modulation",
    "padding_modes",
    "refinement",
    "unfold_time",
]
