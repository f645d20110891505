"""Strong diffusion by a few stages where explicit steps would need many: Runge-Kutta-Legendre super-time-stepping."""

from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sciml.reference._stepping import Tendency, ssp_rk2

State = Float[Tensor, "batch channel *space"]
PerRow = Float[Tensor, " batch"]


def rkl2(diffusion: Tendency, y: State, dt: Float[Tensor, "batch *one"], stages: Int[Tensor, " batch"]) -> State:
    """One step of the Runge-Kutta-Legendre method of order 2, every row with its own number of stages.

    s stages are stable on the negative real axis down to ``−(s² + s − 2)/(2 dt)``, s² times as far as Euler's method
    for s times its cost.

    Arguments:
        diffusion: right-hand side with real eigenvalues that are not positive; treats rows independently.
        y: states.
        dt: step per row.
        stages: s >= 2 per row.

    Reference: C. D. Meyer, D. S. Balsara and T. D. Aslam, A stabilized Runge-Kutta-Legendre method for explicit
    super-time-stepping of parabolic and mixed equations, J. Comput. Phys. 257 (2014) 594-626,
    doi:10.1016/j.jcp.2013.08.021, equations (16) to (18).
    """
    count = stages.to(dt.dtype).reshape(dt.shape)
    width = 4 / (count**2 + count - 2)
    first = dt * diffusion(y)
    before, now = y, y + width / 3 * first
    result = now
    for j in range(2, int(stages.max()) + 1):
        b, b_before, b_second = _b(j), _b(j - 1), _b(j - 2)
        mu, nu = (2 * j - 1) / j * b / b_before, -(j - 1) / j * b / b_second
        change = dt * diffusion(now) - (1 - b_before) * first
        before, now = now, mu * now + nu * before + (1 - mu - nu) * y + mu * width * change
        result = torch.where(count >= j, now, result)
    return result


def _b(j: int) -> float:
    return 1 / 3 if j < 2 else (j * j + j - 2) / (2 * j * (j + 1))


@final
class SplitDiffusion:
    """Half a step of diffusion, a step of all else by `ssp_rk2`, half a step of diffusion: order 2 (Strang).

    Called like a one-step method, with the right-hand side of all else.

    Arguments:
        diffusion: right-hand side of the diffusion.
        largest_rate: inverse of the longest stable Euler step of `diffusion`, per row of a state.
        rows: those that it is done for; it must vanish for no other.

    Reference: G. Strang, SIAM J. Numer. Anal. 5 (1968) 506-517, doi:10.1137/0705041.
    """

    def __init__(
        self, diffusion: Tendency, largest_rate: Callable[[Tensor], PerRow], rows: Bool[Tensor, " batch"]
    ) -> None:
        self._diffusion, self._largest_rate, self._rows = diffusion, largest_rate, rows

    def __call__(self, tendency: Tendency, y: State, dt: Float[Tensor, "batch *one"]) -> State:
        """One step of every row."""
        return self._diffuse(ssp_rk2(tendency, self._diffuse(y, dt / 2), dt), dt / 2)

    def _diffuse(self, y: State, dt: Float[Tensor, "batch *one"]) -> State:
        ratio = (dt.flatten() * self._largest_rate(y)).nan_to_num(nan=0.0).clamp(max=1e6)
        stages = torch.ceil(((9 + 16 * ratio).sqrt() - 1) / 2).long() // 2 * 2 + 1  # odd ones damp all modes
        stages = torch.where(self._rows, stages, 3).clamp(min=3)
        used = (self._rows & (dt.flatten() > 0)).reshape(dt.shape)
        return torch.where(used, rkl2(self._diffusion, y, dt, stages), y)
