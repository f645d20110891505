"""POD-DeepONet on data."""

import pydantic
import torch
from torch import Tensor

from sciml.core import rng
from sciml.core.capabilities import MapsFunctions
from sciml.core.config import Config
from sciml.core.errors import UnsupportedError
from sciml.models import PODDeepONet
from sciml.nn import Activation
from sciml.solvers.deeponet._deeponet import BASELINES
from sciml.tasks.operator import (
    FixedOperator,
    OperatorConfig,
    OperatorContext,
    OperatorScales,
    OperatorSolver,
    PairBatch,
    squared_error,
)
from sciml.train import Examples, Knob, Recipe, TrainConfig, recipe_of


class PODDeepONetConfig(Config):
    """A branch for the coefficients of modes of the training outputs."""

    modes: int = pydantic.Field(default=20, ge=1)
    """Modes, over all fields together; those beyond the rank of the training outputs stay silent."""
    width: int = pydantic.Field(default=64, ge=1)
    """Neurons of hidden layers."""
    branch_layers: int = pydantic.Field(default=3, ge=1, le=1000)
    """Weight layers."""
    nonlinearity: Activation = "relu"


class PODDeepONetSolver(OperatorSolver[PODDeepONetConfig, FixedOperator[PODDeepONet]]):
    """A branch network on the principal modes of the training outputs."""

    key = "pod_deeponet"
    title = "POD-DeepONet"
    citation = (
        "L. Lu, X. Meng, S. Cai, Z. Mao, S. Goswami, Z. Zhang, G. E. Karniadakis, A comprehensive and fair comparison "
        "of two neural operators (with practical extensions) based on FAIR data, Comput. Methods Appl. Mech. Eng. 393 "
        "(2022) 114778, arXiv:2111.05512"
    )
    claim = ""
    knob = Knob("width", 1, 4096)

    def recipe(self, preset: str) -> Recipe[PODDeepONetConfig, OperatorConfig]:
        """Twenty modes."""
        return recipe_of(_RECIPES, preset)

    def build(
        self, problem: MapsFunctions, model: PODDeepONetConfig, context: OperatorContext
    ) -> FixedOperator[PODDeepONet]:
        """A network whose modes are silent until `initialise`.

        Raises: UnsupportedError for outputs that are not known at the same queries for all functions.
        """
        if context.queries is None or not context.aligned:
            raise UnsupportedError(
                "modes of the outputs need outputs at the same queries for all training functions",
                got="queries of every function's own",
                fix="Take solver deeponet, or aligned data (task.points=0).",
            )
        network = PODDeepONet(
            sensors=sum(context.sizes),
            queries=len(context.queries),
            fields=len(problem.fields),
            modes=model.modes,
            width=model.width,
            branch_layers=model.branch_layers,
            nonlinearity=model.nonlinearity,
        )
        return FixedOperator(network, OperatorScales(context, problem.domain), context.queries)

    def initialise(self, module: FixedOperator[PODDeepONet], examples: Examples[PairBatch]) -> None:
        """Mean and modes, from the training outputs alone."""
        module.network.fit(module.scales.scale(whole(examples).targets.to(module.points.device)))

    def loss(self, module: FixedOperator[PODDeepONet], batch: PairBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of standardised fields."""
        return squared_error(module, batch)


def whole(examples: Examples[PairBatch]) -> PairBatch:
    """All training pairs at once."""
    return examples.batch(torch.arange(len(examples)), rng.generator(0))


_TRAIN = TrainConfig(
    batch_size=32, learning_rate=2e-3, weight_decay=0.0, clip=None, warmup=0.02, final_learning_rate=1e-5
)
_RECIPES = {
    preset: Recipe[PODDeepONetConfig, OperatorConfig](
        model=model,
        task=OperatorConfig(points=0),
        train=_TRAIN.model_copy(
            update={"steps": steps, "evaluate_every": max(100, steps // 20), "checkpoint_every": max(100, steps // 20)}
        ),
        baselines=BASELINES,
    )
    for preset, steps, model in (
        ("tiny", 1500, PODDeepONetConfig()),
        ("small", 10_000, PODDeepONetConfig()),
        ("paper", 100_000, PODDeepONetConfig(modes=40, width=128, branch_layers=4)),
    )
}
