"""HiPPO matrices: linear systems whose state holds the coefficients of the past in orthogonal polynomials."""

from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UnknownNameError, UserError

Hippo = Literal["legs", "legt", "lagt"]
"""Legendre polynomials over all of the past (`legs`) or over a sliding window of length 1 (`legt`), or Laguerre
polynomials with an exponentially fading weight (`lagt`)."""


class Bands(NamedTuple):
    """Numbers that make up a quasi-separable state matrix A = -P (G + T⁻¹) Q.

    Fields:
        left, middle, right: the diagonals of P, G and Q.
        lower, diagonal, upper: the bands of the tridiagonal T.
    """

    left: Float[Tensor, " state"]
    middle: Float[Tensor, " state"]
    right: Float[Tensor, " state"]
    lower: Float[Tensor, " band"]
    diagonal: Float[Tensor, " state"]
    upper: Float[Tensor, " band"]


def hippo(kind: Hippo, size: int) -> tuple[Float[Tensor, "{size} {size}"], Float[Tensor, " {size}"]]:
    """A and B of the stable system x' = A x + B u, float64.

        legs:  A_nk = -√(2n+1) √(2k+1) for n > k, -(n+1) for n = k, 0 else;            B_n = √(2n+1)
        legt:  A_nk = -√(2n+1) √(2k+1) for n ≥ k, and (-1)^(n-k) times that for n < k;  B_n = √(2n+1)
        lagt:  A_nk = -1 for n > k, -1/2 for n = k, 0 else;                             B_n = 1

    `legs` is used as a time-invariant system here, whose memory is the past in exponentially warped time; the matrix of
    the scaled measure belongs to x' = (A x + B u) / t. A window of another length than 1 is another time step.

    Raises: UnknownNameError for another kind, UserError for a size below 1.

    Reference:
        Gu, Dao, Ermon, Rudra, Re, "HiPPO: Recurrent Memory with Optimal Polynomial Projections", NeurIPS 2020,
        arXiv:2008.07669; the sign of A as in the appendix of arXiv:2110.13985.
    """
    _check(kind, size)
    n = torch.arange(size, dtype=torch.float64)
    root = (2 * n + 1).sqrt()
    if kind == "lagt":
        ones = torch.ones(size, size, dtype=torch.float64)
        return -ones.tril(-1) - torch.eye(size, dtype=torch.float64) / 2, torch.ones(size, dtype=torch.float64)
    full = -root[:, None] * root
    if kind == "legs":
        return full.tril(-1) - torch.diag(n + 1), root
    signs = (-1.0) ** (n[:, None] - n).abs()
    return full.tril() + (signs * full).triu(1), root


def hippo_bands(kind: Hippo, size: int) -> Bands:
    """The same state matrices in quasi-separable form, float64: at most 6 N - 2 numbers instead of N².

    For `legs` and `lagt` T is the identity less its first subdiagonal; for `legt` T is tridiagonal with ±1/2 beside the
    diagonal, which is zero but for 1/2 at its ends.

    Raises: as `hippo`.

    Reference:
        Gu, Johnson, Goel, Saab, Dao, Rudra, Re, "Combining Recurrent, Convolutional, and Continuous-time Models with
        Linear State-Space Layers", NeurIPS 2021, arXiv:2110.13985, theorem 11.
    """
    _check(kind, size)
    n = torch.arange(size, dtype=torch.float64)
    one, zero = torch.ones_like(n), torch.zeros_like(n)
    root = one if kind == "lagt" else (2 * n + 1).sqrt()
    if kind == "legt":
        ends = zero.clone()
        ends[0] = ends[-1] = 0.5 if size > 1 else 1.0
        return Bands(root, zero, root, -one[1:] / 2, ends, one[1:] / 2)
    middle = -n / (2 * n + 1) if kind == "legs" else -one / 2
    return Bands(root, middle, root, -one[1:], one, zero[1:])


def _check(kind: str, size: int) -> None:
    if kind not in get_args(Hippo):
        raise UnknownNameError("HiPPO matrix", kind, get_args(Hippo))
    if size < 1:
        raise UserError("a state needs at least one component", got=f"size {size}")
