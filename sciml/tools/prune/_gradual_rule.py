"""Gradual magnitude pruning as a step rule."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from sciml.tools.prune._select import largest, magnitudes
from sciml.tools.prune._weights import Weight
from sciml.train import BrokenStep, GradientRule, Loss, StepRule, TrainConfig

RAMP = 0.6
"""Share of the steps in which entries go; in the rest those that are left train on."""
CUTS = 100
"""How often entries go on the way."""


class GradualRule(StepRule[Any]):  # Any: batches of every task
    """First-order steps of the solver's own optimiser while the smallest entries go, with the cubic schedule

        share left after t of T:  s = s_end + (1 - s_end) (1 - t / T)³.

    Entries that are gone stay exactly zero.

    Arguments:
        module, loss, config: as for `sciml.train.GradientRule`.
        weights: the prunable ones.
        count: entries that are left in the end.

    Reference:
        M. Zhu, S. Gupta, To prune, or not to prune, arXiv:1710.01878.
    """

    reads: ClassVar[frozenset[str]] = GradientRule.reads - {"polish", "polish_iterations"}

    def __init__(
        self, module: nn.Module, loss: Loss, config: TrainConfig, *, weights: Sequence[Weight], count: int
    ) -> None:
        self.weights, self.count, self._config, self._taken = tuple(weights), count, config, 0
        self._total = sum(weight.entries for weight in weights)
        self._keep(torch.ones(self._total, dtype=torch.bool, device=weights[0].tensor.device))
        self._inner = GradientRule(module, loss, config, amend=lambda: self._clear(lambda weight: weight.tensor.grad))

    @property
    def candidate(self) -> bool:
        """Once no more entries go."""
        return self._taken > self._ramp

    @property
    def _ramp(self) -> int:
        return round(RAMP * self._config.steps)

    def step(self, batch: Any, along: float) -> Tensor:  # Any: a batch of the task
        """The mean loss over the batch, with the entries that are left."""
        self._cut()
        try:
            loss = self._inner.step(batch, along)
        except BrokenStep as broken:
            raise BrokenStep(broken.batch, "Set a lower learning_rate of the tool.") from None
        self._clear(lambda weight: weight.tensor)
        self._taken += 1
        return loss

    def _cut(self) -> None:
        """Let the smallest entries go where it is time to."""
        every = max(1, self._ramp // CUTS)
        if self._taken > self._ramp or (self._taken % every and self._taken != self._ramp):
            return
        left = left_after(self._taken / max(1, self._ramp), self._total, self.count)
        sizes = magnitudes(self.weights)
        sizes[~self.kept] = -1.0  # an entry that is gone is smaller than a zero that is left
        self._keep(largest(sizes, left))
        self._clear(lambda weight: weight.tensor)

    def _keep(self, kept: Bool[Tensor, " entry"]) -> None:
        self.kept = kept
        parts = kept.float().split([weight.entries for weight in self.weights])
        self._factors = [weight.beside(part) for weight, part in zip(self.weights, parts, strict=True)]

    @torch.no_grad()
    def _clear(self, part: Callable[[Weight], Tensor | None]) -> None:
        for weight, left in zip(self.weights, self._factors, strict=True):
            tensor = part(weight)
            if tensor is not None:
                tensor.mul_(left)

    def skip(self, along: float) -> None:
        """The schedules go on."""
        self._cut()
        self._inner.skip(along)
        self._taken += 1

    def logged(self) -> Mapping[str, float]:
        """The learning rate, and the share of entries that is left."""
        return {**self._inner.logged(), "left": float(self.kept.float().mean())}

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """What is left, and the state of the optimiser."""
        return {"inner": self._inner.state_dict(), "kept": self.kept, "taken": self._taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self._inner.load_state_dict(state["inner"])
        self._keep(state["kept"].to(self.kept.device))
        self._taken = state["taken"]


def left_after(along: float, total: int, end: int) -> int:
    """Entries that are left when a share of the ramp is done."""
    return end + round((total - end) * (1 - min(1.0, along)) ** 3)
