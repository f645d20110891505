"""The mean squared error of a DeepONet with its gradient by hand: one node of autograd instead of twenty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sciml.models._branches import GlorotMLP
from sciml.models._deeponet import DeepONet

_BENT = {nn.ReLU: torch.relu_, nn.Tanh: torch.tanh_}


class Layer(NamedTuple):
    """σ(W x + b), or W x + b; W and b are by their place in a list of weights."""

    weight: int
    bias: int | None
    bend: type[nn.Module] | None


class _Plan(NamedTuple):
    """Layers of branch and trunk, and the place of b_0."""

    branch: tuple[Layer, ...]
    trunk: tuple[Layer, ...]
    offset: int | None


def pair_loss(
    network: nn.Module,
    functions: Float[Tensor, "batch sensor"],
    points: Float[Tensor, "point dim"],
    index: Int[Tensor, "batch query"] | None,
    targets: Float[Tensor, "batch query field"],
    mean: Float[Tensor, " field"],
    std: Float[Tensor, " field"],
) -> Float[Tensor, ""] | None:
    """Mean of (G(u)(y) - (s - μ)/σ)² over functions u and queries y; None for networks whose gradient autograd has to
    find: others than a `DeepONet` of one field with plain layers, ReLU or tanh, all trained, without a hard constraint.

    With the residuals R = B Tᵀ + b_0 - (S - μ)/σ of all pairs the gradient is Ḃ = 2 R T / n, Ṫ = 2 Rᵀ B / n; with
    queries of each function's own the products are row by row. The rest is the chain rule through both nets. It is
    worked out with the loss, so that intermediate values are overwritten; second derivatives are refused by autograd.

    Arguments:
        network: the operator, on standardised numbers.
        functions: values at the sensors, standardised.
        points: queries, in the unit box; of all functions, or those from which `index` chooses.
        index: which points are the queries of each function; None where all are those of all.
        targets: the field, in physical units.
        mean, std: μ and σ.
    """
    if type(network) is not DeepONet or network.fields != 1 or network.constraint is not None:
        return None
    compiles = torch.compiler.is_compiling() or torch.is_autocast_enabled(functions.device.type)
    if compiles or not torch.is_grad_enabled():
        return None
    weights: list[Tensor] = []
    branch, trunk = (_layers(nets[0], weights) for nets in (network.branches, network.trunks))
    if branch is None or trunk is None or not all(weight.requires_grad for weight in weights):
        return None
    offset = None if network.offset is None else len(weights)
    if network.offset is not None:
        weights.append(network.offset)
    features = points if network.features is None else network.features(points)
    if features.requires_grad:
        return None
    plan = _Plan(branch, trunk, offset)
    return cast(Tensor, _PairLoss.apply(plan, functions, features, index, targets.squeeze(-1), mean, std, *weights))


def _layers(net: nn.Module, weights: list[Tensor]) -> tuple[Layer, ...] | None:
    """The layers of a net, whose weights are added to the list; None where it is none of plain layers."""
    if type(net) is not GlorotMLP:
        return None
    bend = type(net.nonlinearity)
    if bend not in _BENT and bend is not nn.Identity:
        return None
    layers: list[Layer] = []
    for layer in net.layers:
        if type(layer) is not nn.Linear or layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks:
            return None
        place, bias = len(weights), layer.bias
        weights.append(layer.weight)
        if bias is not None:
            weights.append(bias)
        layers.append(Layer(place, None if bias is None else place + 1, None if bend is nn.Identity else bend))
    if not net.activate_last:
        layers[-1] = layers[-1]._replace(bend=None)
    return tuple(layers)


class _PairLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # Any: torch's context
        plan: _Plan,
        functions: Tensor,
        features: Tensor,
        index: Tensor | None,
        targets: Tensor,
        mean: Tensor,
        std: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        of_branch, of_trunk = _values(plan.branch, functions, weights), _values(plan.trunk, features, weights)
        lift = mean / std if plan.offset is None else mean / std + weights[plan.offset]
        residual = torch.addcmul(lift, targets, -1 / std)  # all that is not the product, in one pass
        slopes: list[Tensor] = [residual] * len(weights)
        b, t = of_branch[-1], of_trunk[-1]
        slope_b, slope_t = _all_pairs(residual, b, t) if index is None else _own_queries(residual, b, t, index)
        _descend(plan.branch, of_branch, slope_b, weights, slopes)
        _descend(plan.trunk, of_trunk, slope_t, weights, slopes)
        if plan.offset is not None:
            slopes[plan.offset] = (residual.sum() * (2 / residual.numel())).expand_as(weights[plan.offset])
        ctx.save_for_backward(*slopes)
        return residual.square_().mean()  # summed in pairs, which a norm is not

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] (torch writes *grad_outputs)
        ctx: Any,
        *grads: Tensor,  # Any: torch's context
    ) -> tuple[Tensor | None, ...]:
        slopes, share = ctx.saved_tensors, grads[0]
        if share.device.type == "cpu" and float(share) == 1.0:  # as at every step: a pass less over each
            return (*[None] * 7, *slopes)
        return (*[None] * 7, *(slope * share for slope in slopes))


def _values(layers: Sequence[Layer], x: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """The input and what comes out of every layer."""
    values = [x]
    for layer in layers:
        weight = weights[layer.weight]
        h = x @ weight.T if layer.bias is None else torch.addmm(weights[layer.bias], x, weight.T)
        x = h if layer.bend is None else _BENT[layer.bend](h)
        values.append(x)
    return values


def _all_pairs(residual: Tensor, b: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Add the products of all functions and queries to the residuals; the slopes of b and t."""
    residual.addmm_(b, t.T)
    share = 2 / residual.numel()
    return (
        torch.addmm(b, residual, t, beta=0, alpha=share),
        torch.addmm(t, residual.T, b, beta=0, alpha=share),
    )


def _own_queries(residual: Tensor, b: Tensor, t: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """The same for queries of each function's own."""
    places, shape = index.flatten(), (*index.shape, t.shape[1])
    chosen = t.index_select(0, places).view(shape)
    products = b[:, None] * chosen
    residual.add_(products.sum(-1))
    slope = (residual * (2 / residual.numel()))[..., None]
    torch.mul(slope, b[:, None], out=products)
    slope_t = torch.zeros_like(t).index_add_(0, places, products.view(-1, t.shape[1]))
    chosen.mul_(slope)
    return chosen.squeeze(1) if chosen.shape[1] == 1 else chosen.sum(1), slope_t


def _descend(
    layers: Sequence[Layer], values: Sequence[Tensor], slope: Tensor, weights: Sequence[Tensor], slopes: list[Tensor]
) -> None:
    """The chain rule from the slope of what a net gives to those of its weights; the values are overwritten."""
    for i in range(len(layers) - 1, -1, -1):
        layer, before, after = layers[i], values[i], values[i + 1]
        if layer.bend is nn.ReLU:
            slope = slope.mul_(after.sign_())
        elif layer.bend is nn.Tanh:
            slope = slope.addcmul_(slope, after.square_(), value=-1)
        slopes[layer.weight] = slope.T @ before
        if layer.bias is not None:
            slopes[layer.bias] = slope.sum(0)
        if i:
            slope = slope @ weights[layer.weight]
