"""What reverse passes start from and add up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sciml.ode._plan import Places, Plan


class Costs(NamedTuple):
    """Gradients that came in: of the states, the errors and the stiffness."""

    outputs: Tensor | None
    errors: Tensor | None
    stiffness: Tensor | None


@dataclass
class Gradients:
    """What a reverse pass adds up: the costate of (y, f(t, y)) per sample, gradients of arguments and parameters."""

    state: Tensor
    slope: Tensor
    args: list[Tensor]
    leaves: list[Tensor]
    inputs: tuple[Tensor, ...]

    @classmethod
    def zeros(cls, state: Tensor, args: Sequence[Tensor], leaves: Sequence[Tensor]) -> "Gradients":
        """Nothing yet."""
        nothing = torch.zeros_like(state)
        return cls(
            nothing,
            torch.zeros_like(state),
            [torch.zeros_like(a) for a in args],
            [torch.zeros_like(p) for p in leaves],
            tuple(leaves),
        )

    def add_leaves(self, grads: Iterable[Tensor | None]) -> None:
        """Add one contribution to the gradients of the parameters."""
        for total, gradient in zip(self.leaves, grads, strict=True):
            if gradient is not None:
                total += gradient

    def add_args(self, rows: Tensor, grads: Iterable[Tensor | None]) -> None:
        """Add one contribution to the gradients of the arguments' rows."""
        for total, gradient in zip(self.args, grads, strict=True):
            if gradient is not None:
                total.index_add_(0, rows, gradient)


def with_hits(passed: Places, met: Tensor, plan: Plan) -> Places:
    """Places of requested times together with places of events, whose `along` is in `met` (NaN for none)."""
    if plan.events is None:
        return passed
    position = met.isfinite().nonzero().flatten()
    extra = Places(position, torch.full_like(position, plan.wanted.shape[1]), met[position])
    return Places(*(torch.cat(pair) for pair in zip(passed, extra, strict=True)))
