"""The forecast that nothing changes."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.tasks.forecast import Forecast, ForecastConfig, StepperSolver
from sciml.train import Recipe, Spec, TrainConfig, recipe_of


class PersistenceConfig(Config):
    """Persistence has nothing to choose."""


class Persistence(nn.Module):
    """u_{t+1} = u_t."""

    def forward(
        self,
        states: Float[Tensor, "batch history channel *space"],
        condition: Float[Tensor, "batch condition"],
    ) -> Float[Tensor, "batch 1 channel *space"]:
        """The last frame."""
        return states[:, -1:].clone()


_RECIPES = {
    preset: Recipe[PersistenceConfig, ForecastConfig](
        model=PersistenceConfig(), task=ForecastConfig(history=history), train=TrainConfig(steps=0)
    )
    for preset, history in {"tiny": 2, "small": 2, "paper": 4}.items()
}


class PersistenceSolver(StepperSolver):
    """Forecasts that the last frame stays; what every method must beat."""

    key = "persistence"
    title = "Persistence"
    citation = "the standard no-skill reference of weather forecasting"
    claim = ""
    task = Forecast

    def recipe(self, preset: str) -> Recipe[PersistenceConfig, ForecastConfig]:
        """The same for every preset but for the history, which it does not use."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: Problem, spec: Spec[PersistenceConfig]) -> Persistence:
        """The identity on the last frame."""
        return Persistence()

    def fit(self, module: nn.Module, examples: Any) -> bool:
        """Nothing to fit."""
        return True
