"""Fully connected networks, and linear layers with the time as an input."""

from itertools import pairwise
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn._network import Network

Activation = Literal["tanh", "softplus", "elu", "gelu", "silu", "relu"]
"""Pointwise non-linearities by name; a right-hand side wants a smooth one, ``relu`` makes it hard to integrate."""

_ACTIVATIONS = {
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "relu": nn.ReLU,
}


def activation(name: Activation) -> nn.Module:
    """The module of a non-linearity."""
    return _ACTIVATIONS[name]()


class MLP(Network):
    """W_n σ(… σ(W_1 x + b_1) …) + b_n.

    Arguments:
        in_channels, out_channels: features.
        width: of the hidden layers.
        layers: hidden layers; without any the map is affine.
        nonlinearity: σ.
        silent: whether W_n and b_n start at zero, so that nothing comes out before training.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int,
        layers: int = 1,
        nonlinearity: Activation = "tanh",
        silent: bool = False,
    ) -> None:
        super().__init__()
        sizes = [in_channels, *[width] * layers]
        hidden = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), activation(nonlinearity))]
        last = nn.Linear(sizes[-1], out_channels)
        if silent:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*hidden, last)

    @property
    def last(self) -> nn.Linear:
        """The layer W_n, b_n."""
        return cast(nn.Linear, self.layers[-1])

    def forward(self, x: Float[Tensor, "*batch in_channel"]) -> Float[Tensor, "*batch out_channel"]:
        """The network's output."""
        return self.layers(x)


class ConcatLinear(nn.Module):
    """W [x; t] + b: an affine layer for which the time is one more input.

    Arguments:
        channels_in, channels_out: features, time not counted.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels_in + 1, channels_out)

    def forward(
        self, time: Float[Tensor, " row"], x: Float[Tensor, "row channel_in"]
    ) -> Float[Tensor, "row channel_out"]:
        """The features at that time."""
        return self.linear(torch.cat((x, time[:, None].to(x.dtype)), dim=1))


class ConcatSquash(nn.Module):
    """(W x + b) σ(w_g t + b_g) + w_b t: an affine layer that the time gates and shifts, feature by feature.

    Arguments:
        channels_in, channels_out: features.

    Reference:
        Grathwohl, Chen, Bettencourt, Sutskever, Duvenaud, "FFJORD: Free-form Continuous Dynamics for Scalable
        Reversible Generative Models", ICLR 2019, arXiv:1810.01367.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels_in, channels_out)
        self.gate = nn.Linear(1, channels_out)
        self.shift = nn.Linear(1, channels_out, bias=False)

    def forward(
        self, time: Float[Tensor, " row"], x: Float[Tensor, "row channel_in"]
    ) -> Float[Tensor, "row channel_out"]:
        """The features at that time."""
        column = time[:, None].to(x.dtype)
        return torch.addcmul(self.shift(column), self.linear(x), torch.sigmoid(self.gate(column)))


class TimeMLP(nn.Module):
    """A multi-layer perceptron all of whose layers see the time, with an activation between them.

    Arguments:
        layers: `ConcatLinear` or `ConcatSquash` layers, in order.
        nonlinearity: between the layers.
        last: whether the activation follows the last layer too.
    """

    def __init__(self, layers: list[nn.Module], *, nonlinearity: Activation = "tanh", last: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.activation = activation(nonlinearity)
        self.last = last

    def forward(
        self, time: Float[Tensor, " row"], x: Float[Tensor, "row channel_in"]
    ) -> Float[Tensor, "row channel_out"]:
        """The network's output at that time."""
        for i, layer in enumerate(self.layers):
            x = layer(time, x)
            if self.last or i < len(self.layers) - 1:
                x = self.activation(x)
        return x
