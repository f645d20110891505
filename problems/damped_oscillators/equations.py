"""Two damped oscillators seen through six channels, each channel a fixed mixture of both."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sciml.core.types import Grid, Params

EQUATION = """\
dz_k/dt = (−γ_k + i ω_k) z_k,  k = slow, fast
c_j = Re(w_j,slow* z_slow + w_j,fast* z_fast),  j = 1 … 6"""

MODES = ("slow", "fast")
MIXING = (
    (-0.21, -0.63, 0.72, -0.18),
    (-0.65, -0.34, 0.57, 0.36),
    (-0.76, -0.28, 0.28, -0.51),
    (0.42, -0.21, 0.77, 0.42),
    (-0.44, -0.26, -0.35, 0.78),
    (-0.80, 0.47, 0.23, -0.29),
)
"""M: channel by (Re z_slow, Im z_slow, Re z_fast, Im z_fast). Rows drawn from the unit sphere once and rounded;
singular values 1.6 to 0.65, so the four hidden numbers follow from one full observation."""


def mixing(like: Tensor) -> Tensor:
    """M, ``channel 4``, of the dtype and device of `like`."""
    return torch.tensor(MIXING, dtype=torch.float64).to(like)


def unmixing(like: Tensor) -> Tensor:
    """The pseudo-inverse of M, ``4 channel``."""
    return torch.linalg.pinv(torch.tensor(MIXING, dtype=torch.float64)).to(like)


def turn(mode: Tensor, damping: Tensor, frequency: Tensor) -> Tensor:
    """``(−γ + i ω) z`` for z as (Re, Im) along the last axis; γ and ω broadcast against ``mode[..., 0]``."""
    real, imaginary = mode.unbind(-1)
    return torch.stack([-damping * real - frequency * imaginary, frequency * real - damping * imaginary], dim=-1)


def _closure(name: str) -> Callable[[Tensor, Params], Tensor]:
    return lambda mode, params: turn(mode, params[f"{name}_damping"].to(mode), params[f"{name}_frequency"].to(mode))


CLOSURES: dict[str, Callable[[Tensor, Params], Tensor]] = {name: _closure(name) for name in MODES}
"""``dz/dt`` of each oscillator, ``batch 2`` (Re, Im) to ``batch 2``, called with z and the parameters."""


def rate(state: Tensor, params: Params, closures: Mapping[str, Callable[..., Tensor]]) -> Tensor:
    """``dc/dt = M ż(M⁺ c)``, ``batch channel``: what the channels do, since they determine the hidden state."""
    hidden = state @ unmixing(state).T
    slopes = torch.cat([closures["slow"](hidden[:, :2], params), closures["fast"](hidden[:, 2:], params)], dim=1)
    return slopes @ mixing(state).T


def balance(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``(|z_fast|^γ_slow / |z_slow|^γ_fast)^(1/(γ_slow + γ_fast))``: constant, as both decay in proportion."""
    hidden = states @ unmixing(states).T
    slow, fast = hidden[..., :2].norm(dim=-1), hidden[..., 2:].norm(dim=-1)
    slow_damping, fast_damping = (params[f"{name}_damping"].to(states)[:, None] for name in MODES)
    total = slow_damping + fast_damping
    return fast ** (slow_damping / total) * slow ** (-fast_damping / total)
