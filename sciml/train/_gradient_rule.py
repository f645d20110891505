"""First-order steps: an optimiser of torch, a schedule, clipping, accumulation, precision, several processes."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sciml.nn import optimiser_groups
from sciml.train._adamw import LeanAdamW
from sciml.train._config import TrainConfig
from sciml.train._distributed import Objective, current_group, wrap
from sciml.train._step_rule import BrokenStep, StepRule

Loss = Callable[[nn.Module, Any, float], Tensor]
"""``(module, batch, along)`` to a scalar. Any: every task has a batch type of its own."""

_FEW = 2**15
"""Weights whose gradients are put side by side in less time than the norm of each one takes."""


class GradientRule(StepRule[Any]):  # Any: it slices batches of every type
    """One step of AdamW, Adamax or SGD along the clipped gradient of the mean loss.

    The learning rate rises linearly, then falls along half a cosine. Modules that are `sciml.nn.GroupsParameters` say
    which of their weights are never decayed or have a lower peak. Under ``torchrun`` gradients are averaged over the
    processes, each of which has its rows of the global batch.

    Arguments:
        module: what is trained, in place.
        loss: ``(module, batch, along) -> scalar``, a mean over the samples of the batch.
        config: the settings.
        optimiser: takes the steps, in place of that of `config`; its groups have the peak learning rates.
        amend: changes the gradients between clipping and the step, as masks and noise do.
    """

    reads: ClassVar[frozenset[str]] = frozenset(TrainConfig.model_fields)
    distributed: ClassVar[bool] = True

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        config: TrainConfig,
        *,
        optimiser: torch.optim.Optimizer | None = None,
        amend: Callable[[], None] | None = None,
    ) -> None:
        self.module, self.config = module, config
        self._group = current_group()
        self._device = next(module.parameters()).device
        self._objective = wrap(Objective(module, loss), self._group)
        self._optimiser, self._amend = optimiser or _optimiser(module, config), amend
        self._weights = list(module.parameters())
        few = sum(weight.numel() for weight in self._weights) <= _FEW
        self._joins = few and len({weight.device for weight in self._weights}) == 1
        self._peaks = [group["lr"] for group in self._optimiser.param_groups]
        self._taken = 0
        self._schedule()

    def step(self, batch: Any, along: float) -> Tensor:  # Any: a batch of the task
        """The mean loss over the batch of all processes. BrokenStep where it or the gradient is not finite."""
        for weight in self._weights:  # as the optimiser's zero_grad, which takes longer than a small layer
            weight.grad = None
        mean = self._accumulated(batch, along)
        norm = self._norm()
        if self.config.clip is not None:
            nn.utils.clip_grads_with_norm_(self._weights, self.config.clip, norm)
        if self._group.any(not math.isfinite(float(mean + norm))):
            raise BrokenStep(batch, "Lower train.learning_rate or train.clip, or use train.precision=fp32.")
        if self._amend is not None:
            self._amend()
        self._optimiser.step()
        self._taken += 1
        self._schedule()
        return self._group.mean(mean)

    def _accumulated(self, batch: Any, along: float) -> Tensor:  # Any: as in `step`
        """The mean loss over the slices of a batch, whose gradients add up to that of the whole."""
        parts = self.config.accumulate
        if parts == 1:
            with self._precision():
                loss = self._objective(batch, along)
            loss.backward()
            return loss.detach()
        slices = [batch.rows(rows) for rows in slices_of(len(batch), parts)]
        mean = torch.zeros((), device=self._device)
        for index, rows in enumerate(slices):
            with self._synchronised(index == len(slices) - 1), self._precision():
                loss = self._objective(rows, along) * (len(rows) / len(batch))
            loss.backward()
            mean = mean + loss.detach()
        return mean

    def _norm(self) -> Tensor:
        """Of the gradient of all weights."""
        slopes = [weight.grad for weight in self._weights if weight.grad is not None]
        if self.config.clip is None and self._joins:  # it says no more than whether the gradient is finite
            return torch.cat([slope.flatten() for slope in slopes]).norm() if slopes else torch.zeros(())
        return nn.utils.get_total_norm(slopes)

    def skip(self, along: float) -> None:
        """The schedule goes on."""
        self._taken += 1
        self._schedule()

    def logged(self) -> Mapping[str, float]:
        """The learning rate of the next step."""
        return {"learning_rate": self._optimiser.param_groups[0]["lr"]}

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Of the optimiser, and the place on the schedule."""
        return {"optimiser": self._optimiser.state_dict(), "taken": self._taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self._optimiser.load_state_dict(state["optimiser"])
        self._taken = state["taken"]
        self._schedule()

    def _schedule(self) -> None:
        for group, peak in zip(self._optimiser.param_groups, self._peaks, strict=True):
            group["lr"] = peak * _factor(self.config, self._taken)

    def _precision(self) -> AbstractContextManager[object]:
        if self.config.precision != "bf16" and not torch.is_autocast_enabled(self._device.type):
            return nullcontext()  # entering autocast costs as much as a small layer
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self.config.precision == "bf16")

    @contextmanager
    def _synchronised(self, last: bool) -> Iterator[None]:
        """Let several processes exchange gradients only with the last slice of a batch."""
        if isinstance(self._objective, nn.parallel.DistributedDataParallel) and not last:
            with self._objective.no_sync():
                yield
        else:
            yield


def learning_rates(config: TrainConfig) -> list[float]:
    """The learning rate of every step of a training."""
    return [config.learning_rate * _factor(config, step) for step in range(config.steps)]


def slices_of(length: int, parts: int) -> list[slice]:
    """`length` rows cut into at most `parts` nearly equal slices."""
    edges = [length * index // parts for index in range(parts + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(edges) if b > a]


def _optimiser(module: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    groups = optimiser_groups(module, config.learning_rate, config.weight_decay)
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, momentum=0.9)
    if config.optimiser == "adamax":
        return torch.optim.Adamax(groups)
    fused = all(p.is_floating_point() for p in module.parameters())  # torch has no fused one for complex weights
    return LeanAdamW(groups) if fused else torch.optim.AdamW(groups)


def _factor(c: TrainConfig, step: int) -> float:
    """Learning rate at `step` relative to its peak: linear warm-up, then half a cosine to the final value."""
    warmup = max(1, round(c.warmup * c.steps))
    if step < warmup:
        return (step + 1) / warmup
    floor = min(1.0, c.final_learning_rate / c.learning_rate)
    along = min(1.0, (step - warmup) / max(1, c.steps - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * along))
