"""The numbers of The Well's benchmark, where they differ from ours of the same name.

Its variance has the divisor N - 1, and 1e-7 (in squared units) is added to variances and mean squares that are divided
by, so that fields of small magnitude seem to be predicted well.

Reference: Ohana et al. 2024, The Well, arXiv:2412.00568, and its published benchmark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sciml.metrics._fields import flat_space
from sciml.metrics._named_axes import Array, read_pair

_EPSILON = 1e-7
_BANDS = 3


def the_well(
    pred: Array, true: Array, *, extents: Sequence[float] | None = None, dims: str | None = None
) -> dict[str, float]:
    """MSE, NMSE, VMSE, their roots, the maximum, and the MSE by band of wavenumbers, as The Well's benchmark has them.

    Every number is computed per sample, time and channel, and then averaged.

    Arguments:
        extents: not used; wavenumbers are those of the grid. Taken so that all conventions are called alike.

    Returns: `mse`, `rmse`, `nmse` and `nrmse` (over the mean square), `vmse` and `vrmse` (over the variance), `linf`,
        and on grids with equal sides ``spectral_mse_0``, ``_1``, ``_2``: three bands between the longest wave and the
        shortest along an axis, evenly spaced in the logarithm (the first from zero), without the corners beyond.
    """
    _, pred_field, true_field = read_pair(pred, true, dims, space=True)
    error, reference = pred_field.double() - true_field.double(), flat_space(true_field.double())
    square = flat_space(error).square().mean(-1)
    by_size = square / (reference.square().mean(-1) + _EPSILON)
    by_variance = square / (reference.var(-1, correction=1) + _EPSILON)
    values = {
        "mse": square,
        "rmse": square.sqrt(),
        "nmse": by_size,
        "nrmse": by_size.sqrt(),
        "vmse": by_variance,
        "vrmse": by_variance.sqrt(),
        "linf": flat_space(error).abs().amax(-1),
    }
    size = set(error.shape[3:])
    if len(size) == 1 and size.pop() > 2:
        values |= {f"spectral_mse_{i}": band for i, band in enumerate(_spectral(error))}
    return {name: float(value.mean()) for name, value in values.items()}


def _spectral(error: Tensor) -> list[Tensor]:
    """Mean square error by band, ``sample time channel`` each."""
    n, rank = error.shape[3], error.ndim - 3
    along = 2 * math.pi * torch.fft.fftfreq(n, dtype=torch.float64, device=error.device)
    radius = torch.stack(torch.meshgrid(*[along] * rank, indexing="ij")).square().sum(0).sqrt().flatten()
    edges = torch.logspace(math.log10(2 * math.pi / n), math.log10(math.pi), _BANDS + 1, dtype=torch.float64)
    edges[0] = 0.0
    energy = flat_space(torch.fft.fftn(error, dim=tuple(range(3, error.ndim))).abs().square()) / n ** (2 * rank)
    band = torch.bucketize(radius, edges.to(error.device), right=True) - 1
    return [energy[..., band == i].sum(-1) for i in range(_BANDS)]
