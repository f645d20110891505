"""The dilated residual network."""

from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn import (
    Conditioning,
    ConditionMode,
    Conv,
    Embedding,
    FieldNetwork,
    Modes,
    Network,
    Norm,
    Odd,
    Padding,
    axis_modes,
    channels_last,
    modulation,
    num_mirrors,
    with_walls,
)

DILATIONS = (1, 2, 4, 8, 4, 2, 1)
"""Distances between the kernel points of the convolutions of one block."""


class DilResNet(FieldNetwork):
    """Encode, process by residual blocks of dilated convolutions, decode; on one to three axes, never coarsened.

        z_0 = P(u),   z_k = z_{k-1} + B_k(z_{k-1}),   u' = Q(z_K)

    Where all axes are periodic the network commutes with every shift.

    Arguments:
        in_channels, out_channels: fields in and out.
        dims: axes of the grid; a periodic or mirrored one needs at least 8 points.
        width: channels throughout.
        blocks: residual blocks of seven convolutions each.
        padding: ``circular``, ``zeros``, ``mirror`` or ``replicate``, or one of them per axis.
        odd: by axis, the channels in that change their sign in its mirror (a velocity normal to a wall); features
            inside the network are even, and nearness to the walls of every mirrored axis is one more channel in. Empty
            for none.
        condition_channels: scalar inputs per sample; 0 for none.
        conditioning: how they enter, ``add`` or ``adagn``.

    Raises:
        UserError: `dims`, `padding` or `odd` are none; in `forward`, shapes do not fit or a periodic or mirrored
            axis is shorter than the largest dilation.

    Reference:
        Stachenfeld et al., "Learned Coarse Models for Efficient Turbulence Simulation", ICLR 2022, arXiv:2112.15275.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        dims: int = 2,
        width: int = 128,
        blocks: int = 4,
        padding: Padding = "circular",
        odd: Odd = (),
        condition_channels: int = 0,
        conditioning: Conditioning = "adagn",
    ) -> None:
        modes = axis_modes(padding, dims)
        super().__init__(
            dims=dims, in_channels=in_channels, out_channels=out_channels, condition_channels=condition_channels
        )
        mode = conditioning if condition_channels else "none"
        self.embedding = Embedding(condition_channels, width) if condition_channels else None
        self.modes = modes
        self.encoder = Conv(in_channels + num_mirrors(modes), width, modes=modes, odd=odd)
        self.blocks = nn.ModuleList(DilatedBlock(width, modes=modes, condition=mode) for _ in range(blocks))
        self.decoder = Conv(width, out_channels, modes=modes)

    def forward(
        self, x: Float[Tensor, "batch in_channel *space"], condition: Float[Tensor, "batch scalar"] | None = None
    ) -> Float[Tensor, "batch out_channel *space"]:
        """The fields that come out, on the grid of those that go in."""
        self.check(x, condition)
        embedding = None if self.embedding is None else self.embedding(condition)
        z = self.encoder(channels_last(with_walls(x, self.modes)))
        for block in self.blocks:
            z = z + block(z, embedding)
        return self.decoder(z).contiguous()


class DilatedBlock(Network):
    """Seven times conv3 -> norm -> GELU with dilations 1-2-4-8-4-2-1; conditioning enters after the first.

    Arguments:
        channels: features.
        modes: padding along every axis.
        condition: how the embedding (4 x channels entries) enters.
    """

    def __init__(self, channels: int, *, modes: Modes, condition: ConditionMode) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Conv(channels, channels, modes=modes, dilation=d) for d in DILATIONS)
        self.norms = nn.ModuleList(Norm(channels) for _ in DILATIONS)
        self.modulation = modulation(condition, size=4 * channels, channels=channels)
        self.activation = nn.GELU()

    def forward(
        self, z: Float[Tensor, "batch channel *space"], embedding: Float[Tensor, "batch embedding"] | None = None
    ) -> Float[Tensor, "batch channel *space"]:
        """The increment on the same grid."""
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            z = self.activation(norm(conv(z)))
            if i == 0 and self.modulation is not None:
                z = self.modulation(z, embedding)
        return z
