"""Hyper-parameters of SineNet, their parameter count in closed form, and its inverse."""

from itertools import pairwise

import pydantic

from sciml.core.config import Config
from sciml.core.errors import ConfigError
from sciml.models import wave_channels
from sciml.nn import ConditionChoice, Operator, PaddingChoice, condition_mode


class SineNetConfig(Config):
    """One SineNet: `waves` thin U-Nets in a row, each bridging an equal share of the time step."""

    waves: int = pydantic.Field(default=8, ge=0, le=1000)
    """Number of U-shaped waves K; 0 leaves encoder and decoder only."""
    levels: int = pydantic.Field(default=4, ge=1, le=30)
    """Halvings L of the grid within a wave; all axes must be divisible by 2^L."""
    width: int = pydantic.Field(default=64, ge=1)
    """Channels c_0 between the waves."""
    multiplier: float = pydantic.Field(default=1.425, gt=0)
    """Growth m of the channels per level, c_l = max(1, ⌊c_0 m^l⌋); what sets the size at given K."""
    blocks: int = pydantic.Field(default=1, ge=1, le=1000)
    """Convolution blocks per level and direction; several in a single wave are the paper's deeper U-Net."""
    operators: tuple[Operator, ...] = ()
    """What the blocks on the way down, then those on the way up, mix points with: ``conv3``, ``conv3_half``, ``conv5``,
    ``separable3``, ``separable5``, ``dilated3``, ``spectral`` or ``skip``; two per level, or none for ``conv3``."""
    disentangle: bool = True
    """Whether every level also sees the wave's input, pooled but not processed (the parallel path)."""
    wave_residual: bool = True
    """Whether a wave adds to its input (z + V(z)) or replaces it (V(z))."""
    block_residual: bool = True
    """Whether every block has a 1x1 shortcut beside it."""
    padding: PaddingChoice = "auto"
    """``auto`` wraps periodic axes, repeats open ends and pads walls with zeros; ``mirror`` has the fields' mirror
    images at walls instead; the others force all axes."""
    condition: ConditionChoice = "auto"
    """How stride and parameters enter; ``auto`` is adagn where the problem has parameters and none where not."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels c_0 ... c_L of the levels, finest first."""
        return wave_channels(self.width, self.multiplier, self.levels)


def count_parameters(config: SineNetConfig, *, channels_in: int, channels_out: int, num_parameters: int = 0) -> int:
    """Parameters of a SineNet without building it.

    With B(a, b) = 9ab + 9b² + 6b for a block and c_l the channels,

        wave  = Σ_l B(c_l + [l>0] c_0, c_{l+1}) + B(c_{l+1} + c_l, c_l) + (c_l + 1) c_{l+1} + (c_{l+1} + 1) c_l
                    + (blocks - 1) (B(c_{l+1}, c_{l+1}) + B(c_l, c_l))
        total = 9 c_in c_0 + c_0 + 9 c_0 c_out + c_out + K wave

    The [l>0] c_0 belongs to the disentangled path, the two after it to the block residuals. With
    conditioning, each of the 1 + `num_parameters` scalars adds an embedding of 20 c_0² + 8 c_0 (for even c_0) and each
    block a linear map of the 4 c_0 entries to its b channels (add) or to 2 b (adagn).

    Arguments:
        config: the network.
        channels_in: history x fields.
        channels_out: fields.
        num_parameters: physical parameters of the problem.
    """
    c, base = config.channels, config.width
    mode = condition_mode(config.condition, num_parameters)
    per_channel = {"none": 0, "add": 4 * base + 1, "adagn": 2 * (4 * base + 1)}[mode]
    features = 2 * ((base + 1) // 2)
    embedding = (1 + num_parameters) * 4 * base * (features + 4 * base + 2) if mode != "none" else 0

    def block(a: int, b: int) -> int:
        return 9 * a * b + 9 * b * b + 6 * b + per_channel * b

    wave = 0
    for level, (fine, coarse) in enumerate(pairwise(c)):
        parallel = base if config.disentangle and level > 0 else 0
        wave += block(fine + parallel, coarse) + block(coarse + fine, fine)
        wave += (config.blocks - 1) * (block(coarse, coarse) + block(fine, fine))
        wave += ((fine + 1) * coarse + (coarse + 1) * fine) * config.block_residual
    ends = 9 * channels_in * base + base + 9 * base * channels_out + channels_out
    return ends + config.waves * wave + (embedding if config.waves else 0)


def width_for(
    parameters: int,
    waves: int,
    *,
    channels_in: int,
    channels_out: int,
    num_parameters: int = 0,
    config: SineNetConfig | None = None,
) -> float:
    """The multiplier m that gives a SineNet of `waves` waves a parameter count: bisection on `count_parameters`.

    Arguments:
        parameters: the count to come nearest to.
        waves: number of waves K.
        channels_in, channels_out, num_parameters: as for `count_parameters`.
        config: every other hyper-parameter; the published ones (c_0 = 64, L = 4) if left out.

    Raises:
        ConfigError: no multiplier between 0.01 and 16 gives that count.
    """
    config = (config or SineNetConfig()).model_copy(update={"waves": waves})

    def count(multiplier: float) -> int:
        return count_parameters(
            config.model_copy(update={"multiplier": multiplier}),
            channels_in=channels_in,
            channels_out=channels_out,
            num_parameters=num_parameters,
        )

    low, high = 0.01, 16.0
    if not count(low) <= parameters <= count(high):
        raise ConfigError(
            f"no multiplier gives a SineNet of {waves} waves and width {config.width} that many parameters",
            got=f"{parameters:,}",
            expected=f"between {count(low):,} and {count(high):,}",
            fix="Change model.waves or model.width.",
        )
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if count(middle) <= parameters else (low, middle)
    return min((low, high), key=lambda multiplier: abs(count(multiplier) - parameters))
