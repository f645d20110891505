"""The cubic spiral with multiplicative noise: what neural stochastic differential equations are first tried on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import Diffuses
from sciml.core.problem import Field
from sciml.core.types import Params

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class SpiralSDE(Diffuses):
    """Cubic spiral with noise in proportion to each component, Itô, from one start.

        du₁ = (−a u₁³ + b u₂³) dt + γ u₁ dW₁
        du₂ = (−b u₁³ − a u₂³) dt + γ u₂ dW₂

    All paths start at (2, 0), turn clockwise nearly once in t = 0 to 1 and spread along the curve, because a path that
    is further out turns faster. Good values: 30 times, 100 paths for a step of training, 10 000 for reference moments.
    """

    def start(self) -> Tensor:
        """(2, 0)."""
        return torch.tensor(equations.START, dtype=torch.float64)

    def times(self) -> Tensor:
        """30 equal times from 0 to 1."""
        return reference.times()

    def drift(self, time: Tensor, state: Tensor, params: Params) -> Tensor:
        """(−a u₁³ + b u₂³, −b u₁³ − a u₂³); there are no parameters."""
        return equations.drift(state)

    def diffusion(self, time: Tensor, state: Tensor, params: Params) -> Tensor:
        """γ (u₁, u₂), the diagonal."""
        return equations.diffusion(state)


PROBLEM = SpiralSDE(
    name="spiral_sde",
    title="Noisy cubic spiral",
    equation=equations.EQUATION,
    fields=(Field("u1", "u₁", "1", "first coordinate"), Field("u2", "u₂", "1", "second coordinate")),
    boundary={},
    metrics=("moments/loss", "moments/mean_rmse", "moments/variance_rmse", "evaluations"),
    solver="neural_sde",
    citation="A. Pal, Y. Ma, V. Shah, C. Rackauckas, Opening the Blackbox: Accelerating Neural Differential Equations "
    "by Regularizing Internal Solver Heuristics, ICML (2021), arXiv:2105.03918",
)
