"""Errors relative to the size of the truth: one definition per community, each under its own name.

All take ``(pred, true)`` with axes named by `dims` and keep the sample axis, so that a diverged prediction (inf or NaN)
spoils its own sample only. Ratios carry no hidden epsilon: a truth of norm zero gives inf, or NaN when the
prediction is zero as well.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.types import Grid
from sciml.metrics._fields import centred, rms
from sciml.metrics._metric import Metric
from sciml.metrics._named_axes import Array, in_order, read_pair

RELATIVE_L2 = Metric("relative_l2", "relative L2 error", blind="zero")
SCALED_L2 = Metric("scaled_l2", "scaled L2 error", blind="zero")
NRMSE = Metric("nrmse", "nRMSE", blind="zero")
VRMSE = Metric("vrmse", "VRMSE", blind="the mean")


def relative_l2(pred: Array, true: Array, *, dims: str | None = None) -> Array:
    """Relative L2 error, joint over channel and space: ``‖pred - true‖₂ / ‖true‖₂``.

    Returns:
        One number per sample and time. Channels of large magnitude dominate; see `scaled_l2` for the alternative.
    """
    return lp_relative(pred, true, p=2.0, dims=dims)


def lp_relative(pred: Array, true: Array, *, p: float, dims: str | None = None) -> Array:
    """Relative Lᵖ error, joint over channel and space: ``‖pred - true‖_p / ‖true‖_p``.

    On a uniform grid the quadrature weights of the norm cancel.

    Reference: the `LpLoss` of the neural-operator literature (Li et al. 2021, arXiv:2010.08895).
    """
    axes, pred_field, true_field = read_pair(pred, true, dims)
    error = (pred_field - true_field).flatten(2).norm(p=p, dim=-1)
    return axes.result(error / true_field.flatten(2).norm(p=p, dim=-1), "sample time")


def h1_relative(pred: Array, true: Array, grid: Grid, *, dims: str | None = None) -> Array:
    """Relative H¹ error, joint over channel and space: ``√(‖e‖² + ‖∇e‖²) / √(‖u‖² + ‖∇u‖²)``.

    Derivatives are second-order central differences, wrapped on periodic axes and one-sided at other ends.

    Arguments:
        grid: spacing and periodicity of the spatial axes; with ``*space`` in the order of its axes, else by name.
    """
    axes, pred_field, true_field = read_pair(pred, true, dims, space=True)
    names = [axis.name for axis in grid.axes]
    pred_field, true_field = in_order(axes, pred_field, names), in_order(axes, true_field, names)
    if tuple(true_field.shape[3:]) != grid.size:
        raise UserError("the fields do not lie on the grid", got=tuple(true_field.shape[3:]), expected=grid.size)
    return axes.result(_h1_norm(pred_field - true_field, grid) / _h1_norm(true_field, grid), "sample time")


def scaled_l2(pred: Array, true: Array, *, guard: float = 0.0, dims: str | None = None) -> Array:
    """Scaled L2 error per channel, norms over space: ``‖pred - true‖₂ / ‖true‖₂``.

    The error the SineNet paper trains on and reports: its mean over batch, time and channel.

    Arguments:
        guard: smallest root mean square of a true channel that is divided by, in the channel's units; smaller ones
            count as `guard`. The default 0 divides by whatever is there: inf for a zero truth, NaN for zero over zero
            (a velocity at rest explodes).

    Reference: Zhang et al. 2023, SineNet, arXiv:2403.19507; the `scaledl2` loss of PDEArena.
    """
    axes, pred_field, true_field = read_pair(pred, true, dims)
    return axes.result(rms(pred_field - true_field) / rms(true_field).clamp_min(guard), "sample time channel")


def nrmse(pred: Array, true: Array, *, dims: str | None = None) -> Array:
    """Normalised RMSE per channel: ``√⟨e²⟩ / √⟨u²⟩``; its mean over samples is PDEBench's nRMSE, a mean of ratios.

    Unreduced it is the number `scaled_l2` gives without a guard. `nrmse_ratio_of_means` is the other convention, far
    from this one when amplitudes differ between samples.

    Reference: Takamoto et al. 2022, PDEBench, arXiv:2210.07182.
    """
    return scaled_l2(pred, true, dims=dims)


def nrmse_ratio_of_means(pred: Array, true: Array, *, dims: str | None = None) -> Array:
    """Ratio of means over samples: ``mean_batch √⟨e²⟩ / mean_batch √⟨u²⟩``. The one metric that reduces the samples."""
    axes, pred_field, true_field = read_pair(pred, true, dims)
    return axes.result(rms(pred_field - true_field).mean(0) / rms(true_field).mean(0), "time channel")


def vrmse(pred: Array, true: Array, *, epsilon: float = 0.0, dims: str | None = None) -> Array:
    """Variance-scaled RMSE per channel: ``√(⟨e²⟩ / (var u + ε))``, variance over space with divisor N.

    Predicting the spatial mean scores 1. Needs at least one spatial axis. A constant truth gives inf, or NaN where the
    prediction is exact. The Well's own number, with N - 1 and an ε of 1e-7 in squared units, is `the_well`'s.

    Arguments:
        epsilon: added to the variance, in squared units of the channel: with any other than 0 the number depends on the
            units.

    Reference: Ohana et al. 2024, The Well, arXiv:2412.00568.
    """
    axes, pred_field, true_field = read_pair(pred, true, dims, space=True)
    variance = centred(true_field).square().mean(-1)
    error = rms(pred_field - true_field).double() / (variance + epsilon).sqrt()
    return axes.result(error.to(true_field.dtype), "sample time channel")


def apebench_nrmse(pred: Array, true: Array, *, dims: str | None = None) -> Array:
    """``√(Σ e² / Σ u²)`` per channel, SUMMED over channels; its mean over samples is APEBench's mean nRMSE.

    Aggregate the mean over rollout steps with `geometric_mean`.

    Reference: Koehler et al. 2024, APEBench, arXiv:2411.00180.
    """
    axes, pred_field, true_field = read_pair(pred, true, dims)
    return axes.result((rms(pred_field - true_field) / rms(true_field)).sum(-1), "sample time")


def _h1_norm(field: Tensor, grid: Grid) -> Tensor:
    total = field.square()
    for dim, axis in enumerate(grid.axes, start=3):
        if axis.periodic:
            slope = (field.roll(-1, dim) - field.roll(1, dim)) / (2 * axis.spacing)
        else:
            (slope,) = torch.gradient(field, spacing=axis.spacing, dim=dim, edge_order=1)
        total = total + slope.square()
    return total.flatten(2).sum(-1).sqrt()
