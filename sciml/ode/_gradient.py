"""Gradients through the steps that were taken: exact for the discrete map, with the step sizes held constant.

There are three schedules, with the same result:

- *graph*: autograd follows all steps of the forward pass. It keeps every activation, and repeats nothing.
- *stacked*: a solve is one node of autograd's graph, and the forward pass keeps only where each step started. Backward
  repeats all steps of all samples as one big batch, takes the Jacobian of each step by one product per state component,
  runs the costate through them, and collects the gradient of the parameters in one product. Few large operations
  instead of many small ones: for states of few components in small batches, and with little memory.
- *checkpointed*: one node as well; the graph is kept for a few steps at a time, through which the costate runs one
  after another, and the rest is repeated from where the checkpoints stand.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import ConfigError
from sciml.ode._checkpoints import Sparse
from sciml.ode._costs import Costs, Gradients
from sciml.ode._forward import Trail, forward
from sciml.ode._graph import first_order, grad
from sciml.ode._plan import Plan
from sciml.ode._stacked import Stacked

_FEW = 8  # components up to which one product per component is cheaper than one step after another
_SMALL = 384  # samples up to which few large operations are cheaper than none that are repeated


@dataclass(frozen=True)
class Discrete:
    """Differentiate the steps themselves; memory grows with their number.

    Arguments:
        schedule: ``stacked``, ``graph``, or ``auto``: stacked up to eight state components and 384 samples. Only the
            graph has second derivatives.
    """

    schedule: Literal["auto", "stacked", "graph"] = "auto"

    def __post_init__(self) -> None:
        if self.schedule not in ("auto", "stacked", "graph"):
            raise ConfigError("unknown schedule of Discrete", got=self.schedule, expected="auto, stacked or graph")

    def follows(self, state: Float[Tensor, "batch dim"]) -> bool:
        """Whether autograd follows the steps from this initial state."""
        few = state.shape[1] <= _FEW and len(state) <= _SMALL
        return self.schedule == "graph" or (self.schedule == "auto" and not few)


@dataclass(frozen=True)
class Checkpointed:
    """Differentiate the steps themselves, repeating them from checkpoints; the same gradient as `Discrete`.

    Arguments:
        budget: states kept at most; None keeps about the square root of the number of steps. With a budget, memory does
            not grow with the number of steps, and steps are repeated about log2(steps / (budget · 8)) / 2 + 1 times.
    """

    budget: int | None = None

    def __post_init__(self) -> None:
        if self.budget is not None and self.budget < 2:
            raise ConfigError("a budget of checkpoints must be 2 or more", got=self.budget)


class Integrate(torch.autograd.Function):
    """The solve as one node: states, errors and stiffness from the initial state, the arguments and the parameters."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, mode: Discrete | Checkpointed, box: list[Trail], *tensors: Tensor) -> Any:
        """``tensors`` are the initial state, the arguments and the parameters; the trail is left in `box`."""
        state = tensors[0].detach()
        plan = replace(plan, args=tuple(t.detach() for t in tensors[1 : 1 + len(plan.args)]))
        memory = Sparse(mode.budget) if isinstance(mode, Checkpointed) else Stacked()
        trail = forward(plan, state, memory.see)
        box.append(trail)
        ctx.plan, ctx.memory = plan, memory
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        return trail.outputs, trail.errors, trail.stiffness

    @staticmethod
    @first_order
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        """Gradients of the initial state, the arguments and the parameters."""
        plan, tensors = ctx.plan, ctx.saved_tensors
        count = 1 + len(plan.args)
        leaves = tensors[count:]
        costs = Costs(*grads)
        gradients = Gradients.zeros(tensors[0], tensors[1:count], leaves)
        ctx.memory.reverse(plan, costs, gradients)
        _through_first_slope(plan, tensors[0].detach(), gradients)
        if costs.outputs is not None:
            gradients.state = gradients.state + costs.outputs[:, 0]
        wanted = (gradients.state, *gradients.args, *gradients.leaves)
        return (None, None, None, *(g if t.requires_grad else None for g, t in zip(wanted, tensors, strict=True)))


def _through_first_slope(plan: Plan, state: Tensor, gradients: Gradients) -> None:
    """The costate of f(t0, y0), which the first step was given, through f."""
    rows = gradients.slope.any(1).nonzero().flatten()
    if not len(rows):
        return
    with torch.enable_grad():
        leaf = state[rows].requires_grad_()
        args = tuple(a[rows].requires_grad_(a.is_floating_point()) for a in plan.args)
        slope = plan.bind(args)(plan.wanted[rows, 0].to(state.dtype), leaf)
    wanted = [a for a in args if a.requires_grad]
    grads = grad([slope], [leaf, *wanted, *gradients.inputs], [gradients.slope[rows]])
    if grads[0] is not None:
        gradients.state = gradients.state.index_add(0, rows, grads[0])
    parts = iter(grads[1 : 1 + len(wanted)])
    gradients.add_args(rows, [next(parts) if a.requires_grad else None for a in args])
    gradients.add_leaves(grads[1 + len(wanted) :])
