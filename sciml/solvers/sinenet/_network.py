"""SineNet: a chain of thin U-Nets, each advancing the latent state by an equal share of the time step."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from sciml.core.errors import UserError
from sciml.core.types import Grid
from sciml.nn import (
    ConditionMode,
    Conv,
    ConvBlock,
    Embedding,
    Modes,
    Upsample,
    condition_mode,
    fold_time,
    padding_modes,
    unfold_time,
)
from sciml.solvers.sinenet._config import SineNetConfig


class SineNet(nn.Module):
    """K waves between an encoder and a decoder.

        z_0 = P(u_{t-h+1}, ..., u_t),   z_k = z_{k-1} + V_k(z_{k-1}),   u_{t+1} = Q(z_K)

    z_k stands for a latent state at t + k/K, so that the skip connections of one wave bridge only 1/K of the
    displacement of a step. P and Q are 3x3 convolutions; the waves V_k do not share weights; the prediction is the
    next state itself, not its increment.

    Arguments:
        config: hyper-parameters.
        grid: the grid of the data: its boundaries choose the padding, its size must be divisible by 2^L.
        fields: physical channels.
        history: frames seen.
        num_parameters: physical parameters in the condition, after the stride.

    Raises:
        UserError: the grid is not two-dimensional or not divisible by 2^L.

    Reference:
        Zhang, Helwig, Lin, Xie, Fu, Wojtowytsch, Ji, "SineNet: Learning Temporal Dynamics in Time-Dependent Partial
        Differential Equations", ICLR 2024, arXiv:2403.19507.
    """

    def __init__(
        self, config: SineNetConfig, *, grid: Grid, fields: int, history: int, num_parameters: int = 0
    ) -> None:
        super().__init__()
        modes = padding_modes(config.padding, grid)
        check_divisible(grid.dims, grid.size, config.levels)
        mode = condition_mode(config.condition, num_parameters) if config.waves else "none"
        self.levels, self.wave_residual = config.levels, config.wave_residual
        self.embedding = None if mode == "none" else Embedding(1 + num_parameters, config.width)
        self.encoder = Conv(history * fields, config.width, modes=modes)
        self.waves = nn.ModuleList(
            Wave(config.channels, config=config, modes=modes, size=grid.size, condition=mode)
            for _ in range(config.waves)
        )
        self.decoder = Conv(config.width, fields, modes=modes)

    def forward(
        self,
        states: Float[Tensor, "batch history channel y x"],
        condition: Float[Tensor, "batch condition"],
    ) -> Float[Tensor, "batch 1 channel y x"]:
        """The next state, standardised as the input is."""
        check_divisible(("y", "x"), states.shape[-2:], self.levels)
        embedding = None if self.embedding is None else self.embedding(condition)
        z = self.encoder(fold_time(states))
        for wave in self.waves:
            z = z + wave(z, embedding) if self.wave_residual else wave(z, embedding)
        return unfold_time(self.decoder(z))


class Wave(nn.Module):
    """One U-shaped increment V(z).

    With d average pooling, v bicubic upsampling, F_l and G_l blocks, S_l and S'_l 1x1 convolutions, h_0 = p_0 = z:

        p_{l+1} = d(p_l),  g = d(h_l),      h_{l+1} = F_l[g, p_{l+1}] + S_l g        (p left out at l = 0, where p = g)
        x_L = h_L,         g = v(x_{l+1}),  x_l = G_l[h_l, g] + S'_l g,              V(z) = x_0

    Arguments:
        channels: c_0 ... c_L.
        config: which of the paths p, S, S' exist.
        modes: padding along y and x.
        size: points of the finest level.
        condition: how the embedding (4 c_0 entries) enters the blocks.
    """

    def __init__(
        self,
        channels: Sequence[int],
        *,
        config: SineNetConfig,
        modes: Modes,
        size: Sequence[int],
        condition: ConditionMode,
    ) -> None:
        super().__init__()
        base, levels, residual = channels[0], len(channels) - 1, config.block_residual
        common = {"modes": modes, "condition": condition, "embedding": 4 * base, "residual": residual}
        self.disentangle = config.disentangle
        self.down, self.up, self.refine = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level in range(levels):
            fine, coarse = channels[level], channels[level + 1]
            parallel = base if self.disentangle and level > 0 else 0
            self.down.append(Stage(fine, parallel, coarse, **common))
        for level in reversed(range(levels)):
            fine, coarse = channels[level], channels[level + 1]
            self.refine.append(Upsample((size[0] >> (level + 1), size[1] >> (level + 1)), modes=modes))
            self.up.append(Stage(coarse, fine, fine, skip_first=True, **common))

    def forward(
        self, z: Float[Tensor, "batch channel y x"], embedding: Float[Tensor, "batch embedding"] | None = None
    ) -> Float[Tensor, "batch channel y x"]:
        """The increment on the same grid."""
        h, parallel, skips = z, z, []
        for level, stage in enumerate(self.down):
            skips.append(h)
            g = avg_pool2d(h, 2)
            parallel = avg_pool2d(parallel, 2) if level > 0 and self.disentangle else g
            h = stage(g, parallel if level > 0 and self.disentangle else None, embedding)
        for refine, stage in zip(self.refine, self.up, strict=True):
            h = stage(refine(h), skips.pop(), embedding)
        return h


class Stage(nn.Module):
    """A block on the main features g and side features s, with a 1x1 shortcut from g: F[g, s] + S g.

    Arguments:
        main, side, channels_out: features of g, of s, and of the result.
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
        modes: Modes,
        condition: ConditionMode,
        embedding: int,
        residual: bool,
        skip_first: bool = False,
    ) -> None:
        super().__init__()
        self.skip_first = skip_first
        self.block = ConvBlock(main + side, channels_out, modes=modes, condition=condition, embedding=embedding)
        self.shortcut = nn.Conv2d(main, channels_out, 1) if residual else None

    def forward(
        self,
        main: Float[Tensor, "batch main y x"],
        side: Float[Tensor, "batch side y x"] | None,
        embedding: Float[Tensor, "batch embedding"] | None,
    ) -> Float[Tensor, "batch channel_out y x"]:
        """The processed features on the same grid."""
        x = main if side is None else torch.cat((side, main) if self.skip_first else (main, side), dim=1)
        h = self.block(x, embedding)
        return h if self.shortcut is None else h + self.shortcut(main)


def check_divisible(dims: Sequence[str], size: Sequence[int], levels: int) -> None:
    """Refuse a grid that cannot be halved `levels` times.

    Raises:
        UserError: naming the axis, its points, and the settings that would fit.
    """
    for name, points in zip(dims, size, strict=True):
        if points % 2**levels:
            halvings = (points & -points).bit_length() - 1
            fits = f"Set model.levels={halvings}, or " if halvings else "Use "
            raise UserError(
                f"axis {name} of the grid cannot be halved {levels} times",
                got=f"{points} points",
                expected=f"a multiple of 2^{levels} = {2**levels}",
                fix=f"{fits}a grid of {-(-points // 2**levels) * 2**levels} points along {name}.",
            )
