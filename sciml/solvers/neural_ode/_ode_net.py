"""The ODE-Net classifier: a network whose middle is an equation instead of a stack of residual blocks."""

from typing import Literal

import pydantic
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sciml.core.capabilities import Classifies
from sciml.core.config import Config
from sciml.core.types import Prediction
from sciml.models import IntegrateConfig, ODENet, RegulariseConfig
from sciml.nn import Activation
from sciml.tasks.classification import (
    ClassificationConfig,
    ClassificationContext,
    ClassificationSolver,
    Labelled,
    Pictures,
)
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class ODENetConfig(Config):
    """A classifier with one ODE block."""

    kind: Literal["mlp", "conv"] = "mlp"
    """``mlp`` integrates the flattened picture itself, ``conv`` the features of a small convolutional stem."""
    width: int = pydantic.Field(default=64, ge=1)
    """Hidden neurons of the field (mlp), or channels of the features (conv)."""
    nonlinearity: Activation = "tanh"
    """In the field and, for conv, around it."""
    halvings: int = pydantic.Field(default=1, ge=0, le=30)
    """For conv: strided convolutions of the stem."""
    padding: int = pydantic.Field(default=1, ge=0, le=1)
    """For conv: zeros around the picture in the first convolution."""
    integrate: IntegrateConfig = IntegrateConfig(rtol=1e-3, atol=1e-3)
    """How it is integrated, t from 0 to 1."""
    regularise: RegulariseConfig = RegulariseConfig()
    """What is penalised beside the error."""


_RECIPES = {
    "tiny": Recipe[ODENetConfig, ClassificationConfig](
        model=ODENetConfig(),
        task=ClassificationConfig(),
        train=TrainConfig(steps=200, batch_size=128, learning_rate=5e-3, evaluate_every=40),
        baselines=("resnet",),
    ),
    "small": Recipe[ODENetConfig, ClassificationConfig](
        model=ODENetConfig(kind="conv", width=32, nonlinearity="relu"),
        task=ClassificationConfig(),
        train=TrainConfig(steps=400, batch_size=128, learning_rate=3e-3, evaluate_every=50),
        baselines=("resnet",),
    ),
    "paper": Recipe[ODENetConfig, ClassificationConfig](
        model=ODENetConfig(
            kind="conv",
            width=64,
            nonlinearity="relu",
            halvings=2,
            integrate=IntegrateConfig(method="dopri5", rtol=1e-3, atol=1e-3, gradient="adjoint"),
        ),
        task=ClassificationConfig(),
        train=TrainConfig(
            steps=75_000, batch_size=128, optimiser="sgd", learning_rate=0.1, weight_decay=0.0, warmup=0.0,
            clip=None, evaluate_every=469, checkpoint_every=469,
        ),
        baselines=("resnet",),
    ),
}  # fmt: skip


class ODENetSolver(ClassificationSolver[ODENetConfig, ODENet]):
    """Classification by a network with an ODE block."""

    key = "ode_net"
    title = "ODE-Net"
    citation = (
        "Chen, Rubanova, Bettencourt, Duvenaud, Neural Ordinary Differential Equations, NeurIPS 2018, arXiv:1806.07366"
    )
    claim = (
        "one ODE block is as accurate as six residual blocks with three times its parameters, and its tolerance "
        "trades evaluations for error after training; penalised solver errors save evaluations"
    )
    branches = "its steps in time depend on the samples"
    knob = Knob("width", 1, 2**15)

    def recipe(self, preset: str) -> Recipe[ODENetConfig, ClassificationConfig]:
        """``tiny`` is fully connected, ``small`` convolutional; ``paper`` has the published sizes and solver.

        The published stem does not pad its first convolution (model.padding=0); for pictures of 8 x 8 points it must.
        """
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Classifies, model: ODENetConfig, context: ClassificationContext) -> ODENet:
        """A classifier for the problem's samples and classes."""
        config, statistics = model, context.statistics
        return ODENet(
            context.shape,
            len(problem.classes),
            kind=config.kind,
            width=config.width,
            nonlinearity=config.nonlinearity,
            halvings=config.halvings,
            padding=config.padding,
            mean=statistics.field_mean.mean(),
            std=statistics.field_std.square().mean().sqrt(),
            integrate=config.integrate,
            regularise=config.regularise,
        )

    def loss(self, module: ODENet, batch: Labelled, along: float = 1.0) -> Tensor:
        """Cross-entropy and the penalty."""
        logits, _ = module(batch.inputs)
        return module.block.policy.add_to(cross_entropy(logits, batch.labels), along)

    @torch.no_grad()
    def predict(self, module: ODENet, inputs: Pictures) -> Prediction:
        """Class probabilities."""
        module.eval()
        logits, solution = module(inputs.inputs, tolerance=inputs.tolerance)
        stats = {"evaluations": solution.stats.evaluations, "calls": solution.stats.calls}
        return Prediction(logits.softmax(dim=1), None, solution.status, stats)
