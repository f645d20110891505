"""Least squares that stay well behaved where columns depend on each other."""

import torch
from jaxtyping import Float
from torch import Tensor


def least_squares(
    rows: Float[Tensor, "row column"], targets: Float[Tensor, "row target"], rcond: float | None = None
) -> Float[Tensor, "column target"]:
    """The shortest solution of min ‖rows @ x − targets‖, by singular values (LAPACK's gelsd), where `rows` are.

    Arguments:
        rows, targets: of one dtype and on one device; CUDA has no such method, so that the processor solves.
        rcond: singular values below this share of the largest count as zero; None for rounding times the larger size.
    """
    return torch.linalg.lstsq(rows.cpu(), targets.cpu(), rcond=rcond, driver="gelsd").solution.to(rows.device)
