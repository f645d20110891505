"""An ensemble of DeepONets, for uncertainty."""

from sciml.solvers.deeponet._deeponet import BASELINES, DeepONetConfig, DeepONetSolver
from sciml.tasks.operator import EnsembleSettings, EnsembleSolver, OperatorConfig
from sciml.train import Knob, Recipe, recipe_of

_MEMBER = DeepONetSolver()


class DeepONetEnsembleConfig(DeepONetConfig, EnsembleSettings):
    """Members like a DeepONet, and how many."""


class DeepONetEnsembleSolver(EnsembleSolver[DeepONetEnsembleConfig]):
    """Several DeepONets: the mean of their answers, and a spread with the size of its errors."""

    key = "deeponet_ensemble"
    title = "Ensemble of DeepONets"
    citation = (
        f"B. Lakshminarayanan, A. Pritzel, C. Blundell, Simple and scalable predictive uncertainty estimation using "
        f"deep ensembles, NeurIPS 2017, arXiv:1612.01474; {_MEMBER.citation}"
    )
    claim = ""
    knob = Knob("width", 1, 4096)
    member = _MEMBER

    def recipe(self, preset: str) -> Recipe[DeepONetEnsembleConfig, OperatorConfig]:
        """Five members of the recipe of `DeepONetSolver`."""
        return recipe_of(_RECIPES, preset)


def _recipe(preset: str) -> Recipe[DeepONetEnsembleConfig, OperatorConfig]:
    member = _MEMBER.recipe(preset)
    return Recipe[DeepONetEnsembleConfig, OperatorConfig](
        model=DeepONetEnsembleConfig(**member.model.model_dump()),
        task=member.task,
        train=member.train,
        baselines=("deeponet", *BASELINES),
    )


_RECIPES = {preset: _recipe(preset) for preset in ("tiny", "small", "paper")}
