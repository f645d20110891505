"""An ensemble of SineNets, for uncertainty."""

from sciml.solvers.sinenet._config import SineNetConfig
from sciml.solvers.sinenet._solver import SineNetSolver
from sciml.tasks.forecast import ForecastConfig, ForecastEnsembleSolver, Members
from sciml.train import Knob, Recipe, recipe_of

_MEMBER = SineNetSolver()


class SineNetEnsembleConfig(SineNetConfig, Members):
    """Members like a SineNet, and how many."""


class SineNetEnsembleSolver(ForecastEnsembleSolver[SineNetEnsembleConfig]):
    """Several SineNets: the mean of their rollouts, with calibrated spread and bands."""

    key = "sinenet_ensemble"
    title = "Ensemble of SineNets"
    citation = (
        "B. Lakshminarayanan, A. Pritzel, C. Blundell, Simple and scalable predictive uncertainty estimation using "
        f"deep ensembles, NeurIPS 2017, arXiv:1612.01474; {_MEMBER.citation}"
    )
    claim = ""
    knob = Knob("multiplier", 0.25, 8.0)
    member = _MEMBER

    def recipe(self, preset: str) -> Recipe[SineNetEnsembleConfig, ForecastConfig]:
        """Members of the recipe of `SineNetSolver`; a part of the training trajectories calibrates them."""
        return recipe_of(_RECIPES, preset)


def _recipe(
    preset: str, members: int, held_out: float, coverage: float
) -> Recipe[SineNetEnsembleConfig, ForecastConfig]:
    one = _MEMBER.recipe(preset)
    return Recipe[SineNetEnsembleConfig, ForecastConfig](
        model=SineNetEnsembleConfig(**one.model.model_dump(), members=members),
        task=one.task.model_copy(update={"held_out": held_out, "coverage": coverage}),
        train=one.train,
        baselines=("persistence", "linear", "sinenet"),
    )


_RECIPES = {
    "tiny": _recipe("tiny", 3, 0.33, 0.8),
    "small": _recipe("small", 5, 0.2, 0.9),
    "paper": _recipe("paper", 5, 0.05, 0.9),
}
