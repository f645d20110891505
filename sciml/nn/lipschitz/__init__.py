"""Layers with known Lipschitz constants, and bounds on the gradients of networks made of them."""

from sciml.nn.lipschitz._bounds import gradient_bounds as gradient_bounds
from sciml.nn.lipschitz._layers import CircularConv as CircularConv
from sciml.nn.lipschitz._layers import ClipGradient as ClipGradient
from sciml.nn.lipschitz._layers import ClipNorm as ClipNorm
from sciml.nn.lipschitz._layers import Constant as Constant
from sciml.nn.lipschitz._layers import Constrained as Constrained
from sciml.nn.lipschitz._layers import GroupSort as GroupSort
from sciml.nn.lipschitz._layers import NormPool as NormPool
from sciml.nn.lipschitz._layers import OrthogonalLinear as OrthogonalLinear
from sciml.nn.lipschitz._layers import Residual as Residual
from sciml.nn.lipschitz._layers import Scale as Scale
from sciml.nn.lipschitz._layers import spectral_norm as spectral_norm

__all__ = [
    "CircularConv",
    "ClipGradient",
    "ClipNorm",
    "Constant",
    "Constrained",
    "GroupSort",
    "NormPool",
    "OrthogonalLinear",
    "Residual",
    "Scale",
    "gradient_bounds",
    "spectral_norm",
]
