"""torch's fused AdamW, for networks so small that what surrounds its kernel takes longer than the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

Groups = Iterable[dict[str, Any]]  # Any: torch's groups hold weights, rates and flags


class _Plan(NamedTuple):
    """What the kernel takes for one group of weights, beside the gradients.

    Fields:
        weights, first, second: with both moments.
        counts: the steps of every weight so far, in one tensor.
        steps: views on the numbers in it.
    """

    weights: list[Tensor]
    first: list[Tensor]
    second: list[Tensor]
    counts: Tensor
    steps: list[Tensor]


class LeanAdamW(torch.optim.AdamW):
    """`torch.optim.AdamW(groups, fused=True)`: the same steps to the bit, and the same state.

    torch counts the steps of every weight by a tensor of its own, and sorts all tensors by device and type at every
    step. Here the counts lie in one tensor, and lists are kept, from the first step in which every weight has a
    gradient; any other step is torch's own.
    """

    _plans: list[_Plan] | None = None  # of the class, since torch copies an optimiser without its other attributes

    def __init__(self, groups: Groups) -> None:
        super().__init__(groups, fused=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # Any: as in torch
        """One step along the gradients that the weights have."""
        slopes = [[weight.grad for weight in group["params"]] for group in self.param_groups]
        complete = all(slope is not None for group in slopes for slope in group)
        if closure is not None or not complete or self._plans is None:
            loss = super().step(closure)
            self._plans = self._planned() if complete and closure is None else None
            return loss
        for group, plan, gradients in zip(self.param_groups, self._plans, slopes, strict=True):
            plan.counts.add_(1)
            beta1, beta2 = group["betas"]
            torch._fused_adamw_(  # pyright: ignore[reportPrivateImportUsage] (as torch's own optimisers call it)
                plan.weights, gradients, plan.first, plan.second, [], plan.steps,
                lr=group["lr"], beta1=beta1, beta2=beta2, weight_decay=group["weight_decay"], eps=group["eps"],
                amsgrad=False, maximize=False,
            )  # fmt: skip
        return None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:  # Any: as in torch
        """Go on from there."""
        self._plans = None
        super().load_state_dict(state_dict)

    def add_param_group(self, param_group: dict[str, Any]) -> None:  # Any: as in torch
        """More weights."""
        self._plans = None
        super().add_param_group(param_group)

    def _planned(self) -> list[_Plan] | None:
        """Lists for the kernel, once there is a state; None where a group is spread over devices or types."""
        plans = []
        for group in self.param_groups:
            weights: list[Tensor] = group["params"]
            if len({(weight.device, weight.dtype) for weight in weights}) != 1:
                return None
            states = [self.state[weight] for weight in weights]
            counts = torch.stack([state["step"] for state in states])
            steps = list(counts.unbind())
            for state, step in zip(states, steps, strict=True):
                state["step"] = step
            plans.append(
                _Plan(weights, [s["exp_avg"] for s in states], [s["exp_avg_sq"] for s in states], counts, steps)
            )
        return plans
