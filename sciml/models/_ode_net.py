"""The ODE-Net classifier: a network whose middle is an equation instead of a stack of residual blocks."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml import ode
from sciml.models._ode_block import IntegrateConfig, ODEBlock
from sciml.models._regularise import RegulariseConfig
from sciml.nn import (
    Activation,
    ConcatConv2d,
    ConcatLinear,
    Network,
    PictureHead,
    PictureStem,
    TimeMLP,
    activation,
    picture_norm,
)


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


class ODENet(Network):
    """Stem, ODE block on t in [0, 1], head.

    For kind ``mlp`` the stem is the identity on the standardised picture x and the head is affine,

        dz/dt = tanh(W_2 [tanh(W_1 [z; t] + b_1); t] + b_2),   z(0) = x,   logits = W z(1) + b,

    for ``conv`` stem and head are `PictureStem` and `PictureHead`, and the field is `ConvField`.

    Arguments:
        shape: of one sample, ``(features,)``, ``(y, x)`` or ``(channel, y, x)``.
        classes: how many.
        kind: ``mlp`` integrates the flattened picture itself, ``conv`` the features of a small convolutional stem.
        width: hidden neurons of the field (mlp), or channels of the features (conv).
        nonlinearity: in the field and, for conv, around it.
        halvings: for conv, strided convolutions of the stem.
        padding: for conv, zeros around the picture in the first convolution, 0 or 1.
        mean, std: numbers that standardise the inputs.
        integrate: how it is integrated; the tolerances are 1e-3 if left out.
        regularise: what is penalised in training; the penalty waits in ``block.policy``.

    Raises: ConfigError if a picture is too small for the stem, or no picture.

    Reference:
        Chen, Rubanova, Bettencourt, Duvenaud, "Neural Ordinary Differential Equations", NeurIPS 2018, arXiv:1806.07366.
    """

    mean: Tensor
    std: Tensor
    times: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        *,
        kind: Literal["mlp", "conv"] = "mlp",
        width: int = 64,
        nonlinearity: Activation = "tanh",
        halvings: int = 1,
        padding: int = 1,
        mean: Float[Tensor, ""] | float = 0.0,
        std: Float[Tensor, ""] | float = 1.0,
        integrate: IntegrateConfig | None = None,
        regularise: RegulariseConfig | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean).clone())
        self.register_buffer("std", torch.as_tensor(std).clone())
        self.register_buffer("times", torch.tensor([0.0, 1.0]), persistent=False)
        if kind == "mlp":
            size = math.prod(shape)
            field: nn.Module = TimeMLP(
                [ConcatLinear(size, width), ConcatLinear(width, size)], nonlinearity=nonlinearity, last=True
            )
            self.stem: nn.Module = nn.Flatten()
            self.head: nn.Module = nn.Linear(size, classes)
        else:
            field = ConvField(width, nonlinearity=nonlinearity)
            self.stem = PictureStem(shape, width, halvings=halvings, padding=padding, nonlinearity=nonlinearity)
            self.head = PictureHead(width, classes, nonlinearity=nonlinearity)
        integrate = integrate or IntegrateConfig(rtol=1e-3, atol=1e-3)
        self.block = ODEBlock(field, integrate=integrate, regularise=regularise)

    def forward(
        self, inputs: Float[Tensor, "batch *shape"], *, tolerance: float | None = None
    ) -> tuple[Float[Tensor, "batch class"], ode.Solution]:
        """Logits, and what the solve says."""
        features = self.stem((inputs - self.mean) / self.std)
        states, solution = self.block(features, self.times, tolerance=tolerance)
        return self.head(states[:, -1]), solution
