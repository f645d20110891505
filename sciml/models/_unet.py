"""A plain modern U-Net."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn import (
    Conditioning,
    Conv,
    ConvBlock,
    Embedding,
    FieldNetwork,
    Odd,
    Operator,
    Padding,
    PointwiseBlock,
    Upsample,
    axis_modes,
    channels_last,
    check_halvings,
    halve,
    num_mirrors,
    operator_block,
    split_operators,
    with_walls,
)


class UNet(FieldNetwork):
    """Down by average pooling, up by cubic refinement, skips by concatenation, a `ConvBlock` everywhere; on one to
    three axes.

        h_0 = B(u),   h_{l+1} = B_l(d(h_l)),   g_L = h_L,   g_l = C_l[h_l, v(g_{l+1})],   u' = Q(g_0)

    The design of Ronneberger et al. with what is usual today: residual blocks, group normalisation, GELU, padding that
    keeps the grid, resampling without learned filters. It shares blocks, padding, resampling and conditioning with
    SineNet, so that a comparison of the two is one of architecture. On periodic axes it commutes with shifts by
    2^levels points.

    Arguments:
        in_channels, out_channels: fields in and out.
        dims: axes of the grid.
        width: channels of the finest level; level l has ⌊width 2^l⌋, so fractions set the size finely.
        levels: halvings of the grid; every axis must be divisible by 2^levels.
        operators: what the blocks on the way down and then those on the way up mix points with, two per level; empty
            for convolutions of three points everywhere. The first block is always one.
        residual: whether every block has a pointwise shortcut; without, amplitudes must pass the normalisations.
        padding: ``circular``, ``zeros``, ``mirror`` or ``replicate``, or one of them per axis.
        odd: by axis, the channels in that change their sign in its mirror (a velocity normal to a wall); features
            inside the network are even, and nearness to the walls of every mirrored axis is one more channel in. Empty
            for none.
        condition_channels: scalar inputs per sample; 0 for none.
        conditioning: how they enter, ``add`` or ``adagn``.
        size: points of the grid that refinement is prepared for; others work and cost a little more.

    Raises:
        UserError: `dims`, `padding` or `odd` are none, the grid is not divisible by 2^levels; in `forward`, shapes do
            not fit.

    Reference:
        Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015,
        arXiv:1505.04597.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        dims: int = 2,
        width: int | float = 64,
        levels: int = 4,
        operators: tuple[Operator, ...] = (),
        residual: bool = True,
        padding: Padding = "circular",
        odd: Odd = (),
        condition_channels: int = 0,
        conditioning: Conditioning = "adagn",
        size: tuple[int, ...] | None = None,
    ) -> None:
        modes = axis_modes(padding, dims)
        if size is not None:
            check_halvings(size, levels)
        super().__init__(
            dims=dims, in_channels=in_channels, out_channels=out_channels, condition_channels=condition_channels
        )
        self.levels, self.modes = levels, modes
        down, up = split_operators(operators, levels)
        c = [int(width * 2**level) for level in range(levels + 1)]
        self.embedding = Embedding(condition_channels, c[0]) if condition_channels else None

        def block(
            operator: Operator, level: int, channels_in: int, channels_out: int, odd: Odd = ()
        ) -> ConvBlock | PointwiseBlock:
            mode = conditioning if condition_channels else "none"
            return operator_block(
                operator, channels_in, channels_out, modes=modes, condition=mode, embedding=4 * c[0],
                shortcut=residual, odd=odd, size=None if size is None else tuple(n >> level for n in size),
            )  # fmt: skip

        self.enter = block("conv3", 0, in_channels + num_mirrors(modes), c[0], odd)
        self.down = nn.ModuleList(
            block(down[level], level + 1, fine, coarse) for level, (fine, coarse) in enumerate(pairwise(c))
        )
        self.refine, self.up = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(levels)):
            coarse = None if size is None else tuple(n >> (level + 1) for n in size)
            self.refine.append(Upsample(coarse, modes=modes))
            self.up.append(block(up[levels - 1 - level], level, c[level] + c[level + 1], c[level]))
        self.leave = Conv(c[0], out_channels, modes=modes)

    def forward(
        self, x: Float[Tensor, "batch in_channel *space"], condition: Float[Tensor, "batch scalar"] | None = None
    ) -> Float[Tensor, "batch out_channel *space"]:
        """The fields that come out, on the grid of those that go in."""
        self.check(x, condition)
        check_halvings(x.shape[2:], self.levels)
        embedding = None if self.embedding is None else self.embedding(condition)
        h = self.enter(channels_last(with_walls(x, self.modes)), embedding)
        skips = []
        for block in self.down:
            skips.append(h)
            h = block(halve(h), embedding)
        for refine, block in zip(self.refine, self.up, strict=True):
            h = block(torch.cat((skips.pop(), refine(h)), dim=1), embedding)
        return self.leave(h).contiguous()
