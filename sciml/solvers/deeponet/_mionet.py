"""MIONet on data."""

from torch import Tensor

from sciml.core.capabilities import MapsFunctions
from sciml.core.problem import Problem
from sciml.core.types import Support
from sciml.models import MIONet
from sciml.solvers.deeponet._deeponet import TrunkConfig, constraint_for, features_for
from sciml.tasks.operator import (
    FreeOperator,
    OperatorConfig,
    OperatorContext,
    OperatorScales,
    OperatorSolver,
    PairBatch,
    squared_error,
)
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class MIONetConfig(TrunkConfig):
    """One branch per input function."""


class MIONetSolver(OperatorSolver[MIONetConfig, FreeOperator[MIONet]]):
    """A branch for every input function, multiplied with the trunk."""

    key = "mionet"
    title = "MIONet"
    citation = (
        "P. Jin, S. Meng, L. Lu, MIONet: learning multiple-input operators via tensor product, SIAM J. Sci. Comput. 44 "
        "(2022) A3490, arXiv:2202.06137"
    )
    claim = ""
    knob = Knob("width", 1, 4096)

    def supports(self, problem: Problem) -> Support:
        """A problem that `MapsFunctions`, several of them."""
        if not isinstance(problem, MapsFunctions):
            return Support(False, "it is no map from functions to functions")
        if len(problem.inputs) < 2:
            return Support(False, "it has one input function, for which this is a DeepONet")
        return Support(True)

    def recipe(self, preset: str) -> Recipe[MIONetConfig, OperatorConfig]:
        """Networks as those of DeepONet, and trained like them."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: MapsFunctions, model: MIONetConfig, context: OperatorContext) -> FreeOperator[MIONet]:
        """A network for the problem's functions, queries and fields. Raises ConfigError for unknown faces."""
        network = MIONet(
            sensors=context.sizes,
            dims=len(problem.domain.axes),
            fields=len(problem.fields),
            modes=model.modes,
            width=model.width,
            branch_layers=model.branch_layers,
            trunk_layers=model.trunk_layers,
            nonlinearity=model.nonlinearity,
            bias=model.bias,
            features=features_for(problem, model.harmonics),
            constraint=constraint_for(problem, model),
        )
        return FreeOperator(network, OperatorScales(context, problem.domain), centred=not model.vanish)

    def loss(self, module: FreeOperator[MIONet], batch: PairBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of standardised fields."""
        return squared_error(module, batch)


_RECIPES = {
    preset: Recipe[MIONetConfig, OperatorConfig](
        model=MIONetConfig(nonlinearity="tanh"),
        task=OperatorConfig(),
        train=TrainConfig(
            steps=steps,
            batch_size=64 if preset == "tiny" else 500,
            learning_rate=3e-3,
            weight_decay=0.0,
            clip=None,
            warmup=0.02,
            final_learning_rate=1e-5,
            evaluate_every=max(100, steps // 20),
            checkpoint_every=max(100, steps // 20),
        ),
        baselines=("mean_map", "linear_map", "fnn", "deeponet"),
    )
    for preset, steps in (("tiny", 3000), ("small", 20_000), ("paper", 50_000))
}
