"""Global sparse momentum as a step rule."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from sciml.nn import optimiser_groups
from sciml.tools.prune._select import importance, largest, magnitudes, split
from sciml.tools.prune._weights import Weight
from sciml.train import BrokenStep, GradientRule, Loss, StepRule, TrainConfig


class SparseMomentumRule(StepRule[Any]):  # Any: batches of every task
    """Momentum SGD in which the most important entries alone see the loss, and all of them decay.

        B = 1 for the Q entries with the largest |w ∂L/∂w|, else 0        (over all weights, anew in every step)
        v ← β v + η w + B ∂L/∂w,   w ← w - α v

    Entries outside of B shrink exponentially, by momentum 1 / (1 - β) times faster than without, and may come back: a
    small value and its momentum are kept. Parameters that are no weights (biases, scales) see the whole gradient and do
    not decay. The gradient is accumulated and clipped first, and masked then.

    Arguments:
        module: what is trained, in place.
        loss: ``(module, batch, along) -> scalar``, a mean over the samples of the batch.
        config: steps, batch and schedule; its learning rate is α, its weight decay η.
        weights: the prunable ones.
        count: Q.
        momentum: β.

    Reference:
        X. Ding et al., Global sparse momentum SGD for pruning very deep neural networks, NeurIPS 2019,
        arXiv:1909.12778.
    """

    reads: ClassVar[frozenset[str]] = GradientRule.reads - {"optimiser", "polish", "polish_iterations"}

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        config: TrainConfig,
        *,
        weights: Sequence[Weight],
        count: int,
        momentum: float,
    ) -> None:
        self.weights, self.count = tuple(weights), count
        self.active = torch.zeros(0, dtype=torch.bool)
        groups = momentum_groups(module, weights, config)
        optimiser = torch.optim.SGD(groups, momentum=momentum)
        self._inner = GradientRule(module, loss, config, optimiser=optimiser, amend=self._mask)

    @property
    def candidate(self) -> bool:
        """Never: the score is best at the beginning, and what counts is that the rest has decayed at the end."""
        return False

    def step(self, batch: Any, along: float) -> Tensor:  # Any: a batch of the task
        """The mean loss over the batch."""
        try:
            return self._inner.step(batch, along)
        except BrokenStep as broken:
            raise BrokenStep(broken.batch, "Set a lower learning_rate of the tool.") from None

    def _mask(self) -> None:
        if not self.weights:
            return
        self.active = largest(importance(self.weights), self.count)
        for weight, active in zip(self.weights, split(self.active, self.weights), strict=True):
            if weight.tensor.grad is not None:
                weight.tensor.grad.masked_fill_(~active, 0)

    def skip(self, along: float) -> None:
        """The schedule goes on."""
        self._inner.skip(along)

    def logged(self) -> Mapping[str, float]:
        """The learning rate, and what would be cut off: ‖w of the rest‖ / ‖w‖."""
        return {**self._inner.logged(), "tail": tail_of(self.weights, largest(magnitudes(self.weights), self.count))}

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Of the momentum, and the place on the schedule."""
        return self._inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self._inner.load_state_dict(state)


def momentum_groups(
    module: nn.Module, weights: Sequence[Weight], config: TrainConfig
) -> list[dict[str, Any]]:  # Any: torch's groups hold parameters and settings
    """What torch's SGD takes: weights decay, everything else does not; peak learning rates as the models ask for."""
    decaying = {id(weight.tensor) for weight in weights}
    groups: list[dict[str, Any]] = []
    for group in optimiser_groups(module, config.learning_rate, 0.0):
        for decay, chosen in ((config.weight_decay, True), (0.0, False)):
            tensors = [tensor for tensor in group["params"] if (id(tensor) in decaying) == chosen]
            if tensors:
                groups.append({"params": tensors, "lr": group["lr"], "weight_decay": decay})
    return groups


def tail_of(weights: Sequence[Weight], kept: Bool[Tensor, " entry"]) -> float:
    """Norm of the entries that are not kept, as a share of the norm of all of them."""
    sizes = magnitudes(weights).square()
    whole = float(sizes.sum())
    return (float(sizes[~kept].sum()) / whole) ** 0.5 if whole else 0.0
