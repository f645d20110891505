"""Gradients of rollouts by the discrete adjoint: memory for √N states instead of N layers.

For J = Σ l(u^k, y^k) with u^{n+1} = Φ_θ(u^n):

    λ^N = ∂l/∂u^N,   λ^n = (∂Φ/∂u^n)ᵀ λ^{n+1} + ∂l/∂u^n,   dJ/dθ = Σ_n (∂Φ/∂θ|_{u^n})ᵀ λ^{n+1}
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Inexact
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.types import Params
from sciml.models.npde._network import NPDE


def adjoint_rollout(
    network: NPDE,
    state: Inexact[Tensor, "batch channel *space"],
    steps: int,
    *,
    parameters: Params | None = None,
    inputs: Tensor | None = None,
    checkpoints: int | None = None,
) -> Inexact[Tensor, "batch time channel *space"]:
    """As `NPDE.rollout`, differentiable by the state and the network's parameters with checkpoints.

    Arguments:
        network, state, steps, parameters, inputs: as in the rollout; parameters and inputs get no gradient.
        checkpoints: states that are kept; None for √steps. Between them the steps are repeated.

    Raises: UserError for fewer than one step or checkpoint.
    """
    if steps < 1 or (checkpoints is not None and checkpoints < 1):
        raise UserError("an adjoint needs a step and a checkpoint", got=f"steps {steps}, checkpoints {checkpoints}",
                        expected="numbers of at least 1")  # fmt: skip
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    stride = math.ceil(steps / (checkpoints or max(1, math.isqrt(steps))))
    return _Rollout.apply(network, steps, stride, parameters, inputs, state, *weights)  # pyright: ignore[reportReturnType]


class _Rollout(torch.autograd.Function):
    """Forward without a graph, backward segment by segment from the end."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] (Any: the context of torch)
        ctx: Any,
        network: NPDE,
        steps: int,
        stride: int,
        parameters: Params | None,
        inputs: Tensor | None,
        state: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        kept, states = [], []
        for layer in range(steps):
            if layer % stride == 0:
                kept.append(state)
            state = _one(network, state, layer, parameters, inputs)
            states.append(state)
        ctx.network, ctx.steps, ctx.stride, ctx.given, ctx.inputs = network, steps, stride, parameters, inputs
        ctx.save_for_backward(*kept, *weights)
        ctx.count = len(kept)
        return torch.stack(states, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # Any: the context of torch
        (costs,) = gradients
        kept, weights = ctx.saved_tensors[: ctx.count], ctx.saved_tensors[ctx.count :]
        totals = [torch.zeros_like(weight) for weight in weights]
        costate = torch.zeros_like(costs[:, 0])
        for segment in reversed(range(ctx.count)):
            first, last = segment * ctx.stride, min(ctx.steps, (segment + 1) * ctx.stride)
            states = [kept[segment]]
            with torch.no_grad():
                for layer in range(first, last - 1):
                    states.append(_one(ctx.network, states[-1], layer, ctx.given, ctx.inputs))
            for layer in reversed(range(first, last)):
                costate = costate + costs[:, layer]
                before = states.pop().detach().requires_grad_()
                with torch.enable_grad():
                    after = _one(ctx.network, before, layer, ctx.given, ctx.inputs)
                parts = torch.autograd.grad(after, (before, *weights), costate, allow_unused=True)
                costate = torch.zeros_like(before) if parts[0] is None else parts[0]
                for total, part in zip(totals, parts[1:], strict=True):
                    if part is not None:
                        total += part
        return (None, None, None, None, None, costate, *totals)


def _one(network: NPDE, state: Tensor, layer: int, parameters: Params | None, inputs: Tensor | None) -> Tensor:
    return network(state, layer, parameters=parameters, inputs=None if inputs is None else inputs[:, layer])
