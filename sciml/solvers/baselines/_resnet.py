"""A classifier made of residual blocks."""

from typing import Any, Literal

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sciml.core.capabilities import Classifies
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.data import Statistics
from sciml.nn import MLP, Activation, PictureHead, PictureStem, activation, picture_norm
from sciml.tasks.classification import Classification, ClassificationConfig, Labelled, Pictures
from sciml.train import Knob, Recipe, Solver, Spec, TrainConfig, recipe_of


class ResNetConfig(Config):
    """A classifier with a stack of residual blocks."""

    kind: Literal["mlp", "conv"] = "mlp"
    """``mlp`` works on the flattened sample itself, ``conv`` on the features of a small convolutional stem."""
    width: int = pydantic.Field(64, ge=1)
    """Hidden neurons of a block (mlp), or channels of the features (conv)."""
    blocks: int = pydantic.Field(6, ge=1)
    """Residual blocks."""
    nonlinearity: Activation = "tanh"
    """In the blocks and, for conv, around them."""
    halvings: int = pydantic.Field(1, ge=0)
    """For conv: strided convolutions of the stem."""
    padding: int = pydantic.Field(1, ge=0, le=1)
    """For conv: zeros around the picture in the first convolution."""


class ConvResidual(nn.Module):
    """norm, σ, conv3x3, norm, σ, conv3x3: the increment of a residual block on feature maps.

    Arguments:
        channels: of the maps.
        nonlinearity: σ.
    """

    def __init__(self, channels: int, *, nonlinearity: Activation) -> None:
        super().__init__()
        self.norms = nn.ModuleList(picture_norm(channels) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.activation = activation(nonlinearity)

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch channel y x"]:
        """The increment."""
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = conv(self.activation(norm(x)))
        return x


class ResNet(nn.Module):
    """z_{k+1} = z_k + B_k(z_k) between the ends of an ODE-Net: what a learned equation stands in for.

    For kind ``mlp`` z_0 is the standardised sample, B_k a perceptron with one hidden layer and the head affine; for
    ``conv`` z_0 = `PictureStem`, B_k = `ConvResidual` and the head `PictureHead`.

    Arguments:
        config: hyper-parameters.
        shape: of one sample, ``(features,)``, ``(y, x)`` or ``(channel, y, x)``.
        classes: how many.
        statistics: of the inputs, one number for all features or one per channel.

    Raises: ConfigError if a picture is too small for the stem, or no picture.

    Reference:
        He, Zhang, Ren, Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016, arXiv:1603.05027; the sizes are
        those of Chen, Rubanova, Bettencourt, Duvenaud, NeurIPS 2018, arXiv:1806.07366.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ResNetConfig, *, shape: tuple[int, ...], classes: int, statistics: Statistics) -> None:
        super().__init__()
        self.register_buffer("mean", statistics.field_mean.mean())
        self.register_buffer("std", statistics.field_std.square().mean().sqrt())
        width, nonlinearity = config.width, config.nonlinearity
        if config.kind == "mlp":
            size = int(torch.Size(shape).numel())
            self.stem: nn.Module = nn.Flatten()
            self.blocks = nn.ModuleList(
                MLP(size, size, width=width, nonlinearity=nonlinearity) for _ in range(config.blocks)
            )
            self.head: nn.Module = nn.Linear(size, classes)
        else:
            ends = {"halvings": config.halvings, "padding": config.padding}
            self.stem = PictureStem(shape, width, nonlinearity=nonlinearity, **ends)
            self.blocks = nn.ModuleList(ConvResidual(width, nonlinearity=nonlinearity) for _ in range(config.blocks))
            self.head = PictureHead(width, classes, nonlinearity=nonlinearity)

    def forward(self, inputs: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch class"]:
        """Logits."""
        z = self.stem((inputs - self.mean) / self.std)
        for block in self.blocks:
            z = z + block(z)
        return self.head(z)


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


class ResNetSolver(Solver):
    """Classification by residual blocks between the same two ends as an ODE-Net's."""

    key = "resnet"
    title = "Residual network"
    citation = "He, Zhang, Ren, Sun, Identity Mappings in Deep Residual Networks, ECCV 2016, arXiv:1603.05027"
    claim = ""
    task = Classification
    knob = Knob("width", 1, 2**15)

    def supports(self, problem: Problem) -> Support:
        """A problem that `Classifies`."""
        if isinstance(problem, Classifies):
            return Support(True)
        return Support(False, "it has no labelled samples (the problem is not a Classifies)")

    def recipe(self, preset: str) -> Recipe:
        """``tiny`` is fully connected, ``small`` convolutional; ``paper`` has the published sizes."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Problem, spec: Spec[Any]) -> ResNet:
        """A classifier for the problem's samples and classes."""
        assert isinstance(problem, Classifies)
        with torch.device("cpu"):  # also while modules are built without memory
            shape = tuple(problem.samples()[0].shape[1:])
        return ResNet(spec.model, shape=shape, classes=len(problem.classes), statistics=spec.statistics)

    def loss(self, module: nn.Module, batch: Labelled, along: float = 1.0) -> Tensor:
        """Cross-entropy."""
        return cross_entropy(module(batch.inputs).float(), batch.labels)

    @torch.no_grad()
    def predict(self, module: nn.Module, inputs: Pictures) -> Prediction:
        """Class probabilities."""
        module.eval()
        logits = module(inputs.inputs)
        finite = logits.isfinite().all(1)
        return Prediction(logits.softmax(dim=1), None, torch.where(finite, int(Status.OK), int(Status.DIVERGED)))
