"""Walking autograd's graph: what a value was computed from, first-order nodes, products that tolerate constants."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UnsupportedError, UserError


class _NoSecond(torch.autograd.Function):
    """A value whose own gradient is an error."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, *anchors: Tensor) -> Tensor:  # Any: torch's context
        """`value` as it is."""
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:  # Any: torch's context; it never returns
        """None there is."""
        raise UnsupportedError(
            "second derivatives through a solve are not available",
            fix="Take finite differences of first ones, or odeint of torchdiffeq for small problems.",
        )


def first_order(backward: Callable[..., Any]) -> Callable[..., Any]:  # Any: torch wants a gradient or None per input
    """Of a Function's backward: gradients that cannot be differentiated again, and say so if it is tried."""

    @functools.wraps(backward)
    def once(ctx: Any, *grads: Tensor | None) -> Any:
        with torch.no_grad():
            gradients = backward(ctx, *grads)
        if not torch.is_grad_enabled():
            return gradients
        anchors = [tensor for tensor in ctx.saved_tensors if tensor.requires_grad]
        return tuple(None if grad is None else _NoSecond.apply(grad, *anchors) for grad in gradients)

    return once


def grad(values: Sequence[Tensor], inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """`torch.autograd.grad` over those values that depend on anything; the graph stays."""
    live = [(v, w) for v, w in zip(values, weights, strict=True) if v.requires_grad]
    if not live or not inputs:
        return (None,) * len(inputs)
    outputs, cotangents = zip(*live, strict=True)
    return torch.autograd.grad(outputs, list(inputs), cotangents, retain_graph=True, allow_unused=True)


def complain_if_missed(
    f: Any,  # Any: the right-hand side, which remembers the leaves of its own
    value: Tensor,
    known: Sequence[Tensor],
    time: Float[Tensor, " row"],
    again: Callable[[], Tensor],
) -> None:
    """UserError if `value` was computed from tensors with gradient that are not among those looked for.

    Those that `f` makes for itself in every call, to differentiate by them, do not come back when it is called `again`,
    nor in the next look.
    """
    if not (missed := leaves_of(value, known)):
        return
    before = getattr(f, "own_leaves", None)
    if before is None:
        with torch.enable_grad():
            before = leaves_of(again(), known)
    f.own_leaves = missed  # kept alive, so that no new tensor has the identity of an old one
    missed = [leaf for leaf in missed if any(leaf is old for old in before)]
    if not missed:
        return
    raise UserError(
        "the right-hand side uses a tensor with gradient that it did not use at the first time, so its gradient "
        "would be lost",
        got=f"{len(missed)} of them near |t| = {float(time[0].abs()):.3g}, one of shape {tuple(missed[0].shape)}",
        expected="every parameter used at the first time, or held by an nn.Module",
        fix="Make the right-hand side an nn.Module that holds all of its parameters.",
    )


def leaves_of(value: Tensor, ignore: Sequence[Tensor]) -> list[Tensor]:
    """The leaf tensors with gradient that `value` was computed from, but for those in `ignore`."""
    known = {id(t) for t in ignore}
    leaves: dict[int, Tensor] = {}
    seen, stack = set(), [value.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None and id(leaf) not in known:
            leaves[id(leaf)] = leaf
        stack.extend(entry for entry, _ in node.next_functions)
    return list(leaves.values())


def now() -> int:
    """A mark in the order in which autograd's nodes are made; with gradients enabled."""
    node = torch.zeros((), requires_grad=True).view_as(torch.zeros(())).grad_fn
    assert node is not None
    return node._sequence_nr()


def is_older(value: Tensor, mark: int) -> bool:
    """Whether `value` was computed from results, other than leaves, of before the mark."""
    seen, stack = set(), [value.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node._sequence_nr() < mark:
            return True
        stack.extend(entry for entry, _ in node.next_functions)
    return False
