"""The numbers of PDEBench's evaluation, where they differ from ours of the same name.

- cRMSE: root mean square over samples of the error of the spatial mean; ours is the mean of its absolute value.
- max: largest error over samples and space, then means; ours is the mean over samples of the largest over space.
- bRMSE: both ends of every axis, cells of edges and corners counted once per side; ours counts every cell once.
- fRMSE: the root of the mean over samples of the squared amplitudes of a shell, over the number of points and times the
  lengths of the sides, and the mean of these over the shells of a band. On two and three axes only wave vectors count
  whose components are all at least 0 and below half the number of points. Ours is the root mean square error by band,
  whose squares add up.

In shells ``n ≤ |k| < n + 1`` wavenumbers k count cycles per side, whatever its length.

Reference: Takamoto et al. 2022, PDEBench, arXiv:2210.07182, and its published evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.metrics._fields import flat_space
from sciml.metrics._named_axes import Array, read_pair

_EDGES = (4, 12)


def pdebench(
    pred: Array, true: Array, *, extents: Sequence[float] | None = None, dims: str | None = None
) -> dict[str, float]:
    """RMSE, nRMSE, cRMSE, maximum, bRMSE and fRMSE (low, mid, high) as PDEBench's evaluation computes them.

    All samples are taken as one batch. Means over times and channels come last. Its evaluation also counts the frames
    that the network was given, with error zero; pass them as part of both arrays to have that.

    Arguments:
        extents: lengths of the sides in the order of the spatial axes, which scale fRMSE; None for 1.

    Returns: numbers in the units of the fields (fRMSE: times the lengths of the sides), nRMSE without units. A band
        without wavenumbers (a coarse grid) is NaN.

    Raises: UserError for fields with more than three axes in space, or none.
    """
    _, pred_field, true_field = read_pair(pred, true, dims, space=True)
    error, reference = pred_field.double() - true_field.double(), true_field.double()
    rank = error.ndim - 3
    if rank > 3:
        raise UserError("PDEBench's numbers are those of one to three axes in space", got=f"{rank} axes")
    root = flat_space(error).square().mean(-1).sqrt()
    norm = flat_space(reference).square().mean(-1).sqrt()
    low, mid, high = _bands(error, [1.0] * rank if extents is None else list(extents))
    return {
        "rmse": float(root.mean()),
        "nrmse": float((root / norm).mean()),
        "crmse": float(flat_space(error).mean(-1).square().mean(0).sqrt().mean()),
        "max_error": float(flat_space(error).abs().amax((0, 3)).mean()),
        "brmse": float(_faces(error).mean()),
        "frmse_low": low,
        "frmse_mid": mid,
        "frmse_high": high,
    }


def _faces(error: Tensor) -> Tensor:
    """Root mean square over both ends of every axis, ``sample time channel``."""
    ends = [flat_space(error.index_select(dim, torch.tensor([0, error.shape[dim] - 1]).to(error.device)))
            for dim in range(3, error.ndim)]  # fmt: skip
    return torch.cat(ends, dim=-1).square().mean(-1).sqrt()


def _bands(error: Tensor, extents: list[float]) -> list[float]:
    """Mean over shells, times and channels of the root mean square (over samples) of each shell's amplitude."""
    size = error.shape[3:]
    axes = tuple(range(3, error.ndim))
    if len(size) == 1:
        power = torch.fft.rfft(error, dim=3).abs().square()
        shells = power.movedim(-1, 0)
    else:
        transform = torch.fft.fftn(error, dim=axes).abs().square()
        for axis, n in zip(axes, size, strict=True):
            transform = transform.narrow(axis, 0, n // 2)
        wavenumbers = torch.meshgrid(*[torch.arange(n // 2) for n in size], indexing="ij")
        radius = torch.stack(wavenumbers).double().square().sum(0).sqrt().floor().long().flatten().to(error.device)
        count = min(n // 2 for n in size)
        flat = flat_space(transform)
        kept = radius < count
        sums = flat.new_zeros(*flat.shape[:3], count).index_add(-1, radius[kept], flat[..., kept])
        shells = sums.movedim(-1, 0)
    amplitude = shells.mean(1).sqrt() / math.prod(size) * math.prod(extents)  # shell time channel
    first, second = _EDGES
    return [float(part.mean()) for part in (amplitude[:first], amplitude[first:second], amplitude[second:])]
