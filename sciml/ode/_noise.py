"""What kind of noise an SDE has: its calculus, how many motions drive it, and how they are correlated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import ConfigError, UnknownNameError, UserError
from sciml.ode._newton import jacobian
from sciml.ode._sri import StochasticMethod

Calculus = Literal["ito", "stratonovich"]


@dataclass(frozen=True)
class Noise:
    """What the noise of an equation is.

    Arguments:
        calculus: how the integral over the noise is meant.
        general: whether the diffusion is a matrix ``row dim motion``.
        factor: L with L Lᵀ the correlation of the motions; None for independent ones.
    """

    calculus: Calculus
    general: bool
    factor: Float[Tensor, "motion motion"] | None = None

    @classmethod
    def of(cls, calculus: str, noise: str, correlation: Tensor | None, like: Tensor) -> Noise:
        """From the words of `solve_sde`, checked."""
        if calculus not in ("ito", "stratonovich"):
            raise UnknownNameError("calculus of an SDE", str(calculus), ("ito", "stratonovich"))
        if noise not in ("diagonal", "general"):
            raise UnknownNameError("kind of noise", str(noise), ("diagonal", "general"))
        factor = None if correlation is None else _factor(correlation, like)
        return cls("ito" if calculus == "ito" else "stratonovich", noise == "general" or factor is not None, factor)

    def check(self, method: StochasticMethod) -> None:
        """ConfigError unless the method takes such noise."""
        if self.general and not method.general:
            raise ConfigError(
                f"{method.name} takes independent noise for every component",
                got="correlated noise" if self.factor is not None else "a matrix of noise",
                fix="Take euler (Itô, strong order 1/2) or heun (Stratonovich), with a fixed step.",
            )

    def applied(self, value: Tensor) -> Tensor:
        """The diffusion for independent motions."""
        if self.factor is None:
            return value
        if value.ndim == 2:
            if value.shape[1] != len(self.factor):
                raise _unfit(self.factor, value.shape[1])
            return value[:, :, None] * self.factor
        if value.shape[2] != len(self.factor):
            raise _unfit(self.factor, value.shape[2])
        return value @ self.factor

    def drift(
        self,
        drift: Callable[[Tensor, Tensor], Tensor],
        diffusion: Callable[[Tensor, Tensor], Tensor],
        method: StochasticMethod,
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """The drift in the calculus of the method: f_ito = f_stratonovich + ½ Σ_jk G_jk ∂_j G_ik."""
        if method.calculus == self.calculus:
            return drift
        sign = 0.5 if method.calculus == "ito" else -0.5

        def converted(time: Tensor, state: Tensor) -> Tensor:
            g = diffusion(time, state)
            slopes = jacobian(lambda t, y: diffusion(t, y).flatten(1), time, state).by_state
            if not (g.requires_grad or state.requires_grad):
                slopes = slopes.detach()
            if g.ndim == 2:
                return drift(time, state) + sign * g * slopes.diagonal(dim1=1, dim2=2)
            slopes = slopes.unflatten(1, g.shape[1:])  # row i motion j
            return drift(time, state) + sign * torch.einsum("rikj,rjk->ri", slopes, g)

        return converted


def _factor(correlation: Tensor, like: Tensor) -> Tensor:
    square = isinstance(correlation, Tensor) and correlation.ndim == 2 and correlation.shape[0] == correlation.shape[1]
    if square:
        matrix = correlation.to(like)
        ones = torch.allclose(matrix.diagonal(), torch.ones_like(matrix.diagonal()), atol=1e-6)
        factor, trouble = torch.linalg.cholesky_ex(matrix)
        if ones and torch.allclose(matrix, matrix.T, atol=1e-6) and not bool(trouble):
            return factor
    raise UserError(
        "the correlation must be a positive definite matrix with ones on its diagonal",
        got=f"shape {tuple(correlation.shape)}" if isinstance(correlation, Tensor) else type(correlation).__name__,
        expected="a symmetric tensor (motion, motion)",
        fix="Motions that are the same belong into one column of a general diffusion.",
    )


def _unfit(factor: Tensor, motions: int) -> UserError:
    return UserError(
        "the correlation does not fit the noise", got=f"{len(factor)} motions", expected=f"{motions}, one per column"
    )
