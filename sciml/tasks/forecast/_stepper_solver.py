"""Solvers that step fields forward in time: everything but the network."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from sciml import data, metrics
from sciml.core.capabilities import Evolves
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.nn import Stepper
from sciml.tasks.forecast._data import Window
from sciml.tasks.forecast._task import Forecast
from sciml.train import Solver, Spec


class StepperSolver(Solver):
    """Base of the solvers whose module is a `Stepper`; a leaf gives the network and its recipes."""

    task = Forecast

    @abstractmethod
    def network(self, problem: Problem, spec: Spec[Any]) -> nn.Module:
        """The network in standardised units: ``batch history channel *space``, ``batch condition`` to one frame."""

    def supports(self, problem: Problem) -> Support:
        """A problem that `Evolves` on a grid of two axes."""
        if not isinstance(problem, Evolves):
            return Support(False, "it has no reference simulation (the problem is not an Evolves)")
        if len(problem.boundary) != 2:
            return Support(False, f"it has {len(problem.boundary)} spatial axes; the networks are two-dimensional")
        return Support(True)

    def build(self, problem: Problem, spec: Spec[Any]) -> Stepper:
        """The network wrapped with the dataset's constants."""
        s = spec.statistics
        return Stepper(
            self.network(problem, spec),
            field_mean=s.field_mean,
            field_std=s.field_std,
            parameter_mean=s.parameter_mean,
            parameter_std=s.parameter_std,
        )

    def loss(self, module: nn.Module, batch: data.Batch, along: float = 1.0) -> Tensor:
        """Scaled L2 of the standardised next frame: mean over samples and channels of ‖e‖ / ‖u‖."""
        assert isinstance(module, Stepper)
        condition = module.condition(batch.parameters, batch.stride)
        predicted = module.network(module.standardise(batch.inputs), condition)
        return metrics.scaled_l2(predicted.float(), module.standardise(batch.targets)).mean()

    @torch.no_grad()
    def predict(self, module: nn.Module, inputs: Window) -> Prediction:
        """A rollout of ``inputs.steps`` frames in physical units."""
        assert isinstance(module, Stepper)
        module.eval()
        mean = module.rollout(inputs.states, inputs.parameters, inputs.stride, inputs.steps)
        finite = mean.isfinite().flatten(1).all(1)
        return Prediction(mean, None, torch.where(finite, int(Status.OK), int(Status.DIVERGED)))
