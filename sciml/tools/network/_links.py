"""Affine layers as links of a graph, and the wiring between them, of any module.

The vertices behind a layer are the numbers it answers, those before it the numbers it reads. Its links need not be laid
out one by one: with f(x) = W x + b the in-strengths are f(1) - f(0) = W 1, the out-strengths of what it reads Wᵀ 1, a
gradient. For a convolution this is the graph of the unrolled layer, borders and strides included.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from sciml.core import rng
from sciml.nn.structured import StructuredAffine, StructuredConv

Call = Callable[[], object]
"""Runs the module on data, with gradients enabled."""

ACTIVATIONS: frozenset[Callable[..., Tensor]] = frozenset(
    {
        torch.tanh, Tensor.tanh, functional.tanh, torch.sigmoid, Tensor.sigmoid, functional.sigmoid, torch.relu,
        Tensor.relu, functional.relu, functional.gelu, functional.silu, functional.elu, functional.softplus,
        functional.leaky_relu, torch.sin, Tensor.sin,
    }
)  # fmt: skip
BOUNDED: frozenset[Callable[..., Tensor]] = frozenset(
    {torch.tanh, Tensor.tanh, functional.tanh, torch.sigmoid, Tensor.sigmoid, functional.sigmoid}
)
NORMS: frozenset[Callable[..., Tensor]] = frozenset(
    {functional.layer_norm, functional.group_norm, functional.instance_norm}
)


class Links(NamedTuple):
    """One affine layer, in its first call.

    Fields:
        name: in the module.
        inputs: Σ over its links that end there, ``*output``, without bias.
        bias: ``*output``.
        outputs: Σ over its links that begin there, ``*input``.
        fan_in, fan_out: links of one vertex behind it and before it, zeros of padding not counted out.
        weights: the entries of its matrices; of pruned and structured ones those that are not zero.
    """

    name: str
    inputs: Tensor
    bias: Tensor
    outputs: Tensor
    fan_in: float
    fan_out: float
    weights: Tensor


class Wiring(NamedTuple):
    """How affine layers follow one another.

    Fields:
        links: by name, in the order of their first calls.
        onward: strengths of the links onward from what a layer answers, ``*output``, zero where none are.
        followers: layers that read what a layer answers.
        sources: layers whose inputs come from no other layer.
        skipped: layers with matrices that are no links, with the reason.
    """

    links: dict[str, Links]
    onward: dict[str, Tensor]
    followers: dict[str, tuple[str, ...]]
    sources: tuple[str, ...]
    skipped: dict[str, str]


class _Straight(TorchFunctionMode):
    """Activations and normalisations answer what they read, so that only the wiring is left."""

    def __torch_function__(  # pyright: ignore[reportIncompatibleMethodOverride] (torch's own signature is untyped)
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # Any: torch's protocol
        if func in ACTIVATIONS or func in NORMS:
            return args[0]
        return func(*args, **(kwargs or {}))


def trace(module: nn.Module, call: Call) -> Wiring:
    """The wiring of a module in one call; hooks are gone afterwards, and nothing of the module has changed.

    Activations and normalisations count as links of weight 1, means and batch statistics with their own weights; a
    concatenation and a skip lead on as they do in the network. Of layers that are called again (unfolded in time) the
    first call counts. Where a layer is no link the graph ends, and begins anew behind it.
    """
    links: dict[str, Links] = {}
    skipped: dict[str, str] = {}
    reads: dict[str, Tensor] = {}
    leaves: dict[str, Tensor] = {}

    def cut(name: str, layer: nn.Module) -> Callable[..., Tensor | None]:
        def hook(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> Tensor | None:
            if name in links or name in skipped:
                return None
            if reason := _no_link(layer, inputs, output):
                skipped[name] = reason
                for inner in [other for other in links if other.startswith(f"{name}.")]:
                    del links[inner], reads[inner], leaves[inner]  # a part of what is no link is none either
                return output.detach() if isinstance(output, Tensor) else None
            links[name], reads[name] = _links(name, layer, inputs[0]), inputs[0]
            leaves[name] = output.detach().requires_grad_()
            return leaves[name]

        return hook

    with _hooks(module, cut), torch.enable_grad(), _Straight():
        call()
    onward, followers, sources = _follow(links, reads, leaves)
    return Wiring(links, onward, followers, sources, skipped)


def _follow(
    links: dict[str, Links], reads: dict[str, Tensor], leaves: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Bring the out-strengths of every layer's inputs back to the layers that these come from."""
    onward = {name: torch.zeros_like(link.inputs) for name, link in links.items()}
    followers: dict[str, list[str]] = {name: [] for name in links}
    sources = []
    for name, read in reads.items():
        if not read.requires_grad:
            sources.append(name)
            continue
        weights = links[name].outputs.expand_as(read) / len(read)
        back = torch.autograd.grad(read, list(leaves.values()), weights, allow_unused=True, retain_graph=True)
        reached = False
        for other, gradient in zip(leaves, back, strict=True):
            if gradient is not None and other != name:
                rows = gradient.reshape(-1, *links[other].inputs.shape).sum(0)
                onward[other] = onward[other] + rows * (len(read) / max(1, len(leaves[other])))
                followers[other].append(name)
                reached = True
        if not reached:
            sources.append(name)
    return onward, {name: tuple(names) for name, names in followers.items()}, tuple(sources)


