"""Errors relative to the size of the truth: one definition per community, each under its own name.

All take ``(pred, true)`` as ``batch time channel *space`` and keep the sample axis, so that a diverged prediction
(inf or NaN) spoils its own sample only. Ratios carry no hidden epsilon: a truth of norm zero gives inf, or NaN when the
prediction is zero as well.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.types import Grid
from sciml.metrics._fields import flat_space, residual, rms
from sciml.metrics._metric import Metric

RELATIVE_L2 = Metric("relative_l2", "relative L2 error")
SCALED_L2 = Metric("scaled_l2", "scaled L2 error")
NRMSE = Metric("nrmse", "nRMSE")
VRMSE = Metric("vrmse", "VRMSE")


def relative_l2(
    pred: Float[Tensor, "batch time channel *space"], true: Float[Tensor, "batch time channel *space"]
) -> Float[Tensor, "batch time"]:
    """Relative L2 error, joint over channel and space: ``‖pred - true‖₂ / ‖true‖₂``.

    Returns:
        One number per sample and time. Channels of large magnitude dominate; see `scaled_l2` for the alternative.
    """
    return lp_relative(pred, true, p=2.0)


def lp_relative(
    pred: Float[Tensor, "batch time channel *space"], true: Float[Tensor, "batch time channel *space"], *, p: float
) -> Float[Tensor, "batch time"]:
    """Relative Lᵖ error, joint over channel and space: ``‖pred - true‖_p / ‖true‖_p``.

    On a uniform grid the quadrature weights of the norm cancel.

    Reference: the `LpLoss` of the neural-operator literature (Li et al. 2021, arXiv:2010.08895).
    """
    error = residual(pred, true)
    return error.flatten(2).norm(p=p, dim=-1) / true.flatten(2).norm(p=p, dim=-1)


def h1_relative(
    pred: Float[Tensor, "batch time channel *space"],
    true: Float[Tensor, "batch time channel *space"],
    grid: Grid,
) -> Float[Tensor, "batch time"]:
    """Relative H¹ error, joint over channel and space: ``√(‖e‖² + ‖∇e‖²) / √(‖u‖² + ‖∇u‖²)``.

    Derivatives are second-order central differences, wrapped on periodic axes and one-sided at other ends.

    Arguments:
        grid: spacing and periodicity of the spatial axes, in storage order.
    """
    error = residual(pred, true, space=True)
    if tuple(true.shape[3:]) != grid.size:
        raise UserError("the fields do not lie on the grid", got=tuple(true.shape[3:]), expected=grid.size)
    return _h1_norm(error, grid) / _h1_norm(true, grid)


def scaled_l2(
    pred: Float[Tensor, "batch time channel *space"],
    true: Float[Tensor, "batch time channel *space"],
    *,
    guard: float = 0.0,
) -> Float[Tensor, "batch time channel"]:
    """Scaled L2 error per channel, norms over space: ``‖pred - true‖₂ / ‖true‖₂``.

    The error the SineNet paper trains on and reports: its mean over batch, time and channel.

    Arguments:
        guard: smallest root mean square of a true channel that is divided by, in the channel's units; smaller ones
            count as `guard`. The default 0 divides by whatever is there: inf for a zero truth, NaN for zero over zero
            (a velocity at rest explodes).

    Reference: Zhang et al. 2023, SineNet, arXiv:2403.19507; the `scaledl2` loss of PDEArena.
    """
    return rms(residual(pred, true)) / rms(true).clamp_min(guard)


def nrmse(
    pred: Float[Tensor, "batch time channel *space"], true: Float[Tensor, "batch time channel *space"]
) -> Float[Tensor, "batch time channel"]:
    """Normalised RMSE per channel: ``√⟨e²⟩ / √⟨u²⟩``; its mean over samples is PDEBench's nRMSE, a mean of ratios.

    Unreduced it is the number `scaled_l2` gives without a guard. `nrmse_ratio_of_means` is the other convention, far
    from this one when amplitudes differ between samples.

    Reference: Takamoto et al. 2022, PDEBench, arXiv:2210.07182.
    """
    return scaled_l2(pred, true)


def nrmse_ratio_of_means(
    pred: Float[Tensor, "batch time channel *space"], true: Float[Tensor, "batch time channel *space"]
) -> Float[Tensor, "time channel"]:
    """Ratio of means over samples: ``mean_batch √⟨e²⟩ / mean_batch √⟨u²⟩``. The one metric that reduces the samples."""
    return rms(residual(pred, true)).mean(0) / rms(true).mean(0)


def vrmse(
    pred: Float[Tensor, "batch time channel *space"],
    true: Float[Tensor, "batch time channel *space"],
    *,
    epsilon: float = 1e-7,
) -> Float[Tensor, "batch time channel"]:
    """Variance-scaled RMSE per channel: ``√(⟨e²⟩ / (var u + ε))``, variance over space with divisor N.

    Predicting the spatial mean scores 1 (up to ε). Needs at least one spatial axis.

    Arguments:
        epsilon: added to the variance, in squared units of the channel, as The Well does.

    Reference: Ohana et al. 2024, The Well, arXiv:2412.00568.
    """
    error = residual(pred, true, space=True)
    variance = flat_space(true).var(dim=-1, correction=0)
    return rms(error) / (variance + epsilon).sqrt()


def apebench_nrmse(
    pred: Float[Tensor, "batch time channel *space"], true: Float[Tensor, "batch time channel *space"]
) -> Float[Tensor, "batch time"]:
    """``√(Σ e² / Σ u²)`` per channel, SUMMED over channels; its mean over samples is APEBench's mean nRMSE.

    Aggregate the mean over rollout steps with `geometric_mean`.

    Reference: Koehler et al. 2024, APEBench, arXiv:2411.00180.
    """
    return scaled_l2(pred, true).sum(-1)


def _h1_norm(field: Tensor, grid: Grid) -> Tensor:
    total = field.square()
    for dim, axis in enumerate(grid.axes, start=3):
        if axis.periodic:
            slope = (field.roll(-1, dim) - field.roll(1, dim)) / (2 * axis.spacing)
        else:
            (slope,) = torch.gradient(field, spacing=axis.spacing, dim=dim, edge_order=1)
        total = total + slope.square()
    return total.flatten(2).sum(-1).sqrt()
