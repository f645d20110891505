"""Giving a layer a structured matrix, and its entries back."""

import torch
from torch import Tensor, nn

from sciml.nn._coordinates import FactorisedLinear
from sciml.nn._factor import Conv, factorable, matrices
from sciml.nn._low_rank import LowRankConv, LowRankLinear
from sciml.nn._spectral import SpectralConv, SpectralLayer
from sciml.nn.structured import (
    Form,
    Shape,
    Structured,
    StructuredAffine,
    StructuredConv,
    StructuredLinear,
    StructuredSpectralConv,
)

_AFFINE = (nn.Linear, FactorisedLinear, LowRankLinear, StructuredAffine)


def shape_of(layer: nn.Module) -> Shape:
    """The matrix of a layer. Raises UserError for one without a low-rank form."""
    layer = factorable(layer)
    if isinstance(layer, SpectralLayer):
        modes, rows, columns = dense_matrices(layer).shape
        return Shape(rows, columns, stack=modes, is_complex=True)
    rows, columns, *kernel = layer.weight.shape
    return Shape(rows, columns, torch.Size(kernel).numel())


def dense_matrices(layer: nn.Module) -> Tensor:
    """The matrices of a layer from inputs to outputs, ``matrix row width``, float64, detached."""
    values = matrices(layer).values
    return values.mT if isinstance(layer, SpectralLayer) else values


def structured_like(layer: nn.Module, form: Form) -> Structured:
    """The layer with a matrix of this structure, whose contents mean nothing until weights are loaded.

    Takes no numbers from torch's generator.

    Raises:
        UserError: the layer has no matrix, or none that can have the structure.
    """
    layer = factorable(layer)
    with torch.random.fork_rng(devices=[]):
        structured = _around(layer, form.operator(shape_of(layer)))
    return structured.to(next(layer.parameters())).train(layer.training)


def structured_of(layer: nn.Module, form: Form) -> Structured:
    """The layer with the matrix of this structure that is closest to its own, as `StructuredLinear.fit` finds it."""
    structured = structured_like(layer, form)
    structured.operator.fit(dense_matrices(layer))
    _copy_bias(layer, structured)
    return structured


def unstructured_like(layer: nn.Module) -> nn.Module:
    """The layer with all entries of its matrix, which mean nothing until weights are loaded.

    Takes no numbers from torch's generator.
    """
    layer = factorable(layer)
    shape = shape_of(layer)
    with torch.random.fork_rng(devices=[]):
        if isinstance(layer, SpectralLayer):
            dense = SpectralConv(shape.columns, shape.rows, modes=layer.modes, dims=len(layer.modes))
        elif isinstance(layer, _AFFINE):
            dense = nn.Linear(shape.columns, shape.rows, bias=layer.bias is not None)
        else:
            dense = _plain_conv(layer, shape)
    return dense.to(next(layer.parameters())).train(layer.training)


def unstructured_of(layer: nn.Module) -> nn.Module:
    """The layer with all entries of its matrix."""
    dense, values = unstructured_like(layer), dense_matrices(layer)
    with torch.no_grad():
        if isinstance(dense, SpectralConv):
            dense.weight.copy_(torch.view_as_real(values.mT.contiguous()))
        else:
            weight = dense.get_parameter("weight")
            weight.copy_(values[0].view_as(weight))
    _copy_bias(layer, dense)
    return dense


def with_operator(layer: nn.Module, operator: StructuredLinear) -> Structured:
    """The layer around another operator, with its bias."""
    structured = _around(factorable(layer), operator).to(next(layer.parameters()))
    _copy_bias(layer, structured)
    return structured.train(layer.training)


def _around(layer: nn.Module, operator: StructuredLinear) -> Structured:
    layer = factorable(layer)
    if isinstance(layer, SpectralLayer):
        return StructuredSpectralConv(operator, modes=layer.modes)
    if isinstance(layer, _AFFINE):
        return StructuredAffine(operator, bias=layer.bias is not None)
    kernel = layer.first if isinstance(layer, LowRankConv) else layer
    return StructuredConv(
        operator,
        kernel.kernel_size,
        stride=kernel.stride,
        padding=kernel.padding,
        dilation=kernel.dilation,
        padding_mode=kernel.padding_mode,
        bias=layer.bias is not None,
    )


def _plain_conv(layer: Conv, shape: Shape) -> nn.Module:
    kernel = layer.first if isinstance(layer, LowRankConv) else layer
    kind = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[len(kernel.kernel_size)]
    return kind(
        shape.columns,
        shape.rows,
        kernel.kernel_size,  # pyright: ignore[reportArgumentType] (as many entries as the class has axes)
        stride=kernel.stride,  # pyright: ignore[reportArgumentType]
        padding=kernel.padding,  # pyright: ignore[reportArgumentType]
        dilation=kernel.dilation,  # pyright: ignore[reportArgumentType]
        padding_mode=kernel.padding_mode,
        bias=layer.bias is not None,
    )


def _copy_bias(source: nn.Module, target: nn.Module) -> None:
    before, after = getattr(source, "bias", None), getattr(target, "bias", None)
    if before is not None and after is not None:
        with torch.no_grad():
            after.copy_(before)