def _links(name: str, layer: nn.Module, example: Tensor) -> Links:
    """In- and out-strengths of an affine layer on inputs of the shape of the example's first row."""
    one = torch.ones_like(example[:1].detach())
    with torch.no_grad():
        bias = layer.forward(torch.zeros_like(one))[0]
        inputs = layer.forward(one)[0] - bias
    with torch.enable_grad():
        read = one.requires_grad_()
        (outputs,) = torch.autograd.grad(layer.forward(read)[0].sum(), read)
    matrices = own_matrices(layer)
    weights = torch.cat([matrix.flatten() for matrix in matrices])
    if _sparse(layer):
        weights = weights[weights != 0]
    entries = len(weights)
    axis = 1 if any(matrix.ndim > 2 for matrix in matrices) else -1
    return Links(
        name=name,
        inputs=inputs,
        bias=bias.clone(),
        outputs=outputs[0],
        fan_in=entries / inputs.shape[axis - 1 if axis == 1 else axis],
        fan_out=entries / outputs[0].shape[axis - 1 if axis == 1 else axis],
        weights=weights,
    )


def _no_link(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> str:
    """Why a layer is no affine map of one tensor to one; empty where it is."""
    if len(inputs) != 1 or not isinstance(inputs[0], Tensor) or not isinstance(output, Tensor):
        return "it maps more than one tensor"
    if not inputs[0].is_floating_point() or inputs[0].ndim < 2 or output.ndim < 2:
        return "it does not map rows of numbers"
    shape = inputs[0][:1].shape
    draw = rng.generator(0, "affine")
    first, second = (torch.randn(shape, generator=draw).to(inputs[0]) for _ in range(2))
    with torch.no_grad():
        both, rest = layer.forward(first) + layer.forward(second), layer.forward(first + second)
        excess = both - rest - layer.forward(torch.zeros_like(first))
        if not excess.isfinite().all():
            return "its weights are not finite"
        size = both.abs().max().clamp(min=1e-30)
    return "" if excess.abs().max() <= 1e-4 * size else f"{type(layer).__name__} is not affine"


@contextmanager
def _hooks(module: nn.Module, make: Callable[[str, nn.Module], Callable[..., Any]]) -> Iterator[None]:
    """Forward hooks on all layers with matrices of their own, for the block."""
    hooks = [layer.register_forward_hook(make(name, layer)) for name, layer in matrix_layers(module).items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def matrix_layers(module: nn.Module) -> dict[str, nn.Module]:
    """Layers that have matrices of their own, by name; of one with parts inside the parts count.

    A pruned matrix is one, and so is one of factors or blocks: the layer counts, what it is made of does not.
    """
    found: dict[str, nn.Module] = {}
    made_of = ""
    for name, layer in module.named_modules():
        if made_of and name.startswith(made_of):
            continue
        if own_matrices(layer):
            found[name or "network"] = layer
        if isinstance(layer, StructuredAffine | StructuredConv) or parametrize.is_parametrized(layer):
            made_of = f"{name}." if name else ""
    return found


def own_matrices(layer: nn.Module) -> list[Tensor]:
    """The matrices of a layer itself, whole where they are kept as entries that are left, factors or blocks."""
    if isinstance(layer, StructuredAffine | StructuredConv):
        return [layer.weight.detach()]
    tensors: list[Tensor] = list(layer.parameters(recurse=False))
    if parametrize.is_parametrized(layer):
        names = cast(nn.ModuleDict, layer.parametrizations)
        tensors += [cast(Tensor, getattr(layer, name)) for name in names]
    return [tensor.detach() for tensor in tensors if tensor.ndim > 1]


def _sparse(layer: nn.Module) -> bool:
    """Whether entries of its matrices that are zero are no links."""
    return isinstance(layer, StructuredAffine | StructuredConv) or parametrize.is_parametrized(layer)
