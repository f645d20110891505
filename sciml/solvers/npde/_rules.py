"""Learning strategies as step rules: pseudo-inverse, trajectories by L-BFGS, one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from sciml.core import rng
from sciml.data import WindowBatch
from sciml.models.npde import regression_rows, trainable_numbers
from sciml.nn import Stepper
from sciml.solvers.npde._config import NPDEConfig
from sciml.solvers.npde._forecaster import Forecaster
from sciml.solvers.npde._trajectory_fit import TrajectoryFit
from sciml.train import BrokenStep, Examples, GradientRule, LeastSquaresRule, Phases, StepRule, TrainConfig

_SETTLED = 1e-5  # relative decrease of the loss by a round below which there is no further one


class TrajectoryRule(StepRule[Any]):  # Any: the windows are in the fit, whatever batches are
    """One step is one round of L-BFGS on the rollouts of all chosen windows, first frames included.

    Arguments:
        fit: what is minimised.
        iterations: of a round.
    """

    def __init__(self, fit: TrajectoryFit, iterations: int) -> None:
        self.fit, self._iterations = fit, iterations
        self._settled, self._before = False, math.inf

    @property
    def stopped(self) -> str:
        """After a round that did not lower the loss any more."""
        return "L-BFGS has converged" if self._settled else ""

    def step(self, batch: Any, along: float) -> Tensor:  # Any: as above
        """The loss before the round. BrokenStep where no rollout is finite, however small the coefficients."""
        loss = self.fit.round(self._iterations)
        if not bool(loss.isfinite()):
            raise BrokenStep(batch, "Raise model.substeps, or leave out terms that make rollouts overflow.")
        self._settled = float(loss) > (1 - _SETTLED) * self._before
        self._before = float(loss)
        return loss

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """The first frames, and how far the last round came."""
        return {"offsets": self.fit.offsets, "before": self._before, "settled": self._settled}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on with them."""
        self.fit.offsets = state["offsets"].to(self.fit.offsets)
        self._before, self._settled = float(state["before"]), bool(state["settled"])


class NPDERule(Phases[WindowBatch]):
    """What `NPDEConfig.method` asks for; settings of first-order steps mean something under ``adam`` alone."""

    reads: ClassVar[frozenset[str]] = GradientRule.reads - {"polish", "polish_iterations"}

    def __init__(self, phases: Sequence[tuple[StepRule[WindowBatch], int]]) -> None:
        super().__init__(phases)


def chosen_windows(examples: Examples[WindowBatch], most: int, seed: int = 0) -> WindowBatch:
    """At most so many windows, spread evenly; the seed is that of noise that the task draws for every batch."""
    rows = torch.linspace(0, len(examples) - 1, min(len(examples), most)).long()
    return examples.batch(rows, rng.generator(seed, "npde"))


def frames_of(batch: WindowBatch) -> Tensor:
    """History and target as one run of frames, in float64."""
    return torch.cat((batch.inputs, batch.targets), 1).double()


def rows_of(module: Stepper[Forecaster], config: NPDEConfig, batch: WindowBatch) -> Tensor:
    """The regression of a batch; a term of the network per column."""
    forecaster = module.network
    device = module.field_mean.device
    return regression_rows(
        forecaster.equation, frames_of(batch).to(device), parameters=forecaster.given(batch.parameters.to(device)),
        smoothing=config.smoothing, weights=forecaster.weights(), margin=config.accuracy // 2 + config.smoothing,
    )  # fmt: skip


def assign(module: Stepper[Forecaster], solution: Tensor) -> None:
    """Set the numbers that a regression found."""
    equation = module.network.equation
    equation.values.assign(dict(zip(trainable_numbers(equation), solution, strict=True)))


def trajectory_fit(
    module: Stepper[Forecaster], config: NPDEConfig, examples: Examples[WindowBatch], seed: int = 0
) -> TrajectoryFit:
    """The fit of the chosen windows."""
    forecaster, device = module.network, module.field_mean.device
    batch = chosen_windows(examples, config.windows, seed)
    reach = config.accuracy // 2
    return TrajectoryFit(
        forecaster.equation, frames_of(batch).to(device), forecaster.field_std,
        parameters=forecaster.given(batch.parameters.to(device)), free_start=config.free_start,
        gradient=config.gradient, margin=reach * (batch.inputs.shape[1] + 1),
    )  # fmt: skip


def rule_for(
    module: Stepper[Forecaster], config: NPDEConfig, examples: Examples[WindowBatch], train: TrainConfig, seed: int
) -> NPDERule | None:
    """The rule of a method; None for the optimiser of ``train``."""
    if config.method == "adam":
        return None
    solve = LeastSquaresRule(
        lambda batch: rows_of(module, config, batch), lambda solution: assign(module, solution), examples, train,
        ridge=config.ridge, threshold=config.threshold, seed=seed,
    )  # fmt: skip
    if config.method == "pil":
        return NPDERule([(solve, 1)])
    descend = TrajectoryRule(trajectory_fit(module, config, examples, seed), config.iterations)
    return NPDERule([(descend, train.steps)] if config.method == "lbfgs" else [(solve, 1), (descend, train.steps)])
