"""Power spectra and errors by wavenumber.

Wavenumbers count cycles per domain, ``|k| = √(k₁² + k₂² + ...)``; with unequal sides pass `extents`, and |k| counts
cycles over the longest side. Every independent Fourier mode is used and weighted by Parseval's identity, so bins add up
to the mean square in space. (PDEBench's published 2-D code bins only the quadrant k₁, k₂ ≥ 0, which is half of the
independent modes, and scales differently: its fRMSE is another number.)
A field that is not periodic leaks into all wavenumbers; compare spectra of prediction and truth only.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.metrics._metric import Metric
from sciml.metrics._named_axes import Array, read, read_pair

FRMSE = (
    Metric("frmse_low", "error of large scales (fRMSE low)", units=""),
    Metric("frmse_mid", "error of middle scales (fRMSE mid)", units=""),
    Metric("frmse_high", "error of small scales (fRMSE high)", units=""),
)
"""One per band of `frmse` with its default edges."""


def power_spectrum(field: Array, *, extents: Sequence[float] | None = None, dims: str | None = None) -> Array:
    """Radially binned power spectrum, ``E(k) = Σ_{k-½ ≤ |κ| < k+½} |û(κ)|²`` with ``û`` the mean-normalised transform.

    Arguments:
        field: values on a uniform grid, at least one spatial axis.
        extents: lengths of the sides, in the order of the spatial axes; None for equal sides.

    Returns:
        ``sample time channel wavenumber``.
        Bins k = 0, 1, 2, ... up to the corner mode, in squared units of the field. ``E.sum(-1)`` is ``⟨u²⟩`` and
        ``E[..., 1:].sum(-1)`` is the variance over space (divisor N), for equal sides.
    """
    axes, values = read(field, dims, space=True)
    return axes.result(_spectrum(values, extents), "sample time channel wavenumber")


def _spectrum(field: Tensor, extents: Sequence[float] | None) -> Tensor:
    energy, radius = _modes(field, extents)
    shell = (radius + 0.5).floor().long()
    bins = energy.new_zeros(*energy.shape[:3], int(shell.max()) + 1)
    return bins.index_add(-1, shell, energy)


def spectral_error(
    pred: Array, true: Array, *, extents: Sequence[float] | None = None, dims: str | None = None
) -> Array:
    """Binned spectral error: the power spectrum of ``pred - true``; its sum over k is the mean square error."""
    axes, pred_field, true_field = read_pair(pred, true, dims, space=True)
    return axes.result(_spectrum(pred_field - true_field, extents), "sample time channel wavenumber")


def spectral_relative_error(
    pred: Array, true: Array, *, extents: Sequence[float] | None = None, dims: str | None = None
) -> Array:
    """Relative error per wavenumber bin, ``√(E_error(k) / E_true(k))``; 1 where a scale is predicted as zero."""
    axes, pred_field, true_field = read_pair(pred, true, dims, space=True)
    share = _spectrum(pred_field - true_field, extents) / _spectrum(true_field, extents)
    return axes.result(share.sqrt(), "sample time channel wavenumber")


def frmse(
    pred: Array,
    true: Array,
    *,
    edges: Sequence[float] = (4.0, 12.0),
    extents: Sequence[float] | None = None,
    dims: str | None = None,
) -> tuple[Array, ...]:
    """Root mean square error by band of wavenumbers: low ``|k| < 4``, mid ``4 ≤ |k| < 12``, high ``|k| ≥ 12``.

    Arguments:
        edges: increasing wavenumbers between the bands; the defaults are PDEBench's.

    Returns:
        ``sample time channel``, one per band,
        lowest first, in units of the field; the squares add up to ``rmse²``. A band without modes
        (a coarse grid) is 0.
    """
    if list(edges) != sorted(set(edges)):
        raise UserError("band edges are not increasing", got=list(edges), expected="for example (4, 12)")
    axes, pred_field, true_field = read_pair(pred, true, dims, space=True)
    energy, radius = _modes(pred_field - true_field, extents)
    band = torch.bucketize(radius, torch.tensor(edges, dtype=radius.dtype, device=radius.device), right=True)
    bands = energy.new_zeros(*energy.shape[:3], len(edges) + 1).index_add(-1, band, energy).sqrt().unbind(-1)
    return tuple(axes.result(values, "sample time channel") for values in bands)


def _modes(field: Tensor, extents: Sequence[float] | None) -> tuple[Tensor, Tensor]:
    """Energy per mode of the half spectrum, counted with its conjugate, and the modes' |k|; both flat over modes."""
    size = field.shape[3:]
    sides = [1.0] * len(size) if extents is None else list(extents)
    if len(sides) != len(size) or min(sides) <= 0:
        raise UserError("one positive length per spatial axis is needed", got=sides, expected=f"{len(size)} lengths")
    axes = []
    for dim, (n, side) in enumerate(zip(size, sides, strict=True)):
        frequency = torch.fft.rfftfreq if dim == len(size) - 1 else torch.fft.fftfreq
        axes.append(frequency(n, d=1 / n, dtype=torch.float64, device=field.device) * (max(sides) / side))
    radius = torch.stack(torch.meshgrid(*axes, indexing="ij")).norm(dim=0).flatten()
    transform = torch.fft.rfftn(field, dim=tuple(range(3, field.ndim)), norm="forward")
    weight = field.new_full(transform.shape[-1:], 2.0)
    weight[0] = 1.0
    if size[-1] % 2 == 0:
        weight[-1] = 1.0
    energy = (transform.real.square() + transform.imag.square()) * weight
    return energy.flatten(3), radius
