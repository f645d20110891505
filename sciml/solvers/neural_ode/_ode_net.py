"""The ODE-Net classifier: a network whose middle is an equation instead of a stack of residual blocks."""

from typing import Any, Literal

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sciml import ode
from sciml.core.capabilities import Classifies
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.data import Statistics
from sciml.nn import (
    Activation,
    ConcatConv2d,
    ConcatLinear,
    PictureHead,
    PictureStem,
    TimeMLP,
    activation,
    picture_norm,
)
from sciml.solvers.neural_ode._block import IntegrateConfig, ODEBlock
from sciml.solvers.neural_ode._regularise import RegulariseConfig
from sciml.tasks.classification import Classification, ClassificationConfig, Labelled, Pictures
from sciml.train import Knob, Recipe, Solver, Spec, TrainConfig, recipe_of


class ODENetConfig(Config):
    """A classifier with one ODE block."""

    kind: Literal["mlp", "conv"] = "mlp"
    """``mlp`` integrates the flattened picture itself, ``conv`` the features of a small convolutional stem."""
    width: int = pydantic.Field(64, ge=1)
    """Hidden neurons of the field (mlp), or channels of the features (conv)."""
    nonlinearity: Activation = "tanh"
    """In the field and, for conv, around it."""
    halvings: int = pydantic.Field(1, ge=0)
    """For conv: strided convolutions of the stem."""
    padding: int = pydantic.Field(1, ge=0, le=1)
    """For conv: zeros around the picture in the first convolution."""
    integrate: IntegrateConfig = IntegrateConfig(rtol=1e-3, atol=1e-3)
    """How it is integrated, t from 0 to 1."""
    regularise: RegulariseConfig = RegulariseConfig()
    """What is penalised beside the error."""


class ConvField(nn.Module):
    """norm, σ, conv(·, t), norm, σ, conv(·, t), norm: the field on feature maps.

    Arguments:
        channels: of the maps.
        nonlinearity: σ.
    """

    def __init__(self, channels: int, *, nonlinearity: Activation) -> None:
        super().__init__()
        self.norms = nn.ModuleList(picture_norm(channels) for _ in range(3))
        self.convs = nn.ModuleList(ConcatConv2d(channels, channels) for _ in range(2))
        self.activation = activation(nonlinearity)

    def forward(
        self, time: Float[Tensor, " row"], x: Float[Tensor, "row channel y x"]
    ) -> Float[Tensor, "row channel y x"]:
        """The slope of the features."""
        for norm, conv in zip(self.norms[:2], self.convs, strict=True):
            x = conv(time, self.activation(norm(x)))
        return self.norms[2](x)


class ODENet(nn.Module):
    """Stem, ODE block on t in [0, 1], head.

    For kind ``mlp`` the stem is the identity on the standardised picture x and the head is affine,

        dz/dt = tanh(W_2 [tanh(W_1 [z; t] + b_1); t] + b_2),   z(0) = x,   logits = W z(1) + b,

    for ``conv`` stem and head are `PictureStem` and `PictureHead`, and the field is `ConvField`.

    Arguments:
        config: hyper-parameters.
        shape: of one sample, ``(features,)``, ``(y, x)`` or ``(channel, y, x)``.
        classes: how many.
        statistics: of the inputs, one number for all features or one per channel.

    Raises: ConfigError if a picture is too small for the stem, or no picture.

    Reference:
        Chen, Rubanova, Bettencourt, Duvenaud, "Neural Ordinary Differential Equations", NeurIPS 2018, arXiv:1806.07366.
    """

    mean: Tensor
    std: Tensor
    times: Tensor

    def __init__(self, config: ODENetConfig, *, shape: tuple[int, ...], classes: int, statistics: Statistics) -> None:
        super().__init__()
        width = config.width
        self.register_buffer("mean", statistics.field_mean.mean())
        self.register_buffer("std", statistics.field_std.square().mean().sqrt())
        self.register_buffer("times", torch.tensor([0.0, 1.0]), persistent=False)
        if config.kind == "mlp":
            size = int(torch.Size(shape).numel())
            field: nn.Module = TimeMLP(
                [ConcatLinear(size, width), ConcatLinear(width, size)], nonlinearity=config.nonlinearity, last=True
            )
            self.stem: nn.Module = nn.Flatten()
            self.head: nn.Module = nn.Linear(size, classes)
        else:
            field = ConvField(width, nonlinearity=config.nonlinearity)
            self.stem = PictureStem(
                shape, width, halvings=config.halvings, padding=config.padding, nonlinearity=config.nonlinearity
            )
            self.head = PictureHead(width, classes, nonlinearity=config.nonlinearity)
        self.block = ODEBlock(field, integrate=config.integrate, regularise=config.regularise)

    def forward(
        self, inputs: Float[Tensor, "batch *shape"], *, tolerance: float | None = None
    ) -> tuple[Float[Tensor, "batch class"], ode.Solution]:
        """Logits, and what the solve says."""
        features = self.stem((inputs - self.mean) / self.std)
        states, solution = self.block(features, self.times, tolerance=tolerance)
        return self.head(states[:, -1]), solution


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


class ODENetSolver(Solver):
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
    task = Classification
    knob = Knob("width", 1, 2**15)

    def supports(self, problem: Problem) -> Support:
        """A problem that `Classifies`."""
        if isinstance(problem, Classifies):
            return Support(True)
        return Support(False, "it has no labelled samples (the problem is not a Classifies)")

    def recipe(self, preset: str) -> Recipe:
        """``tiny`` is fully connected, ``small`` convolutional; ``paper`` has the published sizes and solver.

        The published stem does not pad its first convolution (model.padding=0); for pictures of 8 x 8 points it must.
        """
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Problem, spec: Spec[Any]) -> ODENet:
        """A classifier for the problem's samples and classes."""
        assert isinstance(problem, Classifies)
        return ODENet(spec.model, shape=sample_shape(problem), classes=len(problem.classes), statistics=spec.statistics)

    def loss(self, module: nn.Module, batch: Labelled, along: float = 1.0) -> Tensor:
        """Cross-entropy and the penalty."""
        assert isinstance(module, ODENet)
        logits, _ = module(batch.inputs)
        return module.block.policy.add_to(cross_entropy(logits, batch.labels), along)

    @torch.no_grad()
    def predict(self, module: nn.Module, inputs: Pictures) -> Prediction:
        """Class probabilities."""
        assert isinstance(module, ODENet)
        module.eval()
        logits, solution = module(inputs.inputs, tolerance=inputs.tolerance)
        stats = {"evaluations": solution.stats.evaluations, "calls": solution.stats.calls}
        return Prediction(logits.softmax(dim=1), None, solution.status, stats)


def sample_shape(problem: Classifies) -> tuple[int, ...]:
    """Shape of one sample of a problem, also while modules are built without memory."""
    with torch.device("cpu"):
        return tuple(problem.samples()[0].shape[1:])
