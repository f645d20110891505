"""Bands around predicted trajectories that hold a stated share of the values: split conformal prediction."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import ConfigError
from sciml.tasks._conformal import least_held_out
from sciml.tasks.trajectories._data import Start, TrajectoriesContext

BAND = "conformal_width"
"""Buffer of a module: half the width of the band at the stored times, ``frame channel``; infinite before it is set."""
_TIMES = "conformal_times"


def add_band(module: nn.Module, context: TrajectoriesContext) -> None:
    """Give a module room for the widths of its band, and the times they belong to."""
    like = next((p.device for p in (*module.parameters(), *module.buffers())), torch.device("cpu"))
    shape = context.frames, len(context.statistics.field_std)
    module.register_buffer(BAND, torch.full(shape, torch.inf, dtype=torch.float64, device=like))
    times = context.dt * torch.arange(context.frames, dtype=torch.float64, device=like)
    module.register_buffer(_TIMES, times)


def band_at(module: nn.Module, inputs: Start) -> Float[Tensor, "1 time channel"] | None:
    """Widths at the times asked for: of the wider of the two stored frames around each; NaN after the last of them.

    None for a module without a band.
    """
    known = dict(module.named_buffers(recurse=False))
    if BAND not in known:
        return None
    width, times, asked = known[BAND].cpu(), known[_TIMES].cpu(), inputs.clock.double().cpu()
    slack = 1e-6 * float(times[-1])
    late = torch.searchsorted(times, asked - slack).clamp(0, len(times) - 1)
    early = (torch.searchsorted(times, asked + slack, right=True) - 1).clamp(0, len(times) - 1)
    widths = torch.maximum(width[early], width[late])
    outside = (asked < times[0] - slack) | (asked > times[-1] + slack)
    return torch.where(outside[:, None], torch.nan, widths)[None]


def check_conformal(share: float, count: int) -> None:
    """Refuse a share that so few trajectories cannot promise."""
    if count < least_held_out(share):
        raise ConfigError(
            f"too few validation trajectories calibrate bands that hold {share:.0%}",
            got=count,
            expected=f"at least {least_held_out(share)}",
            fix=f"Ask for {math.floor(100 * count / (count + 1)) / 100:g} or less, or take a preset with more of them.",
        )
