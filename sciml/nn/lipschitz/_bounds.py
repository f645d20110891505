"""Bounds on the gradient of one sample's loss, layer by layer, from measured operator norms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from sciml.core.errors import UnsupportedError
from sciml.nn.lipschitz._layers import (
    CircularConv,
    ClipGradient,
    ClipNorm,
    Constant,
    GroupSort,
    NormPool,
    OrthogonalLinear,
    Residual,
    Scale,
    spectral_norm,
)

SLACK = 1e-5
"""Every norm is taken larger by this share: single precision rounds products of some hundred terms by less."""
Uses = list[tuple[Tensor, float]]
"""Parameters with a bound of their gradient, once for every use."""
_CONTRACTIONS = (GroupSort, NormPool, nn.ReLU, nn.Tanh, nn.Identity, nn.Flatten)
"""1-Lipschitz and zero at zero, without parameters."""
_COUPLED = (nn.modules.batchnorm._BatchNorm,)


class _Traced(NamedTuple):
    """A layer seen from both sides.

    Fields:
        out: bound of the norm of what it gives.
        back: a bound of the gradient at its output to that at its input and those of its parameters.
    """

    out: float
    back: Callable[[float], tuple[float, Uses]]


def gradient_bounds(network: nn.Module, *, inputs: float = math.inf, loss: float) -> dict[str, float]:
    """max |∂l/∂θ| of one sample's loss for every parameter θ of a network, whatever the sample.

        forward  X_d = ℓ_d X_{d−1} (+ |b|),    backward  Δ_W = G_d X_{d−1},  Δ_b = G_d,  G_{d−1} = ℓ_d G_d,  G_D = L

    with ℓ_d the operator norm of layer d as it is now, by singular values in float64. A parameter that is used several
    times has the sum of its bounds.

    Arguments:
        network: of layers that are supported; see the error.
        inputs: largest norm of a sample; infinite where the network begins with a `ClipNorm`.
        loss: L, Lipschitz constant of the loss in the network's output.

    Returns: bounds by the names of ``network.named_parameters()``.

    Raises: UnsupportedError for a layer without a bound, or one that couples samples; it names the layer and the fix.
    """
    traced = _trace(network, "", inputs)
    _, uses = traced.back(loss)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    bounds = dict.fromkeys(names.values(), 0.0)
    for parameter, bound in uses:
        bounds[names[id(parameter)]] += bound
    if unbounded := [name for name, bound in bounds.items() if not math.isfinite(bound)]:
        raise UnsupportedError("the gradients of this network are not bounded", got=", ".join(unbounded),
                               expected="inputs of bounded norm",
                               fix="Begin the network with sciml.nn.lipschitz.ClipNorm(radius).")  # fmt: skip
    return bounds


def _trace(layer: nn.Module, name: str, x: float) -> _Traced:
    if type(layer) is nn.Sequential:  # a subclass may do anything in its forward
        children = layer._modules.items()  # named_children() gives a layer that comes twice only once
        return _chain([_named(child, f"{name}.{key}") for key, child in children if child is not None], x)
    if type(layer) in _CONTRACTIONS:
        return _Traced(x, lambda g: (g, []))
    if type(layer) is OrthogonalLinear or type(layer) is nn.Linear:
        return _linear(layer, x)
    if type(layer) is CircularConv:
        norm, spread = layer.operator_norm() * (1 + SLACK), math.sqrt(layer.window) * (1 + SLACK)
        return _Traced(norm * x, lambda g: (norm * g, [(layer.weight, spread * g * x)]))
    if type(layer) is ClipNorm:
        return _Traced(min(x, layer.radius) * (1 + SLACK), lambda g: (g, []))
    if type(layer) is Constant:
        return _Traced(math.hypot(x, 1.0), lambda g: (g, []))
    if type(layer) is Scale:
        size = abs(layer.factor)
        return _Traced(size * x, lambda g: (size * g, []))
    if type(layer) is ClipGradient:
        return _Traced(x, lambda g: (min(g, layer.limit * (1 + SLACK)), []))
    if type(layer) is Residual:
        inner = _trace(layer.branch, f"{name}.branch", x)

        def back(g: float) -> tuple[float, Uses]:
            through, uses = inner.back(0.5 * g)
            return 0.5 * g + through, uses

        return _Traced(0.5 * (x + inner.out), back)
    raise _unsupported(layer, name.lstrip(".") or "the network")


def _named(layer: nn.Module, name: str) -> Callable[[float], _Traced]:
    return lambda x: _trace(layer, name, x)


def _chain(layers: list[Callable[[float], _Traced]], x: float) -> _Traced:
    traced: list[_Traced] = []
    for layer in layers:
        traced.append(layer(traced[-1].out if traced else x))

    def back(g: float) -> tuple[float, Uses]:
        uses: Uses = []
        for entry in reversed(traced):
            g, more = entry.back(g)
            uses += more
        return g, uses

    return _Traced(traced[-1].out if traced else x, back)


def _linear(layer: OrthogonalLinear | nn.Linear, x: float) -> _Traced:
    norm = spectral_norm(layer.weight) * (1 + SLACK)
    bias = layer.bias if isinstance(layer, nn.Linear) else None
    shift = 0.0 if bias is None else float(bias.detach().double().norm())

    def back(g: float) -> tuple[float, Uses]:
        uses: Uses = [(layer.weight, g * x * (1 + SLACK))]
        if bias is not None:
            uses.append((bias, g * (1 + SLACK)))
        return norm * g, uses

    return _Traced(norm * x + shift, back)


def _unsupported(layer: nn.Module, name: str) -> UnsupportedError:
    kind = type(layer).__name__
    if isinstance(layer, _COUPLED):
        return UnsupportedError(f"layer {name!r} couples the samples of a batch, so no sample's gradient has a bound",
                                got=kind, fix="Leave it out; private training has no batch statistics.")  # fmt: skip
    return UnsupportedError(
        f"layer {name!r} has no known Lipschitz constant",
        got=kind,
        expected="Linear, OrthogonalLinear, CircularConv, GroupSort, NormPool, ReLU, Tanh, Flatten, Residual, "
        "Constant, Scale, ClipNorm, ClipGradient, in a Sequential",
        fix="Replace it by one of these (sciml.nn.lipschitz), or clip the gradients of samples (method=clip).",
    )
