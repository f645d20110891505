"""Numbers from parameters by soft trees."""

from sciml.core.capabilities import MapsParameters
from sciml.models import SoftTrees
from sciml.nn import Units
from sciml.solvers.baselines import RowModule, RowRegression
from sciml.solvers.soft_trees._config import CITATION, CLAIM, SoftTreesConfig
from sciml.solvers.soft_trees._trajectories import SoftTreesSolver
from sciml.tasks.regression import RegressionConfig, RegressionContext
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


def _recipe(trees: int, steps: int, batch: int) -> Recipe[SoftTreesConfig, RegressionConfig]:
    return Recipe[SoftTreesConfig, RegressionConfig](
        model=SoftTreesConfig(trees=trees),
        task=RegressionConfig(),
        train=TrainConfig(
            steps=steps, batch_size=batch, learning_rate=1e-2, weight_decay=0.0, evaluate_every=max(1, steps // 20)
        ),
        baselines=("mean_rows", "boosted_trees_rows", "mlp_rows"),
    )


_RECIPES = {"tiny": _recipe(32, 600, 32), "small": _recipe(64, 3000, 128), "paper": _recipe(256, 10_000, 512)}


class SoftTreesRowsSolver(RowRegression[SoftTrees, SoftTreesConfig]):
    """Numbers by an ensemble of soft trees of the parameters, stopped where validation is best."""

    key = "soft_trees_rows"
    family = SoftTreesSolver.key
    title = SoftTreesSolver.title
    citation = CITATION
    claim = CLAIM
    knob = Knob("trees", 1, 2**14)
    networks = (SoftTrees,)

    def recipe(self, preset: str) -> Recipe[SoftTreesConfig, RegressionConfig]:
        """Larger presets have more trees and train longer."""
        return recipe_of(_RECIPES, preset)

    def build(
        self, problem: MapsParameters, model: SoftTreesConfig, context: RegressionContext
    ) -> RowModule[SoftTrees, SoftTreesConfig]:
        """The trees with the data's constants."""
        units = Units(context.statistics)
        return RowModule(model.network(units.num_parameters, units.channels), units, model)
