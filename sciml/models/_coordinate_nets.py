"""Networks of coordinates: architectures that map plain values as well as jets."""

from itertools import pairwise

import torch
from torch import nn

from sciml.nn import Network, Signal, affine_layer, linear, pointwise


class CoordinateMLP(Network):
    """W_n σ(… σ(W_1 x + b_1) …) + b_n, initialised after Glorot.

    Like its sisters it maps plain values, ``point in_channel`` to ``point out_channel``, and as well a `sciml.nn.Jet`
    of them, which carries exact derivatives by the coordinates along. With `sciml.nn.Sine` as σ it is a network of
    waves; raw coordinates are best made features by `sciml.nn.CoordinateEmbedding` first.

    Arguments:
        in_channels, out_channels: features in, fields out.
        width, layers: hidden layers.
        widths: of every hidden layer, in place of the two; empty for none.
        nonlinearity: σ.
        factorised: whether layers are `FactorisedLinear`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int,
        layers: int,
        nonlinearity: nn.Module,
        factorised: bool = False,
        widths: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        sizes = [in_channels, *(widths or (width,) * layers)]
        self.hidden = nn.ModuleList(affine_layer(a, b, factorised) for a, b in pairwise(sizes))
        self.last = affine_layer(sizes[-1], out_channels, factorised)
        self.nonlinearity = nonlinearity

    def forward(self, x: Signal) -> Signal:
        """The fields."""
        for layer in self.hidden:
            x = pointwise(self.nonlinearity, linear(layer, x))
        return linear(self.last, x)


class ModifiedMLP(Network):
    """h ← f U + (1 - f) V with f = σ(W h + b), U = σ(W_u x + b_u), V = σ(W_v x + b_v): two gates throughout.

    Arguments as `CoordinateMLP`, but for `widths`: all layers are as wide as the gates.

    Reference: S. Wang, Y. Teng, P. Perdikaris, Understanding and mitigating gradient flow pathologies in
    physics-informed neural networks, SIAM J. Sci. Comput. 43 (2021), doi:10.1137/20M1318043.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int,
        layers: int,
        nonlinearity: nn.Module,
        factorised: bool = False,
    ) -> None:
        super().__init__()
        self.gates = nn.ModuleList(affine_layer(in_channels, width, factorised) for _ in range(2))
        sizes = [in_channels, *[width] * layers]
        self.hidden = nn.ModuleList(affine_layer(a, b, factorised) for a, b in pairwise(sizes))
        self.last = affine_layer(width, out_channels, factorised)
        self.nonlinearity = nonlinearity

    def forward(self, x: Signal) -> Signal:
        """The fields."""
        u, v = (pointwise(self.nonlinearity, linear(gate, x)) for gate in self.gates)
        for layer in self.hidden:
            f = pointwise(self.nonlinearity, linear(layer, x))
            x = f * (u - v) + v
        return linear(self.last, x)


class PirateNet(Network):
    """Residual blocks that start as the identity: x ← α h + (1 - α) x, α = 0 at first.

    With s(z) = σ(W z + b) a block is h = s₃(g(s₂(g(s₁(x))))) where g(f) = f U + (1 - f) V with the gates of
    `ModifiedMLP`. At the start the network is a linear readout of the first layer, which can be fitted to data.

    Arguments as `CoordinateMLP` without `widths`; `layers` counts blocks of three layers.

    Reference: S. Wang, B. Li, Y. Chen, P. Perdikaris, PirateNets: Physics-informed deep learning with residual adaptive
    networks, JMLR 25 (2024), arXiv:2402.00326.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int,
        layers: int,
        nonlinearity: nn.Module,
        factorised: bool = False,
    ) -> None:
        super().__init__()
        self.first = affine_layer(in_channels, width, factorised)
        self.gates = nn.ModuleList(affine_layer(width, width, factorised) for _ in range(2))
        self.blocks = nn.ModuleList(
            nn.ModuleList(affine_layer(width, width, factorised) for _ in range(3)) for _ in range(layers)
        )
        self.alpha = nn.Parameter(torch.zeros(layers))
        self.last = affine_layer(width, out_channels, factorised)
        self.nonlinearity = nonlinearity

    def forward(self, x: Signal) -> Signal:
        """The fields."""
        x = pointwise(self.nonlinearity, linear(self.first, x))
        u, v = (pointwise(self.nonlinearity, linear(gate, x)) for gate in self.gates)
        for block, alpha in zip(self.blocks, self.alpha, strict=True):
            h = x
            for i, layer in enumerate(block.children()):
                h = pointwise(self.nonlinearity, linear(layer, h))
                if i < 2:
                    h = h * (u - v) + v
            x = (h - x) * alpha + x
        return linear(self.last, x)


ARCHITECTURES: dict[str, type[CoordinateMLP] | type[ModifiedMLP] | type[PirateNet]] = {
    "mlp": CoordinateMLP,
    "modified_mlp": ModifiedMLP,
    "piratenet": PirateNet,
}
"""Networks of coordinates by name, all with the arguments of `CoordinateMLP`."""
