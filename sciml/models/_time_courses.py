"""Positive courses in time τ in [0, 1] as networks of time and parameters η.

What a network says of a sample as a whole is had once, by `prepare`, and handed to `forward` at every time: an
integrator asks for many times of the same samples.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from sciml.nn import MLP, Activation, Network


class TimeNetwork(Network):
    """s(τ; η) = ln(1 + exp N([2τ - 1, η])): concatenation of time and parameters.

    Arguments:
        features: length of η.
        width, layers: of the hidden layers of N.
        nonlinearity: between them.
    """

    count = 1

    def __init__(self, features: int, *, width: int = 64, layers: int = 3, nonlinearity: Activation = "tanh") -> None:
        super().__init__()
        self.network = MLP(1 + features, 1, width=width, layers=layers, nonlinearity=nonlinearity, silent=True)

    def prepare(self, features: Float[Tensor, "batch feature"]) -> tuple[Tensor, ...]:
        """What a sample needs at every time: η itself."""
        return (features,)

    def forward(self, moment: Float[Tensor, " row"], features: Float[Tensor, "row feature"]) -> Float[Tensor, " row"]:
        """The unnormalised shape at τ."""
        return softplus(self.network(torch.cat((2 * moment[:, None] - 1, features), dim=1))[:, 0])


class HyperNetwork(Network):
    """s(τ; η) = ln(1 + exp n(2τ - 1; N(η))): a small tanh network n of time alone, whose weights another one gives.

    Arguments:
        features: length of η.
        width, layers: of the hidden layers of N.
        nonlinearity: between them.
        hyper_width: neurons of the two hidden layers of n.

    Reference: Ha, Dai, Le, "HyperNetworks", ICLR 2017, arXiv:1609.09106.
    """

    count = 1

    def __init__(
        self,
        features: int,
        *,
        width: int = 64,
        layers: int = 3,
        nonlinearity: Activation = "tanh",
        hyper_width: int = 8,
    ) -> None:
        super().__init__()
        h = self.width = hyper_width
        self.sizes = (h, h, h * h, h, h, 1)
        count = sum(self.sizes)
        self.network = MLP(features, count, width=width, layers=layers, nonlinearity=nonlinearity, silent=True)
        with torch.no_grad():  # the bias is where n starts: a usual initialisation but for a last layer of zeros
            parts = self.network.last.bias.split(self.sizes)
            for block, fan_in in zip(parts[:4], (1, 1, h, h), strict=True):
                block.uniform_(-1, 1).mul_(2 / fan_in**0.5)

    def prepare(self, features: Float[Tensor, "batch feature"]) -> tuple[Tensor, ...]:
        """The weights of n for every sample."""
        return (self.network(features),)

    def forward(self, moment: Float[Tensor, " row"], weights: Float[Tensor, "row weight"]) -> Float[Tensor, " row"]:
        """The unnormalised shape at τ."""
        w1, b1, w2, b2, w3, b3 = weights.split(self.sizes, dim=1)
        first = torch.tanh((2 * moment[:, None] - 1) * w1 + b1)
        square = w2.unflatten(1, (self.width, self.width))
        second = torch.tanh((square * first[:, None]).sum(2) + b2)
        return softplus((w3 * second).sum(1) + b3[:, 0])


class Pulse(Network):
    """s(τ; η) = 1 / (exp(-(τ - c) / r) + exp((τ - c) / l)): centre c, rise r and tail l of a pulse are functions of η.

    Arguments:
        features: length of η.
        width, layers: of the hidden layers of the perceptron.
        nonlinearity: between them.
    """

    count = 2

    def __init__(self, features: int, *, width: int = 64, layers: int = 3, nonlinearity: Activation = "tanh") -> None:
        super().__init__()
        self.network = MLP(features, 3, width=width, layers=layers, nonlinearity=nonlinearity, silent=True)

    def prepare(self, features: Float[Tensor, "batch feature"]) -> tuple[Tensor, ...]:
        """Centre in (0, 1); rise and tail in (0.03, 1), 0.17 to begin with."""
        centre, scales = torch.sigmoid(self.network(features)).split((1, 2), dim=1)
        return centre, 0.03 ** (1 - scales)

    def forward(
        self, moment: Float[Tensor, " row"], centre: Float[Tensor, "row 1"], scales: Float[Tensor, "row 2"]
    ) -> Float[Tensor, " row"]:
        """The unnormalised shape at τ."""
        late = moment - centre[:, 0]
        return torch.exp(-torch.logaddexp(-late / scales[:, 0], late / scales[:, 1]))
