"""Floating-point operations of a call, in all and layer by layer.

Counted are products: matrix products and convolutions, two operations per multiply-add, as ``torch.utils.flop_counter``
counts them, but four times as many for complex numbers: a complex multiply-add is eight real operations, and torch
counts two. Fourier transforms are kept apart, at their customary 5 N log2 N (2.5 N log2 N of real fields). Not counted
is work that is linear in the size of its input: biases, activations, normalisation, pooling, products of a matrix and a
vector such as the weighted sums of an integrator; nor are factorisations and triangular solves.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, flop_registry
from torch.utils.module_tracker import ModuleTracker

_aten = torch.ops.aten
_PRODUCTS = (_aten.mm, _aten.addmm, _aten.bmm, _aten.baddbmm, _aten.convolution)
_TRANSFORMS = (_aten._fft_r2c, _aten._fft_c2r, _aten._fft_c2c)


class Flops(NamedTuple):
    """Operations of one call.

    Fields:
        products: of matrix products and convolutions.
        transforms: of Fourier transforms, nominally.
    """

    products: int
    transforms: int


def count_flops(call: Callable[[], object]) -> Flops:
    """Operations of `call`, which is made once."""
    with _counter() as counter:
        call()
    return _sum(counter)


def flops_by_layer(module: nn.Module, call: Callable[[], object], names: Sequence[str]) -> dict[str, int]:
    """Products of `call`, which is made once, in the named submodules of `module`, none of which is within another.

    Returns:
        Products by name, in the order of first use; a layer that is not called is missing.
    """
    layers: dict[str, int] = {}
    counter, hooks, begun = _counter(), [], [0]

    def watch(name: str) -> None:
        layer = module.get_submodule(name)

        def enter(*_: object) -> None:
            begun[0] = _sum(counter).products

        def leave(*_: object) -> None:
            layers[name] = layers.get(name, 0) + _sum(counter).products - begun[0]

        hooks.extend((layer.register_forward_pre_hook(enter), layer.register_forward_hook(leave)))

    try:
        for name in names:
            watch(name)
        with counter:
            call()
    finally:
        for hook in hooks:
            hook.remove()
    return layers


def _counter() -> FlopCounterMode:
    rules = {op: _product(flop_registry[op]) for op in _PRODUCTS} | dict.fromkeys(_TRANSFORMS, _transform)
    for rule in rules.values():
        setattr(rule, "_get_raw", True)  # noqa: B010  # the counter's switch for rules that see tensors, not shapes
    counter = FlopCounterMode(display=False, custom_mapping=rules)
    counter.mod_tracker = _Untracked()
    return counter


class _Untracked(ModuleTracker):
    """Tracks no modules: the hooks of torch's tracker break predictions that call ``autograd.grad`` themselves."""

    def __enter__(self) -> "_Untracked":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _sum(counter: FlopCounterMode) -> Flops:
    counts = counter.flop_counts["Global"]
    transforms = sum(count for op, count in counts.items() if op in _TRANSFORMS)
    return Flops(sum(counts.values()) - transforms, transforms)


def _product(rule: Callable[..., int]) -> Callable[..., int]:
    def count(*args: object, out_val: Tensor, **options: object) -> int:
        return rule(*args, out_val=out_val, **options) * (4 if out_val.is_complex() else 1)

    return count


def _transform(values: Tensor, dim: Sequence[int], *options: object, out_val: Tensor, **others: object) -> int:
    real = next((t for t in (values, out_val) if not t.is_complex()), None)
    full = values if real is None else real
    points = math.prod(full.shape[i] for i in dim)
    return round((5.0 if real is None else 2.5) * full.numel() * math.log2(points))
