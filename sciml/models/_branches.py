"""Networks of sensor values: the branches of operator networks."""

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.nn import Activation, Jet, Network, activation, convolution, linear, pointwise


class GlorotMLP(Network):
    """W_n σ(… σ(W_1 x + b_1) …) + b_n with Glorot's normal weights and zero biases, perhaps σ after the last layer.

    Arguments:
        sizes: features in, hidden ones, features out; one weight layer between any two.
        nonlinearity: σ; None for a linear network.
        activate_last: whether σ follows the last layer too.
        last_bias: whether there is b_n.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        *,
        nonlinearity: Activation | None = "relu",
        activate_last: bool = False,
        last_bias: bool = True,
    ) -> None:
        super().__init__()
        pairs = list(pairwise(sizes))
        self.layers = nn.ModuleList(
            nn.Linear(a, b, bias=last_bias or i < len(pairs) - 1) for i, (a, b) in enumerate(pairs)
        )
        self.nonlinearity = nn.Identity() if nonlinearity is None else activation(nonlinearity)
        self.activate_last = activate_last
        for layer in self.layers.children():
            glorot(layer)

    def forward(self, x: Float[Tensor, "*batch in_feature"] | Jet) -> Float[Tensor, "*batch out_feature"] | Jet:
        """The network's output; of a jet of inputs, with the same derivatives."""
        for i, layer in enumerate(self.layers):
            x = linear(layer, x)
            if self.activate_last or i < len(self.layers) - 1:
                x = pointwise(self.nonlinearity, x)
        return x


class StackedBranch(Network):
    """p independent networks of one hidden layer, each from all sensors to one number, computed together.

        b_k(u) = Σ_i c_ki σ(Σ_j w_kij u_j + θ_ki)   (+ d_k with `last_bias`)

    Arguments:
        sensors: values in.
        modes: p.
        width: hidden neurons of each.
        nonlinearity: σ.
        last_bias: whether there is d_k; the form of Chen and Chen has none.

    Reference: T. Chen, H. Chen, IEEE Trans. Neural Networks 6 (1995), doi:10.1109/72.392253.
    """

    def __init__(
        self, sensors: int, modes: int, *, width: int, nonlinearity: Activation = "relu", last_bias: bool = False
    ) -> None:
        super().__init__()
        self.inner = nn.Parameter(torch.randn(modes, width, sensors) * math.sqrt(2 / (sensors + width)))
        self.shift = nn.Parameter(torch.zeros(modes, width))
        self.outer = nn.Parameter(torch.randn(modes, width) * math.sqrt(2 / (width + 1)))
        self.offset = nn.Parameter(torch.zeros(modes)) if last_bias else None
        self.nonlinearity = activation(nonlinearity)

    def forward(self, x: Float[Tensor, "*batch sensor"]) -> Float[Tensor, "*batch mode"]:
        """One number per network."""
        hidden = self.nonlinearity(torch.einsum("kij,...j->...ki", self.inner, x) + self.shift)
        out = torch.einsum("ki,...ki->...k", self.outer, hidden)
        return out if self.offset is None else out + self.offset


class CNNBranch(Network):
    """Convolutions of stride two, then one hidden layer: a branch for functions on a lattice of sensors.

    Arguments:
        channels_in: functions side by side, each on the whole lattice.
        size: sensors per axis of the lattice, one to three axes.
        modes: numbers that come out.
        width: channels of the first convolution; every next one has twice as many.
        depth: convolutions.
        hidden: neurons of the hidden layer.
        nonlinearity: between the layers.
    """

    def __init__(
        self,
        size: tuple[int, ...],
        modes: int,
        *,
        channels_in: int = 1,
        width: int = 16,
        depth: int = 2,
        hidden: int = 64,
        nonlinearity: Activation = "relu",
    ) -> None:
        super().__init__()
        if not 1 <= len(size) <= 3:
            raise UserError("a convolutional branch needs a lattice of one to three axes", got=f"{len(size)} axes")
        self.size, self.channels_in = size, channels_in
        conv = convolution(len(size))
        channels = [channels_in, *(width * 2**i for i in range(depth))]
        self.convolutions = nn.ModuleList(conv(a, b, 3, stride=2, padding=1) for a, b in pairwise(channels))
        points = math.prod(math.ceil(n / 2**depth) for n in size)
        self.head = GlorotMLP((channels[-1] * points, hidden, modes), nonlinearity=nonlinearity)
        self.nonlinearity = activation(nonlinearity)

    def forward(self, x: Float[Tensor, "batch sensor"]) -> Float[Tensor, "batch mode"]:
        """The coefficients; sensors in the order of the lattice, the last axis fastest."""
        h = x.unflatten(1, (self.channels_in, *self.size))
        for layer in self.convolutions:
            h = self.nonlinearity(layer(h))
        return self.head(h.flatten(1))


def glorot(layer: nn.Module) -> None:
    """Glorot's normal weights and zero biases."""
    for name, parameter in layer.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.xavier_normal_(parameter)
