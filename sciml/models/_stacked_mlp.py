"""Many small networks of one shape evaluated as one, with derivatives by their inputs carried along.

    a = W h + b,  h ← tanh a,  ∂h = (1 − h²) ∂a,  ∂²h = (1 − h²) (∂²a − 2 h (∂a)²)

A member never sees another: stacking trajectories and seeds costs little more than one network, whose time goes into
the number of operations and not into their size.
"""

from collections.abc import Collection
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn import Network


class StackedJet(NamedTuple):
    """A function and its derivatives by the coordinates.

    Fields:
        value: itself.
        first: by each coordinate.
        second: twice by each coordinate; None where nobody asked.
    """

    value: Float[Tensor, "member point channel"]
    first: tuple[Float[Tensor, "member point channel"], ...]
    second: tuple[Float[Tensor, "member point channel"] | None, ...]


class StackedMLP(Network):
    """`members` independent tanh networks.

    Arguments:
        members: how many.
        in_channels, out_channels: features.
        width, layers: of the hidden layers.
        generator: of the initial weights, Glorot for the tanh layers.
    """

    def __init__(self, members: int, in_channels: int, out_channels: int, *, width: int, layers: int,
                 generator: torch.Generator) -> None:  # fmt: skip
        super().__init__()
        sizes = [in_channels, *[width] * layers, out_channels]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for a, b in pairwise(sizes):
            bound = (6 / (a + b)) ** 0.5
            drawn = torch.rand(members, a, b, generator=generator, dtype=torch.float64)
            self.weights.append(nn.Parameter(bound * (2 * drawn - 1)))
            shift = torch.rand(members, 1, b, generator=generator, dtype=torch.float64) if a == in_channels else None
            self.biases.append(nn.Parameter(torch.zeros(members, 1, b).double() if shift is None else 2 * shift - 1))

    def forward(self, x: Float[Tensor, "member point in_channel"]) -> Float[Tensor, "member point out_channel"]:
        """The outputs of every member at its own points."""
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if i < last:
                x = x.tanh()
        return x

    def jet(self, x: Float[Tensor, "member point in_channel"], second: Collection[int] = ()) -> StackedJet:
        """Outputs with derivatives by every input, and twice by those in `second`."""
        dims = x.shape[-1]
        value = x
        first: list[Tensor] = [
            torch.zeros_like(x) + torch.eye(dims, dtype=x.dtype, device=x.device)[i] for i in range(dims)
        ]
        bends: dict[int, Tensor] = {}
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            value = torch.baddbmm(bias, value, weight)
            first = [torch.bmm(d, weight) for d in first]
            bends = {axis: torch.bmm(d, weight) for axis, d in bends.items()}
            if i < last:
                value = value.tanh()
                slope = 1 - value.square()
                for axis in second:
                    curved = -2 * value * first[axis].square()
                    bends[axis] = slope * (bends[axis] + curved if axis in bends else curved)
                first = [slope * d for d in first]
        return StackedJet(value, tuple(first), tuple(bends.get(axis) for axis in range(dims)))
