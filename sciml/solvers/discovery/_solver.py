"""What the solvers of discovery share: when they apply and how they predict."""

from abc import abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.core.config import Config
from sciml.core.errors import NumericsError
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.tasks.discovery import (
    DISCOVERY,
    DiscoveryConfig,
    DiscoveryContext,
    HiddenTermModule,
    ObservationBatch,
    Visited,
)
from sciml.train import Examples, Solver

M = TypeVar("M", bound=Config)
N = TypeVar("N", bound=HiddenTermModule)


class DiscoverySolver(
    Solver[HasHiddenTerm, M, DiscoveryConfig, DiscoveryContext, ObservationBatch, Visited, N], Generic[M, N]
):
    """A way to find out what the hidden term is along observed trajectories."""

    task = DISCOVERY
    max_spatial_dims = 0
    """Largest number of spatial dimensions supported."""

    @abstractmethod
    def make(self, problem: HasHiddenTerm, config: M, seen: tuple[Observations, ...], seed: int) -> N:
        """The module for these observations; it `Measures`."""

    @abstractmethod
    def misfit(self, module: N, batch: ObservationBatch) -> Tensor:
        """What fitting makes small, on a batch."""

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasHiddenTerm` with at most `max_spatial_dims` axes in space."""
        if not isinstance(problem, HasHiddenTerm):
            return Support(False, "it has no hidden term")
        if len(problem.boundary) > self.max_spatial_dims:
            return Support(
                False, f"it is {len(problem.boundary)}-D; this solver does at most {self.max_spatial_dims}-D"
            )
        return Support(True)

    def build(self, problem: HasHiddenTerm, model: M, context: DiscoveryContext) -> N:
        """The module before it is fitted, on the CPU and in float64."""
        with torch.device("cpu"):
            seed = int(torch.randint(2**62, ()))
            return self.make(problem, model, context.observations, seed)

    def loss(self, module: N, batch: ObservationBatch, along: float = 1.0) -> Tensor:
        """The misfit of a batch of observations."""
        return self.misfit(module, batch)

    @torch.no_grad()
    def predict(self, module: N, inputs: Visited) -> Prediction:
        """The hidden term at the places."""
        measured = module.measure(inputs)
        mean = measured.hidden.float()
        spread = None if measured.spread is None else measured.spread.float()
        bad = ~mean.isfinite().all(1)
        return Prediction(mean, spread, torch.where(bad, int(Status.DIVERGED), int(Status.OK)))


class DirectSolver(DiscoverySolver[M, N], Generic[M, N]):
    """A way that takes no steps."""

    rule = None

    @abstractmethod
    def adjust(self, module: N) -> None:
        """Fit the module to its observations."""

    def solve_closed_form(self, module: N, examples: Examples[ObservationBatch]) -> bool:
        """Fit to all observations. Raises NumericsError if that ends in NaN."""
        self.adjust(module)
        if not all(value.isfinite().all() for value in module.state_dict().values()):
            raise NumericsError(f"fitting {self.title} gave values that are not finite")
        return True
