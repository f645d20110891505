"""Errors in the units of the fields, and correlation.

All take ``(pred, true)`` with axes named by `dims`, and keep sample, time and channel unless they say otherwise.
The PDEBench numbers are means of these over time and channel, after the reduction over samples each docstring names.

Reference: Takamoto et al. 2022, PDEBench, arXiv:2210.07182.
"""

import torch

from sciml.metrics._fields import centred, flat_space, rms
from sciml.metrics._metric import Metric
from sciml.metrics._named_axes import Array, read_pair

RMSE = Metric("rmse", "RMSE", units="")
CRMSE = Metric("crmse", "error of the mean (cRMSE)", units="")
BRMSE = Metric("brmse", "error at the boundary (bRMSE)", units="")
MAX_ERROR = Metric("max_error", "largest error", units="")
PEARSON = Metric("pearson", "Pearson correlation", better="higher")


def rmse(pred: Array, true: Array, *, dims: str | None = None) -> Array:
    """Root mean square error over space, ``√⟨e²⟩``; PDEBench takes the mean over samples."""
    axes, pred_field, true_field = read_pair(pred, true, dims)
    return axes.result(rms(pred_field - true_field), "sample time channel")


def crmse(pred: Array, true: Array, *, dims: str | None = None) -> Array:
    """Error of the spatial mean (the conserved quantity), ``|⟨pred⟩ - ⟨true⟩|``.

    PDEBench's cRMSE is the root mean square of this over samples: ``crmse(...).square().mean(0).sqrt()``.
    """
    axes, pred_field, true_field = read_pair(pred, true, dims)
    error = (flat_space(pred_field).double() - flat_space(true_field).double()).mean(-1).abs()
    return axes.result(error.to(true_field.dtype), "sample time channel")


def brmse(pred: Array, true: Array, *, dims: str | None = None) -> Array:
    """Root mean square error over the boundary cells: first or last index along some axis, each cell counted once.

    Needs at least one spatial axis.
    """
    axes, pred_field, true_field = read_pair(pred, true, dims, space=True)
    error = pred_field - true_field
    edge = torch.zeros(error.shape[3:], dtype=torch.bool, device=error.device)
    for dim in range(edge.ndim):
        edge.movedim(dim, 0)[[0, -1]] = True
    return axes.result(rms(error[..., edge]), "sample time channel")


def max_error(pred: Array, true: Array, *, dims: str | None = None) -> Array:
    """Largest absolute error over space (L∞); PDEBench takes the maximum over samples."""
    axes, pred_field, true_field = read_pair(pred, true, dims)
    return axes.result(flat_space(pred_field - true_field).abs().amax(-1), "sample time channel")


def summed_mse(pred: Array, true: Array, *, dims: str | None = None) -> Array:
    """Squared error averaged over space and SUMMED over time and channel, as PDEArena's own rollout loss.

    Grows with the length of the rollout and the number of fields: comparable only at equal both.

    Returns:
        One number per sample.

    Reference: Gupta & Brandstetter 2023, PDEArena, arXiv:2209.15616.
    """
    axes, pred_field, true_field = read_pair(pred, true, dims)
    return axes.result(flat_space(pred_field - true_field).square().mean(-1).sum((1, 2)), "sample")


def pearson(pred: Array, true: Array, *, dims: str | None = None) -> Array:
    """Pearson correlation over space; 1 is perfect up to offset and scale, NaN when one of the fields is constant.

    Needs at least one spatial axis.
    """
    axes, pred_field, true_field = read_pair(pred, true, dims, space=True)
    a, b = centred(pred_field), centred(true_field)
    a, b = a / a.norm(dim=-1, keepdim=True), b / b.norm(dim=-1, keepdim=True)
    return axes.result((a * b).sum(-1).to(true_field.dtype), "sample time channel")
