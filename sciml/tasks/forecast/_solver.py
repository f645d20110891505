"""Solvers that step fields forward in time: everything but the network."""

from abc import abstractmethod
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from sciml import data, metrics
from sciml.core.capabilities import HasTrajectories
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.nn import Stepper
from sciml.tasks.forecast._data import ForecastConfig, ForecastContext, Window
from sciml.tasks.forecast._task import FORECAST
from sciml.train import Solver

M = TypeVar("M", bound=Config)
K = TypeVar("K", bound=nn.Module)


class StepperSolver(
    Solver[HasTrajectories, M, ForecastConfig, ForecastContext, data.WindowBatch, Window, Stepper[K]], Generic[M, K]
):
    """Base of the solvers whose module is a `Stepper`; a leaf gives the network and its recipes."""

    task = FORECAST
    max_spatial_dims: ClassVar[int] = 3
    """Largest number of spatial axes supported."""

    @abstractmethod
    def network(self, problem: HasTrajectories, model: M, context: ForecastContext) -> K:
        """The network in standardised units: ``batch history*channel *space``, ``batch condition`` to one frame."""

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasTrajectories` on a grid of one to three axes."""
        if not isinstance(problem, HasTrajectories):
            return Support(False, "it has no trajectories")
        dims = len(problem.boundary)
        if not 1 <= dims <= self.max_spatial_dims:
            return Support(False, f"it is {dims}-D; this network is for 1 to {self.max_spatial_dims} spatial axes")
        return Support(True)

    def build(self, problem: HasTrajectories, model: M, context: ForecastContext) -> Stepper[K]:
        """The network wrapped with the dataset's constants."""
        s = context.statistics
        return Stepper(
            self.network(problem, model, context),
            field_mean=s.field_mean,
            field_std=s.field_std,
            parameter_mean=s.parameter_mean,
            parameter_std=s.parameter_std,
        )

    def loss(self, module: Stepper[K], batch: data.WindowBatch, along: float = 1.0) -> Tensor:
        """Scaled L2 of the standardised next frame: mean over samples and channels of ‖e‖ / ‖u‖."""
        condition = module.condition(batch.parameters, batch.stride)
        predicted = module.advance(module.standardise(batch.inputs), condition)
        return metrics.scaled_l2(predicted.float(), module.standardise(batch.targets)).mean()

    @torch.no_grad()
    def predict(self, module: Stepper[K], inputs: Window) -> Prediction:
        """A rollout of ``inputs.steps`` frames in physical units."""
        module.eval()
        mean = module.rollout(inputs.states, inputs.parameters, inputs.stride, inputs.steps)
        finite = mean.isfinite().flatten(1).all(1)
        return Prediction(mean, None, torch.where(finite, int(Status.OK), int(Status.DIVERGED)))
