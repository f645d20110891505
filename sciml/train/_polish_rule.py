"""Rounds of L-BFGS on all training examples at once, for small networks without noise."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from sciml.core import rng
from sciml.train._config import TrainConfig
from sciml.train._examples import Examples
from sciml.train._gradient_rule import GradientRule, Loss, slices_of
from sciml.train._step_rule import BrokenStep, Phases, StepRule


class PolishRule(StepRule[Any]):  # Any: it slices batches of every type
    """One step is one round of L-BFGS with a strong Wolfe line search, from the weights as they are.

    What a round learns of the curvature is not kept, so that resuming needs the weights only. The weights with the
    lowest loss stay, wherever the line search went last.

    Arguments:
        module: what is trained, in place.
        loss: ``(module, batch, along) -> scalar``, a mean over the samples of the batch.
        examples: all of them are used in every round, `TrainConfig.batch_size` at a time.
        config: the settings.
        seed: of the noise of the examples, the same one in every round.
    """

    def __init__(self, module: nn.Module, loss: Loss, examples: Examples, config: TrainConfig, seed: int) -> None:
        self.module, self.examples, self.config = module, examples, config
        self._loss, self._seed = loss, seed
        self._weights = [p for p in module.parameters() if p.requires_grad]

    def step(self, batch: Any, along: float) -> Tensor:  # Any: a batch of the task
        """The lowest loss over all examples. BrokenStep where it is not finite at the start of the round."""
        every = torch.arange(len(self.examples))
        device = self._weights[0].device
        drawn = self.examples.batch(every, rng.generator(self._seed, "polish")).to(device)
        slices = [drawn.rows(rows) for rows in slices_of(len(drawn), math.ceil(len(drawn) / self.config.batch_size))]
        optimiser = torch.optim.LBFGS(
            self._weights, max_iter=self.config.polish_iterations, history_size=20, line_search_fn="strong_wolfe"
        )
        lowest, best = math.inf, [weight.detach().clone() for weight in self._weights]
        losses: list[Tensor] = []

        def closure() -> Tensor:
            nonlocal lowest, best
            optimiser.zero_grad(set_to_none=True)
            mean = torch.zeros((), device=device, dtype=torch.float64)
            for rows in slices:
                loss = self._loss(self.module, rows, 1.0) * (len(rows) / len(drawn))
                loss.backward()
                mean += loss.detach()
            losses.append(mean)
            if mean < lowest:
                lowest, best = float(mean), [weight.detach().clone() for weight in self._weights]
            return mean

        with torch.enable_grad():
            optimiser.step(closure)
        with torch.no_grad():
            for weight, kept in zip(self._weights, best, strict=True):
                weight.copy_(kept)
        if not torch.isfinite(losses[0]):
            raise BrokenStep(drawn, "Lower train.learning_rate, or leave out train.polish.")
        return losses[0].new_tensor(lowest)

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """Nothing: a round depends on the weights only."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Nothing to do."""


def default_rule(
    module: nn.Module, loss: Loss, examples: Examples, config: TrainConfig, *, seed: int
) -> GradientRule | Phases[Any]:  # Any: batches of the task
    """The steps of `config`: those of its optimiser, then its rounds of polishing if there are any."""
    gradient = GradientRule(module, loss, config)
    if not config.polish:
        return gradient
    return Phases([(gradient, config.steps), (PolishRule(module, loss, examples, config, seed), config.polish)])
