"""A fully connected network whose Lipschitz constant is known: orthogonal layers, sorted pairs, no bias."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import ConfigError
from sciml.nn import Network
from sciml.nn.lipschitz import ClipNorm, Constant, GroupSort, OrthogonalLinear, Scale


class LipschitzMLP(Network):
    """c W_n s(… s(W_1 [x; 1])), every W_d orthogonal and s `GroupSort`, of x shortened to a norm of `radius`.

    It is c-Lipschitz and its backward pass keeps norms, so that bounds on gradients are nearly reached. It cannot fit
    what is steeper than c. After a step of an optimiser `project` makes the layers orthogonal again.

    Arguments:
        in_channels, out_channels: features.
        width: of the hidden layers, even.
        layers: hidden layers, 1 or more.
        radius: largest norm of an input; for standardised ones about 1.5 √in_channels.
        scale: c, a public constant.

    Reference: Béthune et al., DP-SGD without clipping: the Lipschitz neural network way, ICLR 2024, arXiv:2305.16202.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, width: int = 64, layers: int = 2, radius: float = 3.0,
        scale: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        if layers < 1 or width % 2 or not (radius > 0 and scale > 0):
            raise ConfigError("a Lipschitz network cannot be like this",
                              got=f"layers={layers}, width={width}, radius={radius:g}, scale={scale:g}",
                              expected="a hidden layer, an even width, a positive radius and scale")  # fmt: skip
        sizes = [in_channels + 1, *[width] * layers]
        hidden = [layer for a, b in pairwise(sizes) for layer in (OrthogonalLinear(a, b), GroupSort())]
        last = (OrthogonalLinear(width, out_channels), Scale(scale))
        self.chain = nn.Sequential(ClipNorm(radius), Constant(), *hidden, *last)

    def forward(self, x: Float[Tensor, "batch in_channel"]) -> Float[Tensor, "batch out_channel"]:
        """The network's output."""
        return self.chain(x)

    @torch.no_grad()
    def project(self) -> None:
        """Make every layer orthogonal again, in place."""
        for layer in self.chain:
            if isinstance(layer, OrthogonalLinear):
                layer.project()
