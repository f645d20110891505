"""Errors in the units of the fields, and correlation.

All take ``(pred, true)`` as ``batch time channel *space`` and return ``batch time channel`` unless they say otherwise.
The PDEBench numbers are means of these over time and channel, after the reduction over samples each docstring names.

Reference: Takamoto et al. 2022, PDEBench, arXiv:2210.07182.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.metrics._fields import flat_space, residual, rms
from sciml.metrics._metric import Metric

RMSE = Metric("rmse", "RMSE", units="")
CRMSE = Metric("crmse", "error of the mean (cRMSE)", units="")
BRMSE = Metric("brmse", "error at the boundary (bRMSE)", units="")
MAX_ERROR = Metric("max_error", "largest error", units="")
PEARSON = Metric("pearson", "Pearson correlation", better="higher")


def rmse(
    pred: Float[Tensor, "batch time channel *space"], true: Float[Tensor, "batch time channel *space"]
) -> Float[Tensor, "batch time channel"]:
    """Root mean square error over space, ``√⟨e²⟩``; PDEBench takes the mean over samples."""
    return rms(residual(pred, true))


def crmse(
    pred: Float[Tensor, "batch time channel *space"], true: Float[Tensor, "batch time channel *space"]
) -> Float[Tensor, "batch time channel"]:
    """Error of the spatial mean (the conserved quantity), ``|⟨pred⟩ - ⟨true⟩|``.

    PDEBench's cRMSE is the root mean square of this over samples: ``crmse(...).square().mean(0).sqrt()``.
    """
    return flat_space(residual(pred, true)).mean(-1).abs()


def brmse(
    pred: Float[Tensor, "batch time channel *space"], true: Float[Tensor, "batch time channel *space"]
) -> Float[Tensor, "batch time channel"]:
    """Root mean square error over the boundary cells: first or last index along some axis, each cell counted once.

    Needs at least one spatial axis.
    """
    error = residual(pred, true, space=True)
    edge = torch.zeros(error.shape[3:], dtype=torch.bool, device=error.device)
    for dim in range(edge.ndim):
        edge.movedim(dim, 0)[[0, -1]] = True
    return rms(error[..., edge])


def max_error(
    pred: Float[Tensor, "batch time channel *space"], true: Float[Tensor, "batch time channel *space"]
) -> Float[Tensor, "batch time channel"]:
    """Largest absolute error over space (L∞); PDEBench takes the maximum over samples."""
    return flat_space(residual(pred, true)).abs().amax(-1)


def summed_mse(
    pred: Float[Tensor, "batch time channel *space"], true: Float[Tensor, "batch time channel *space"]
) -> Float[Tensor, " batch"]:
    """Squared error averaged over space and SUMMED over time and channel, as PDEArena's own rollout loss.

    Grows with the length of the rollout and the number of fields: comparable only at equal both.

    Reference: Gupta & Brandstetter 2023, PDEArena, arXiv:2209.15616.
    """
    return flat_space(residual(pred, true)).square().mean(-1).sum((1, 2))


def pearson(
    pred: Float[Tensor, "batch time channel *space"], true: Float[Tensor, "batch time channel *space"]
) -> Float[Tensor, "batch time channel"]:
    """Pearson correlation over space; 1 is perfect up to offset and scale, NaN when one of the fields is constant.

    Needs at least one spatial axis.
    """
    residual(pred, true, space=True)
    a, b = flat_space(pred), flat_space(true)
    a, b = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    a, b = a / a.norm(dim=-1, keepdim=True), b / b.norm(dim=-1, keepdim=True)
    return (a * b).sum(-1)
