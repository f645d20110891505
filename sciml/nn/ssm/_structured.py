"""The quasi-separable state matrix A = -P (G + T⁻¹) Q with trainable numbers, and its products in linear time."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn.ssm._hippo import Bands, Hippo, hippo_bands
from sciml.nn.ssm._layer import StateMatrix


class StructuredMatrix(StateMatrix):
    """A = -P (G + T⁻¹) Q: P, G and Q diagonal, T tridiagonal; 6 N - 2 numbers, all HiPPO matrices among them.

    Nothing keeps a trained A stable; watch the spectral radius of what is made of it.

    Arguments:
        bands: the numbers it starts with.
        trainable: whether they are parameters; buffers otherwise.
    """

    left: Tensor
    middle: Tensor
    right: Tensor
    lower: Tensor
    diagonal: Tensor
    upper: Tensor

    def __init__(self, bands: Bands, *, trainable: bool = True) -> None:
        super().__init__()
        for name, values in bands._asdict().items():
            values = values.to(torch.get_default_dtype())
            if trainable:
                self.register_parameter(name, nn.Parameter(values))
            else:
                self.register_buffer(name, values)

    @classmethod
    def hippo(cls, kind: Hippo, size: int, *, trainable: bool = True) -> "StructuredMatrix":
        """One of the HiPPO matrices."""
        return cls(hippo_bands(kind, size), trainable=trainable)

    def dense(self) -> Float[Tensor, "state state"]:
        """A itself. For the sizes in use (N ≤ 128) a dense solve is as fast as anything, and simpler."""
        tridiagonal = torch.diag(self.diagonal) + torch.diag(self.lower, -1) + torch.diag(self.upper, 1)
        inner = torch.diag(self.middle) + torch.linalg.inv(tridiagonal)
        return -self.left[:, None] * inner * self.right

    def product(self, vector: Float[Tensor, "*batch state"]) -> Float[Tensor, "*batch state"]:
        """A v, by one tridiagonal solve."""
        scaled = self.right * vector
        return -self.left * (self.middle * scaled + solve_tridiagonal(self.lower, self.diagonal, self.upper, scaled))

    def shifted_solve(
        self, vector: Float[Tensor, "*batch state"], dt: Float[Tensor, ""]
    ) -> Float[Tensor, "*batch state"]:
        """(I - dt A)⁻¹ v, by one tridiagonal solve.

        With D = P⁻¹ Q⁻¹ + dt G, I - dt A = P (D + dt T⁻¹) Q = P T⁻¹ (T D + dt I) Q, and T D is tridiagonal.
        """
        inner = 1 / (self.left * self.right) + dt * self.middle
        scaled = vector / self.left
        before = nn.functional.pad(self.lower * scaled[..., :-1], (1, 0))
        after = nn.functional.pad(self.upper * scaled[..., 1:], (0, 1))
        bands = self.lower * inner[:-1], self.diagonal * inner + dt, self.upper * inner[1:]
        return solve_tridiagonal(*bands, before + self.diagonal * scaled + after) / self.right


def solve_tridiagonal(
    lower: Float[Tensor, " band"],
    diagonal: Float[Tensor, " state"],
    upper: Float[Tensor, " band"],
    wanted: Float[Tensor, "*batch state"],
) -> Float[Tensor, "*batch state"]:
    """x with T x = y by elimination without pivoting, which needs non-zero pivots; linear in the size.

    Its gradient is one solve with the transpose: for a loss with gradient g, dy = T⁻ᵀ g and dT_ij = -dy_i x_j.
    """
    return _Tridiagonal.apply(lower, diagonal, upper, wanted)  # pyright: ignore[reportReturnType] (has no types)


class _Tridiagonal(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # Any: torch's context
        lower: Tensor,
        diagonal: Tensor,
        upper: Tensor,
        wanted: Tensor,
    ) -> Tensor:
        solution = _eliminate(lower, diagonal, upper, wanted)
        ctx.save_for_backward(lower, diagonal, upper, solution)
        return solution

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        lower, diagonal, upper, solution = ctx.saved_tensors
        adjoint = _eliminate(upper, diagonal, lower, gradients[0])
        outer = [-adjoint[..., 1:] * solution[..., :-1], -adjoint * solution, -adjoint[..., :-1] * solution[..., 1:]]
        bands = [values.flatten(0, -2).sum(0) if values.ndim > 1 else values for values in outer]
        return bands[0], bands[1], bands[2], adjoint


def _eliminate(lower: Tensor, diagonal: Tensor, upper: Tensor, wanted: Tensor) -> Tensor:
    pivots, values = [diagonal[0]], [wanted[..., 0]]
    for row in range(1, len(diagonal)):
        factor = lower[row - 1] / pivots[-1]
        pivots.append(diagonal[row] - factor * upper[row - 1])
        values.append(wanted[..., row] - factor * values[-1])
    solution = [values[-1] / pivots[-1]]
    for row in range(len(diagonal) - 2, -1, -1):
        solution.append((values[row] - upper[row] * solution[-1]) / pivots[row])
    return torch.stack(solution[::-1], dim=-1)
