"""A classifier made of residual blocks."""

from typing import Literal

import pydantic
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sciml.core.capabilities import Classifies
from sciml.core.config import Config
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.models import ResNet
from sciml.nn import Activation
from sciml.tasks.classification import (
    ClassificationConfig,
    ClassificationContext,
    ClassificationSolver,
    Labelled,
    Pictures,
    as_read,
)
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class ResNetConfig(Config):
    """A classifier with a stack of residual blocks."""

    kind: Literal["mlp", "conv"] = "mlp"
    """``mlp`` works on the flattened sample itself, ``conv`` on the features of a small convolutional stem."""
    width: int = pydantic.Field(default=64, ge=1)
    """Hidden neurons of a block (mlp), or channels of the features (conv)."""
    features: int | None = pydantic.Field(default=None, ge=1)
    """For mlp: what the sample is mapped to before the blocks; None for nothing else than the sample."""
    blocks: int = pydantic.Field(default=6, ge=0, le=1000)
    """Residual blocks; without any the features are read as they are."""
    nonlinearity: Activation = "tanh"
    """In the blocks and, for conv, around them."""
    halvings: int = pydantic.Field(default=1, ge=0, le=30)
    """For conv: strided convolutions of the stem."""
    padding: int = pydantic.Field(default=1, ge=0, le=1)
    """For conv: zeros around the picture in the first convolution."""


_RECIPES = {
    "tiny": Recipe[ResNetConfig, ClassificationConfig](
        model=ResNetConfig(),
        task=ClassificationConfig(),
        train=TrainConfig(steps=200, batch_size=128, learning_rate=5e-3, evaluate_every=40),
    ),
    "small": Recipe[ResNetConfig, ClassificationConfig](
        model=ResNetConfig(kind="conv", width=32, nonlinearity="relu"),
        task=ClassificationConfig(),
        train=TrainConfig(steps=400, batch_size=128, learning_rate=3e-3, evaluate_every=50),
    ),
    "paper": Recipe[ResNetConfig, ClassificationConfig](
        model=ResNetConfig(kind="conv", width=64, nonlinearity="relu", halvings=2),
        task=ClassificationConfig(),
        train=TrainConfig(
            steps=75_000,
            batch_size=128,
            optimiser="sgd",
            learning_rate=0.1,
            weight_decay=0.0,
            warmup=0.0,
            clip=None,
            evaluate_every=469,
            checkpoint_every=469,
        ),
    ),
}


class ResNetSolver(ClassificationSolver[ResNetConfig, ResNet]):
    """Classification by residual blocks between the same two ends as an ODE-Net's."""

    key = "resnet"
    title = "Residual network"
    citation = "He, Zhang, Ren, Sun, Identity Mappings in Deep Residual Networks, ECCV 2016, arXiv:1603.05027"
    claim = ""
    knob = Knob("width", 1, 2**15)

    def recipe(self, preset: str) -> Recipe[ResNetConfig, ClassificationConfig]:
        """``tiny`` is fully connected, ``small`` convolutional; ``paper`` has the published sizes."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Classifies, model: ResNetConfig, context: ClassificationContext) -> ResNet:
        """A classifier for the problem's samples and classes."""
        config, statistics = model, context.statistics
        fields = as_read(problem, context.inputs).fields
        columns = context.shape == (len(fields),)  # fields of their own units, not points of one field
        return ResNet(
            context.shape,
            len(problem.classes),
            kind=config.kind,
            width=config.width,
            features=config.features,
            blocks=config.blocks,
            nonlinearity=config.nonlinearity,
            halvings=config.halvings,
            padding=config.padding,
            mean=torch.as_tensor(statistics.field_mean).float() if columns else statistics.field_mean.mean(),
            std=torch.as_tensor(statistics.field_std).float()
            if columns
            else statistics.field_std.square().mean().sqrt(),
        )

    def loss(self, module: ResNet, batch: Labelled, along: float = 1.0) -> Tensor:
        """Cross-entropy."""
        return cross_entropy(module(batch.inputs).float(), batch.labels)

    @torch.no_grad()
    def predict(self, module: ResNet, inputs: Pictures) -> Prediction:
        """Class probabilities."""
        module.eval()
        logits = module(inputs.inputs)
        finite = logits.isfinite().all(1)
        return Prediction(logits.softmax(dim=1), None, torch.where(finite, int(Status.OK), int(Status.DIVERGED)))
