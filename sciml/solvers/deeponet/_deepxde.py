"""DeepXDE as a second backend: the same DeepONet and the same pairs as its network, data and model.

Weights go there and come back, so that either library can train or judge what the other has.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sciml.core.errors import UnsupportedError
from sciml.models import DeepONet, GlorotMLP
from sciml.tasks.operator import FreeOperator, PairBatch

_ACTIVATIONS = ("relu", "tanh", "elu", "gelu", "silu")
"""Non-linearities that have the same name and meaning there."""


def make_deepxde_operator(
    package: Any,  # Any: DeepXDE has no types
    module: FreeOperator[DeepONet],
    pairs: PairBatch,
    *,
    pointwise: bool = False,
) -> Any:
    """``dde.Model`` of an operator with its weights, on pairs in its scales; not yet compiled.

    Pairs with shared queries become ``TripleCartesianProd``, those with queries of each function's own ``Triple``, one
    row per value. DeepXDE's ``MSE`` is then the loss of the solver `deeponet`.

    Arguments:
        package: what `sciml.core.guests.deepxde` gives.
        module: what the solver `deeponet` builds.
        pairs: to train on.
        pointwise: write shared queries out as rows, too.

    Raises: UnsupportedError for what DeepXDE's DeepONet does not have.
    """
    network, scales = module.network, module.scales
    functions, targets = scales.standardise(pairs.functions), scales.scale(pairs.targets)
    queries = scales.unit(pairs.queries)
    is_product = queries.ndim == 2 and not pointwise
    if not is_product:
        count, per_function = targets.shape[:2]
        queries = queries.expand(count, *queries.shape[-2:]).reshape(count * per_function, -1)
        functions = functions.repeat_interleave(per_function, dim=0)
        targets = targets.flatten(0, 1)
    elif network.fields == 1:
        targets = targets[..., 0]
    inputs = functions.detach().cpu().numpy(), queries.detach().cpu().numpy()
    values = targets.detach().cpu().numpy()
    kind = package.data.TripleCartesianProd if is_product else package.data.Triple
    net = _net(package, network, is_product=is_product)
    copy_weights(network, net)
    return package.Model(kind(inputs, values, inputs, values), net)


def copy_weights(ours: DeepONet, theirs: nn.Module, *, back: bool = False) -> None:
    """Our weights into DeepXDE's network of the same sizes, or `back` into ours."""
    with torch.no_grad():
        for mine, peer in zip(_ours(ours), _theirs(theirs), strict=True):
            source, target = (peer, mine) if back else (mine, peer)
            target.copy_(source.reshape(target.shape).to(target))


def _net(package: Any, network: DeepONet, *, is_product: bool) -> nn.Module:
    branches, trunks = _layers(network)
    kind = package.nn.DeepONetCartesianProd if is_product else package.nn.DeepONet
    net = kind(
        _sizes(branches[0]),
        _sizes(trunks[0]),
        type(trunks[0].nonlinearity).__name__.lower(),
        "Glorot normal",
        num_outputs=network.fields,
        multi_output_strategy=None if network.fields == 1 else network.strategy,
    )
    if network.features is not None:
        net.apply_feature_transform(network.features)
    if network.constraint is not None:
        net.apply_output_transform(_transform(network.constraint, network.fields, is_product=is_product))
    return net


def _transform(constraint: nn.Module, fields: int, *, is_product: bool) -> Any:
    """The constraint as an output transform: on all pairs, or on every row as a function of one query."""

    def transform(inputs: tuple[Tensor, Tensor], values: Tensor) -> Tensor:
        if is_product:
            full = values if fields > 1 else values[..., None]
            constrained = constraint(inputs[1], full)
            return constrained if fields > 1 else constrained[..., 0]
        return constraint(inputs[1][:, None], values[:, None])[:, 0]

    return transform


def _layers(network: DeepONet) -> tuple[list[GlorotMLP], list[GlorotMLP]]:
    branches = [net for net in network.branches if isinstance(net, GlorotMLP)]
    trunks = [net for net in network.trunks if isinstance(net, GlorotMLP)]
    if len(branches) < len(network.branches) or network.offset is None:
        raise UnsupportedError("DeepXDE's DeepONet has plain branches and a bias", got="another network",
                               fix="Set model.stacked=false, model.branch=mlp, model.bias=true.")  # fmt: skip
    names = {type(net.nonlinearity).__name__.lower() for net in (*branches, *trunks)}
    if len(names) > 1 or not names <= set(_ACTIVATIONS):
        raise UnsupportedError("DeepXDE's DeepONet does not have this non-linearity", got=", ".join(sorted(names)),
                               expected=f"one of: {', '.join(_ACTIVATIONS)}")  # fmt: skip
    return branches, trunks


def _sizes(net: GlorotMLP) -> list[int]:
    layers = [layer for layer in net.layers if isinstance(layer, nn.Linear)]
    return [layers[0].in_features, *(layer.out_features for layer in layers)]


def _ours(network: DeepONet) -> Iterator[Tensor]:
    """Weights of branches, then of trunks, then the biases of the fields."""
    branches, trunks = _layers(network)
    for net in (*branches, *trunks):
        yield from net.parameters()
    assert network.offset is not None
    yield from network.offset


def _theirs(net: Any) -> Iterator[Tensor]:
    for part in (net.branch, net.trunk):
        yield from part.parameters()
    yield from net.b
