"""From continuous to discrete time."""

import math
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UnknownNameError, UserError

Method = Literal["bilinear", "zoh", "euler", "backward_euler"]
"""How a system is discretised; `zoh` (zero-order hold) is exact for an input that is constant over every step."""
_SHARES = {"euler": 0.0, "bilinear": 0.5, "backward_euler": 1.0}


class Discrete(NamedTuple):
    """x_k = Ā x_{k-1} + B̄ u_k.

    Fields:
        matrix: Ā.
        drive: B̄.
    """

    matrix: Float[Tensor, "*batch state state"]
    drive: Float[Tensor, "*batch state"]


def discretise(
    matrix: Float[Tensor, "state state"],
    drive: Float[Tensor, " state"],
    dt: Float[Tensor, "*batch"],
    method: Method | float = "bilinear",
) -> Discrete:
    """x' = A x + B u over steps of length dt, with u constant on every step.

        Ā = (I - α dt A)⁻¹ (I + (1 - α) dt A),   B̄ = (I - α dt A)⁻¹ dt B        (generalised bilinear transform)
        Ā = exp(dt A),   B̄ = ∫₀^dt exp(s A) ds B                                  (zero-order hold)

    The output of a step is that of its end. α = 1/2 is stable for every stable A and second order where u_k is the mean
    over the step; with the sample at its end in place of the mean every α is first order (see `interval_means`).

    Arguments:
        matrix, drive: A and B.
        dt: one or more steps.
        method: a name, or α in [0, 1].

    Raises: UnknownNameError for another name, UserError for an α outside of [0, 1].
    """
    if isinstance(method, str) and method not in get_args(Method):
        raise UnknownNameError("discretisation", method, get_args(Method))
    scaled, driven = dt[..., None, None] * matrix, dt[..., None] * drive
    if method == "zoh":
        joined = torch.cat((scaled, driven[..., None]), dim=-1)
        joined = torch.cat((joined, torch.zeros_like(joined[..., :1, :])), dim=-2)
        solved = torch.linalg.matrix_exp(joined)
        return Discrete(solved[..., :-1, :-1], solved[..., :-1, -1])
    alpha = _SHARES[method] if isinstance(method, str) else float(method)
    if not 0 <= alpha <= 1:
        raise UserError("the share of the bilinear transform is out of range", got=alpha, expected="0 to 1")
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    right = torch.cat((identity + (1 - alpha) * scaled, driven[..., None]), dim=-1)
    solved = torch.linalg.solve(identity - alpha * scaled, right)
    return Discrete(solved[..., :-1], solved[..., -1])


def spectral_radius(matrix: Float[Tensor, "*batch state state"]) -> Float[Tensor, "*batch"]:
    """Largest magnitude of an eigenvalue; a discrete system forgets where it is below 1."""
    return torch.linalg.eigvals(matrix).abs().amax(-1)


def log_uniform(size: int, low: float, high: float) -> Float[Tensor, " {size}"]:
    """log dt, uniform between the logarithms of two positive steps (from torch's global generator)."""
    if not 0 < low <= high < math.inf:
        raise UserError("the range of time steps is impossible", got=(low, high), expected="0 < low <= high")
    return math.log(low) + torch.rand(size) * (math.log(high) - math.log(low))
