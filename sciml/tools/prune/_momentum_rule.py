"""Global sparse momentum as a step rule."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from sciml.nn import optimiser_groups
from sciml.tools.prune._select import entry_values, importance, largest, magnitudes
from sciml.tools.prune._weights import Weight
from sciml.train import BrokenStep, GradientRule, Loss, StepRule, TrainConfig, learning_rates


class SparseMomentumRule(StepRule[Any]):  # Any: batches of every task
    """Momentum SGD in which the most important entries alone see the loss, and all of them decay.

        B = 1 for the Q entries with the largest |w ∂L/∂w|, else 0        (over all weights, anew in every step)
        v ← β v + η w + B ∂L/∂w,   w ← w - α v

    Entries outside of B shrink exponentially, by momentum 1 / (1 - β) times faster than without, and may come back: a
    small value and its momentum are kept. Parameters that are no weights (biases, scales) see the whole gradient and do
    not decay. The gradient is accumulated and clipped first, and masked then.

    With `adaptive` the loss is followed by the optimiser of `config`, whose averages see the masked gradient, and only
    the decay has momentum, v ← β v + η w, w ← w - α v: an optimiser that divides by averaged gradients would divide the
    decay away, or not accelerate it.

    Arguments:
        module: what is trained, in place.
        loss: ``(module, batch, along) -> scalar``, a mean over the samples of the batch.
        config: steps, batch and schedule; its learning rate is α, its weight decay η.
        weights: the prunable ones.
        count: Q.
        momentum: β.
        adaptive: whether the optimiser of `config` follows the loss, without weight decay of its own.

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
        adaptive: bool = False,
    ) -> None:
        self.weights, self.count = tuple(weights), count
        self.active = torch.zeros(0, dtype=torch.bool)
        self._values = entry_values(weights) if weights else torch.zeros(0)
        parts = self._values.split([weight.entries for weight in weights])
        self._factors = [weight.beside(part) for weight, part in zip(weights, parts, strict=False)]
        groups = momentum_groups(module, weights, config)
        self._decay = _Decay(groups, config, momentum) if adaptive else None
        if adaptive:
            self._inner = GradientRule(module, loss, config.model_copy(update={"weight_decay": 0.0}), amend=self._mask)
        else:
            optimiser = torch.optim.SGD(groups, momentum=momentum)
            self._inner = GradientRule(module, loss, config, optimiser=optimiser, amend=self._mask)

    @property
    def candidate(self) -> bool:
        """Never: the score is best at the beginning, and what counts is that the rest has decayed at the end."""
        return False

    def step(self, batch: Any, along: float) -> Tensor:  # Any: a batch of the task
        """The mean loss over the batch."""
        try:
            loss = self._inner.step(batch, along)
        except BrokenStep as broken:
            raise BrokenStep(broken.batch, "Set a lower learning_rate of the tool.") from None
        if self._decay is not None:
            self._decay.step()
        return loss

    def _mask(self) -> None:
        if not self.weights:
            return
        self.active = largest(importance(self.weights, self._values), self.count)
        self._values.copy_(self.active.view(torch.uint8))  # from bool, or a fill by it, takes ten times as long
        for weight, factor in zip(self.weights, self._factors, strict=True):
            if weight.tensor.grad is not None:
                weight.tensor.grad.mul_(factor)

    def skip(self, along: float) -> None:
        """The schedule goes on."""
        self._inner.skip(along)
        if self._decay is not None:
            self._decay.taken += 1

    def logged(self) -> Mapping[str, float]:
        """The learning rate, and what would be cut off: ‖w of the rest‖ / ‖w‖."""
        return {**self._inner.logged(), "tail": tail_of(self.weights, largest(magnitudes(self.weights), self.count))}

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Of the momentum, and the place on the schedule."""
        state = self._inner.state_dict()
        return state if self._decay is None else {"inner": state, "decay": self._decay.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        if self._decay is None:
            self._inner.load_state_dict(state)
        else:
            self._inner.load_state_dict(state["inner"])
            self._decay.load_state_dict(state["decay"])


class _Decay:
    """Weight decay with momentum by itself, on the schedule of a training."""

    def __init__(self, groups: list[dict[str, Any]], config: TrainConfig, momentum: float) -> None:
        decaying = [group for group in groups if group["weight_decay"]]
        self._shape = [rate / config.learning_rate for rate in learning_rates(config)]
        self._groups = [(group["params"], group["lr"], group["weight_decay"]) for group in decaying]
        self._velocities = [[torch.zeros_like(weight) for weight in weights] for weights, _, _ in self._groups]
        self._momentum, self.taken = momentum, 0

    @torch.no_grad()
    def step(self) -> None:
        """Once, at the rate of the step that was just taken."""
        along = self._shape[min(self.taken, len(self._shape) - 1)]
        for (weights, rate, decay), velocities in zip(self._groups, self._velocities, strict=True):
            for weight, velocity in zip(weights, velocities, strict=True):
                velocity.mul_(self._momentum).add_(weight, alpha=decay)
                weight.add_(velocity, alpha=-rate * along)
        self.taken += 1

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        return {"velocities": self._velocities, "taken": self.taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        for group, loaded in zip(self._velocities, state["velocities"], strict=True):
            for velocity, value in zip(group, loaded, strict=True):
                velocity.copy_(value)
        self.taken = state["taken"]


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
