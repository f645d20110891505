"""An ensemble of Fourier neural operators, for uncertainty."""

from sciml.solvers.baselines._fno import FNOConfig, FNOSolver
from sciml.tasks.forecast import ForecastConfig, ForecastEnsembleSolver, Members
from sciml.train import Knob, Recipe, recipe_of

_MEMBER = FNOSolver()


class FNOEnsembleConfig(FNOConfig, Members):
    """Members like a Fourier neural operator, and how many."""


class FNOEnsembleSolver(ForecastEnsembleSolver[FNOEnsembleConfig]):
    """Several Fourier neural operators: the mean of their rollouts, with calibrated spread and bands."""

    key = "fno_ensemble"
    title = "Ensemble of Fourier neural operators"
    citation = (
        "B. Lakshminarayanan, A. Pritzel, C. Blundell, Simple and scalable predictive uncertainty estimation using "
        f"deep ensembles, NeurIPS 2017, arXiv:1612.01474; {_MEMBER.citation}"
    )
    claim = ""
    knob = Knob("width", 1, 1024)
    member = _MEMBER

    def recipe(self, preset: str) -> Recipe[FNOEnsembleConfig, ForecastConfig]:
        """Members of the recipe of `FNOSolver`; a part of the training trajectories calibrates them."""
        return recipe_of(_RECIPES, preset)


def _recipe(preset: str, members: int, held_out: float, coverage: float) -> Recipe[FNOEnsembleConfig, ForecastConfig]:
    one = _MEMBER.recipe(preset)
    return Recipe[FNOEnsembleConfig, ForecastConfig](
        model=FNOEnsembleConfig(**one.model.model_dump(), members=members),
        task=one.task.model_copy(update={"held_out": held_out, "coverage": coverage}),
        train=one.train,
        baselines=("persistence", "linear", "fno"),
    )


_RECIPES = {
    "tiny": _recipe("tiny", 3, 0.33, 0.8),
    "small": _recipe("small", 5, 0.2, 0.9),
    "paper": _recipe("paper", 5, 0.05, 0.9),
}
