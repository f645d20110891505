"""The forecast that nothing changes."""

from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import HasTrajectories
from sciml.core.config import Config
from sciml.data import WindowBatch
from sciml.nn import FieldNetwork, Stepper
from sciml.tasks.forecast import ForecastConfig, ForecastContext, StepperSolver
from sciml.train import Examples, Recipe, TrainConfig, recipe_of


class PersistenceConfig(Config):
    """Persistence has nothing to choose."""


class Persistence(FieldNetwork):
    """u_{t+1} = u_t, the last of the frames folded into channels.

    Arguments:
        fields: physical channels.
        history: frames seen.
        dims: axes of the grid.
    """

    def __init__(self, *, fields: int, history: int, dims: int) -> None:
        super().__init__(dims=dims, in_channels=history * fields, out_channels=fields)

    def forward(
        self, x: Float[Tensor, "batch feature *space"], condition: Tensor | None = None
    ) -> Float[Tensor, "batch channel *space"]:
        """The last frame."""
        self.check(x, condition)
        return x[:, -self.out_channels :].clone()


_RECIPES = {
    preset: Recipe[PersistenceConfig, ForecastConfig](
        model=PersistenceConfig(), task=ForecastConfig(history=history), train=TrainConfig(steps=0)
    )
    for preset, history in {"tiny": 2, "small": 2, "paper": 4}.items()
}


class PersistenceSolver(StepperSolver[PersistenceConfig, Persistence]):
    """Forecasts that the last frame stays; what every method must beat."""

    key = "persistence"
    title = "Persistence"
    citation = "the standard no-skill reference of weather forecasting"
    claim = ""
    rule = None
    unread = dict.fromkeys(("parameters", "forcings"), "the last frame is repeated whatever they are")
    timeless = True

    def recipe(self, preset: str) -> Recipe[PersistenceConfig, ForecastConfig]:
        """The same for every preset but for the history, which it does not use."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: HasTrajectories, model: PersistenceConfig, context: ForecastContext) -> Persistence:
        """The identity on the last frame."""
        return Persistence(fields=len(problem.fields), history=context.history, dims=len(context.grid.axes))

    def solve_closed_form(self, module: Stepper[Persistence], examples: Examples[WindowBatch]) -> bool:
        """Nothing to fit."""
        return True
