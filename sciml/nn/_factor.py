"""Which layers have a low-rank form, and the truncated singular value decomposition that gives it.

A layer is read as a stack of matrices ``matrix row column``: one for a linear layer and for a convolution (rows are
output channels, columns are input channels times kernel points), one complex matrix per mode for a spectral
convolution.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sciml.core.errors import UserError
from sciml.nn._coordinates import FactorisedLinear
from sciml.nn._low_rank import LowRank, LowRankConv, LowRankLinear, LowRankSpectralConv, check_rank
from sciml.nn._packed import is_packed
from sciml.nn._spectral import SpectralConv
from sciml.nn.structured._layers import StructuredAffine, StructuredConv, StructuredSpectralConv

Linear = nn.Linear | FactorisedLinear | LowRankLinear | StructuredAffine
Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d | LowRankConv | StructuredConv
Spectral = SpectralConv | LowRankSpectralConv | StructuredSpectralConv
Factorable = Linear | Conv | Spectral
"""Layers with a low-rank form; those that have a structure already have one where it is cheaper."""

_FACTORABLE = (
    nn.Linear,
    FactorisedLinear,
    LowRankLinear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    LowRankConv,
    SpectralConv,
    LowRankSpectralConv,
    StructuredAffine,
    StructuredConv,
    StructuredSpectralConv,
)


class Matrices(NamedTuple):
    """What factoring a layer starts from.

    Fields:
        values: the stack ``matrix row column``, detached, float64; complex128 for a spectral convolution.
        rank: the largest useful rank, that of a full matrix or of the factors the layer has.
        share: FLOPs of factors of rank 1, as a share of the layer's FLOPs as it is.
    """

    values: Tensor
    rank: int
    share: float


def low_rank_obstacle(layer: nn.Module) -> str:
    """Why a layer has no low-rank form; empty if it has one."""
    if is_packed(layer):
        return "it is pruned, and factors of its matrix would be full: factor first, then prune"
    if parametrize.is_parametrized(layer):
        return "its weight is computed by a parametrisation"
    if isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        # A kernel to r channels would have to act on the coarse side; nothing in the suite needs it.
        return "it is a transposed convolution, which has no low-rank form here"
    if type(layer) not in _FACTORABLE:  # a subclass may read its weight elsewhere, as attention does
        return f"the class {type(layer).__name__} has no low-rank form"
    if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) and layer.groups > 1:
        return f"it is a convolution in {layer.groups} groups, whose matrices are small already"
    return ""


def matrices(layer: nn.Module) -> Matrices:
    """A layer's matrices.

    Raises:
        UserError: the layer has no low-rank form; `low_rank_obstacle` says why.
    """
    layer = factorable(layer)
    if isinstance(layer, SpectralConv):
        values = torch.view_as_complex(layer.weight.detach().double())
    elif isinstance(layer, StructuredSpectralConv):
        values = layer.operator.to_dense().detach().to(torch.complex128).mT
    elif isinstance(layer, LowRankSpectralConv):
        first, second = (torch.view_as_complex(factor.detach().double()) for factor in (layer.first, layer.second))
        values = first @ second
    else:
        values = layer.weight.detach().double().flatten(1)[None]
    rows, columns = values.shape[1:]
    if isinstance(layer, LowRankSpectralConv):
        return Matrices(values, layer.first.shape[2], 1 / layer.first.shape[2])
    if isinstance(layer, (LowRankLinear, LowRankConv)):
        return Matrices(values, len(layer.first.weight), 1 / len(layer.first.weight))
    if isinstance(layer, (StructuredAffine, StructuredConv, StructuredSpectralConv)):
        return Matrices(values, min(rows, columns), (rows + columns) / layer.operator.multiplications)
    return Matrices(values, min(rows, columns), (rows + columns) / (rows * columns))


def discarded_energy(values: Tensor) -> Float[Tensor, " rank"]:
    """Σ_{i > r} σ_i² / Σ_i σ_i² over a stack of matrices for r = 0, 1, …: the squared relative Frobenius error.

    Zero from r = 1 on for a matrix of zeros.
    """
    energy = torch.linalg.svdvals(values).square().sum(0)
    tail = torch.cat((energy.flip(0).cumsum(0).flip(0), energy.new_zeros(1)))
    total = tail[0].clone()
    tail[0] = 1.0
    tail[1:] = tail[1:] / total if total > 0 else 0.0
    return tail


def low_rank_like(layer: nn.Module, rank: int) -> LowRank:
    """The low-rank form of a layer, its factors zero until weights are loaded. Draws no random numbers.

    Raises:
        UserError: the layer has no low-rank form, or not of this rank.
    """
    layer = factorable(layer)
    check_rank(rank, *matrices(layer).values.shape[1:])
    like = next(layer.parameters())
    with torch.device("meta"):
        factored = _build(layer, rank)
    factored = factored.to(like.dtype).to_empty(device=like.device)
    with torch.no_grad():
        for parameter in factored.parameters():
            parameter.zero_()
    return factored.train(layer.training)


def low_rank_of(layer: nn.Module, rank: int) -> LowRank:
    """The low-rank form closest to a layer in the Frobenius norm: W ≈ (U_r √Σ_r) (√Σ_r V_rᴴ), with the same bias.

    The singular values are shared evenly, so that both factors take steps of the same size in training.

    Raises:
        UserError: the layer has no low-rank form, or not of this rank.

    Reference:
        C. Eckart, G. Young, The approximation of one matrix by another of lower rank, Psychometrika 1 (1936),
        doi:10.1007/BF02288367.
    """
    layer = factorable(layer)
    factored = low_rank_like(layer, rank)
    left, sigma, right = torch.linalg.svd(matrices(layer).values, full_matrices=False)
    root = sigma[:, :rank].sqrt()
    left, right = left[:, :, :rank] * root[:, None, :], right[:, :rank] * root[:, :, None]
    with torch.no_grad():
        if isinstance(factored, LowRankSpectralConv):  # rows are inputs there
            factored.first.copy_(torch.view_as_real(left.resolve_conj()))
            factored.second.copy_(torch.view_as_real(right.resolve_conj()))
            return factored
        factored.first.weight.copy_(right[0].view_as(factored.first.weight))
        factored.second.weight.copy_(left[0].view_as(factored.second.weight))
        bias = None if isinstance(layer, Spectral) else layer.bias
        if bias is not None and factored.bias is not None:
            factored.bias.copy_(bias)
    return factored


def _build(layer: Factorable, rank: int) -> LowRank:
    """A low-rank layer of the same inputs and outputs."""
    if isinstance(layer, Spectral):
        _, channels_in, channels_out = matrices(layer).values.shape
        return LowRankSpectralConv(channels_in, channels_out, modes=layer.modes, rank=rank)
    if isinstance(layer, Linear):
        channels_out, channels_in = layer.weight.shape
        return LowRankLinear(channels_in, channels_out, rank=rank, bias=layer.bias is not None)
    kernel = layer.first if isinstance(layer, LowRankConv) else layer
    channels_out, channels_in = layer.weight.shape[:2]
    return LowRankConv(
        channels_in,
        channels_out,
        kernel.kernel_size,
        rank=rank,
        stride=kernel.stride,
        padding=kernel.padding,
        dilation=kernel.dilation,
        padding_mode=kernel.padding_mode,
        bias=layer.bias is not None,
    )


def factorable(layer: nn.Module) -> Factorable:
    """The layer itself. Raises UserError for one without a low-rank form."""
    obstacle = low_rank_obstacle(layer)
    if obstacle or not isinstance(layer, _FACTORABLE):
        raise UserError(f"a layer cannot be factored: {obstacle}", got=type(layer).__name__)
    return layer
