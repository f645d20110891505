"""What the solvers of discovery share: when they apply, how they predict and are fitted."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.core.errors import NumericsError
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.tasks.discovery import Discovery, ObservationBatch, Visited, observe
from sciml.train import Recipe, Solver, Spec, recipe_of


class DiscoverySolver(Solver):
    """A way to find out what the hidden term is along observed trajectories."""

    task = Discovery
    most_axes = 0
    """Axes in space it can do with."""

    @abstractmethod
    def recipes(self) -> dict[str, Recipe]:
        """By preset."""

    @abstractmethod
    def make(self, problem: Problem, config: Any, seen: tuple[Observations, ...], seed: int) -> nn.Module:
        """The module for these observations; it `Measures`."""

    @abstractmethod
    def adjust(self, module: Any) -> None:
        """Fit the module to its observations."""

    @abstractmethod
    def misfit(self, module: Any, batch: ObservationBatch) -> Tensor:
        """What `adjust` makes small, on a batch."""

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasHiddenTerm` with at most `most_axes` axes in space."""
        if not isinstance(problem, HasHiddenTerm):
            return Support(False, "it has no hidden term to be found (the problem is not a HasHiddenTerm)")
        if len(problem.boundary) > self.most_axes:
            return Support(False, f"it has {len(problem.boundary)} spatial axes; this solver knows {self.most_axes}")
        return Support(True)

    def recipe(self, preset: str) -> Recipe:
        """The table's entry."""
        return recipe_of(self.recipes(), preset)

    def build(self, problem: Problem, spec: Spec[Any]) -> nn.Module:
        """The module before it is fitted, on the CPU and in float64."""
        with torch.device("cpu"):
            seed = int(torch.randint(2**62, ()))
            return self.make(problem, spec.model, observe(problem, spec.task), seed)

    def loss(self, module: nn.Module, batch: ObservationBatch, along: float = 1.0) -> Tensor:
        """The misfit of a batch of observations."""
        return self.misfit(module, batch)

    def fit(self, module: nn.Module, examples: Any) -> bool:
        """Fit to all observations by the method's own means. Raises NumericsError if that ends in NaN."""
        self.adjust(module)
        broken = [name for name, value in module.state_dict().items() if not value.isfinite().all()]
        if broken:
            raise NumericsError(
                f"fitting {self.title} ended in numbers that are not finite",
            )
        return True

    @torch.no_grad()
    def predict(self, module: nn.Module, inputs: Visited) -> Prediction:
        """The hidden term at the places."""
        measured = module.measure(inputs)  # type: ignore[operator]
        mean = measured.hidden.float()
        spread = None if measured.spread is None else measured.spread.float()
        bad = ~mean.isfinite().all(1)
        return Prediction(mean, spread, torch.where(bad, int(Status.DIVERGED), int(Status.OK)))
