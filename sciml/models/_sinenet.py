"""SineNet: a chain of thin U-Nets, each advancing the latent state by an equal share of the time step."""

from collections.abc import Sequence

import torch
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
    Odd,
    Operator,
    Padding,
    Upsample,
    axis_modes,
    channels_last,
    check_halvings,
    convolution,
    halve,
    num_mirrors,
    operator_block,
    split_operators,
    with_walls,
)


def wave_channels(width: int, multiplier: float, levels: int) -> tuple[int, ...]:
    """Channels c_l = max(1, ⌊c_0 m^l⌋) of the levels of a wave, finest first."""
    return tuple(max(1, int(width * multiplier**level)) for level in range(levels + 1))


class SineNet(FieldNetwork):
    """K waves between an encoder and a decoder; on one, two or three axes.

        z_0 = P(u_{t-h+1}, ..., u_t),   z_k = z_{k-1} + V_k(z_{k-1}),   u_{t+1} = Q(z_K)

    z_k stands for a latent state at t + k/K, so that the skip connections of one wave bridge only 1/K of the
    displacement of a step. P and Q are convolutions with three points per axis; the waves V_k do not share weights; the
    prediction is the next state itself, not its increment. On periodic axes it commutes with shifts by 2^L points.

    Arguments:
        in_channels, out_channels: fields in and out.
        dims: axes of the grid.
        waves: K; 0 leaves encoder and decoder only, and no condition.
        levels: halvings L of the grid within a wave; every axis must be divisible by 2^L.
        width: channels c_0 between the waves.
        multiplier: growth m of the channels per level, c_l = max(1, ⌊c_0 m^l⌋).
        operators: what the blocks on the way down and then those on the way up mix points with, two per level, the same
            in all waves; empty for convolutions of three points everywhere.
        blocks: convolution blocks per level and direction; several in a single wave are the deeper U-Net that the paper
            compares with.
        disentangle: whether every level also sees the wave's input, pooled but not processed (the parallel path).
        wave_residual: whether a wave adds to its input (z + V(z)) or replaces it (V(z)).
        block_residual: whether every block has a pointwise shortcut beside it.
        padding: ``circular``, ``zeros``, ``mirror`` or ``replicate``, or one of them per axis.
        odd: by axis, the channels in that change their sign in its mirror (a velocity normal to a wall); features
            inside the network are even, and nearness to the walls of every mirrored axis is one more channel in. Empty
            for none.
        condition_channels: scalar inputs per sample; 0 for none.
        conditioning: how they enter, ``add`` or ``adagn``.
        size: points of the grid that refinement is prepared for; others work and cost a little more.

    Raises:
        UserError: `dims`, `padding` or `odd` are none, the grid is not divisible by 2^L; in `forward`, shapes do
            not fit.

    Reference:
        Zhang, Helwig, Lin, Xie, Fu, Wojtowytsch, Ji, "SineNet: Learning Temporal Dynamics in Time-Dependent Partial
        Differential Equations", ICLR 2024, arXiv:2403.19507.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        dims: int = 2,
        waves: int = 8,
        levels: int = 4,
        width: int = 64,
        multiplier: float = 1.425,
        operators: tuple[Operator, ...] = (),
        blocks: int = 1,
        disentangle: bool = True,
        wave_residual: bool = True,
        block_residual: bool = True,
        padding: Padding = "circular",
        odd: Odd = (),
        condition_channels: int = 0,
        conditioning: Conditioning = "adagn",
        size: tuple[int, ...] | None = None,
    ) -> None:
        modes = axis_modes(padding, dims)
        if size is not None:
            check_halvings(size, levels)
        embedded = condition_channels if waves else 0
        super().__init__(dims=dims, in_channels=in_channels, out_channels=out_channels, condition_channels=embedded)
        self.levels, self.wave_residual = levels, wave_residual
        self.embedding = Embedding(embedded, width) if embedded else None
        self.modes = modes
        self.encoder = Conv(in_channels + num_mirrors(modes), width, modes=modes, odd=odd)
        self.waves = nn.ModuleList(
            Wave(
                wave_channels(width, multiplier, levels),
                modes=modes,
                size=size,
                operators=operators,
                blocks=blocks,
                disentangle=disentangle,
                residual=block_residual,
                condition=conditioning if embedded else "none",
            )
            for _ in range(waves)
        )
        self.decoder = Conv(width, out_channels, modes=modes)

    def forward(
        self, x: Float[Tensor, "batch in_channel *space"], condition: Float[Tensor, "batch scalar"] | None = None
    ) -> Float[Tensor, "batch out_channel *space"]:
        """The fields that come out, on the grid of those that go in."""
        self.check(x, condition)
        check_halvings(x.shape[2:], self.levels)
        embedding = None if self.embedding is None else self.embedding(condition)
        z = self.encoder(channels_last(with_walls(x, self.modes)))
        for wave in self.waves:
            z = z + wave(z, embedding) if self.wave_residual else wave(z, embedding)
        return self.decoder(z).contiguous()


class Wave(Network):
    """One U-shaped increment V(z).

    With d average pooling, v cubic upsampling, F_l and G_l blocks, S_l and S'_l pointwise maps, h_0 = p_0 = z:

        p_{l+1} = d(p_l),  g = d(h_l),      h_{l+1} = F_l[g, p_{l+1}] + S_l g        (p left out at l = 0, where p = g)
        x_L = h_L,         g = v(x_{l+1}),  x_l = G_l[h_l, g] + S'_l g,              V(z) = x_0

    Arguments:
        channels: c_0 ... c_L.
        modes: padding along every axis.
        size: points of the finest level, or None.
        operators: of the blocks down, then up; empty for convolutions of three points.
        blocks: per level and direction.
        disentangle: whether there is the path p.
        residual: whether there are S and S'.
        condition: how the embedding (4 c_0 entries) enters the blocks.
    """

    def __init__(
        self,
        channels: Sequence[int],
        *,
        modes: Modes,
        size: tuple[int, ...] | None,
        operators: tuple[Operator, ...] = (),
        blocks: int = 1,
        disentangle: bool,
        residual: bool,
        condition: ConditionMode,
    ) -> None:
        super().__init__()
        base, levels = channels[0], len(channels) - 1
        self.disentangle = disentangle
        down, up = split_operators(operators, levels)

        def stage(
            operator: Operator, level: int, main: int, side: int, channels_out: int, *, skip_first: bool = False
        ) -> Stage:
            return Stage(
                main,
                side,
                channels_out,
                operator=operator,
                size=None if size is None else tuple(n >> level for n in size),
                modes=modes,
                condition=condition,
                embedding=4 * base,
                blocks=blocks,
                residual=residual,
                skip_first=skip_first,
            )

        self.down, self.up, self.refine = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level in range(levels):
            fine, coarse = channels[level], channels[level + 1]
            parallel = base if self.disentangle and level > 0 else 0
            self.down.append(stage(down[level], level + 1, fine, parallel, coarse))
        for level in reversed(range(levels)):
            fine, coarse = channels[level], channels[level + 1]
            prepared = None if size is None else tuple(n >> (level + 1) for n in size)
            self.refine.append(Upsample(prepared, modes=modes))
            self.up.append(stage(up[levels - 1 - level], level, coarse, fine, fine, skip_first=True))

    def forward(
        self, z: Float[Tensor, "batch channel *space"], embedding: Float[Tensor, "batch embedding"] | None = None
    ) -> Float[Tensor, "batch channel *space"]:
        """The increment on the same grid."""
        h, parallel, skips = z, z, []
        for level, stage in enumerate(self.down):
            skips.append(h)
            g = halve(h)
            parallel = halve(parallel) if level > 0 and self.disentangle else g
            h = stage(g, parallel if level > 0 and self.disentangle else None, embedding)
        for refine, stage in zip(self.refine, self.up, strict=True):
            h = stage(refine(h), skips.pop(), embedding)
        return h


class Stage(nn.Module):
    """A block on the main features g and side features s, with a pointwise shortcut from g: F[g, s] + S g.

    Further blocks follow, each added to its own input where there is a shortcut: h + F' h.

    Arguments:
        main, side, channels_out: features of g, of s, and of the result.
        operator: what they mix points with.
        size: points of the grid, or None.
        blocks: how many there are.
        skip_first: whether s comes before g in the block's input.
        residual: whether there is a shortcut.
        modes, condition, embedding: as in `ConvBlock`.
    """

    def __init__(
        self,
        main: int,
        side: int,
        channels_out: int,
        *,
        operator: Operator,
        size: tuple[int, ...] | None,
        modes: Modes,
        condition: ConditionMode,
        embedding: int,
        blocks: int,
        residual: bool,
        skip_first: bool = False,
    ) -> None:
        super().__init__()
        self.skip_first = skip_first
        channels = (main + side, *[channels_out] * (blocks - 1))
        first, *more = (
            operator_block(operator, n, channels_out, modes=modes, condition=condition, embedding=embedding, size=size)
            for n in channels
        )
        self.block, self.more = first, nn.ModuleList(more)
        self.shortcut = convolution(len(modes))(main, channels_out, 1) if residual else None

    def forward(
        self,
        main: Float[Tensor, "batch main *space"],
        side: Float[Tensor, "batch side *space"] | None,
        embedding: Float[Tensor, "batch embedding"] | None,
    ) -> Float[Tensor, "batch channel_out *space"]:
        """The processed features on the same grid."""
        x = main if side is None else torch.cat((side, main) if self.skip_first else (main, side), dim=1)
        h = self.block(x, embedding)
        h = h if self.shortcut is None else h + self.shortcut(main)
        for block in self.more:
            h = block(h, embedding) if self.shortcut is None else h + block(h, embedding)
        return h
