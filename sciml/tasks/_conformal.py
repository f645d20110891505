"""Bands around rollouts that hold a stated share of the values: split conformal prediction on held-out trajectories."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_ROUNDING = 1e-9


def least_held_out(coverage: float) -> int:
    """How many trajectories it takes to promise a coverage: n ≥ c / (1 - c)."""
    return math.ceil(coverage / (1 - coverage) - _ROUNDING)


def conformal_widths(
    errors: Float[Tensor, "sample time channel *space"],
    scales: Float[Tensor, "sample time channel *space"],
    coverage: float,
    active: Bool[Tensor, "*space"] | None = None,
) -> Float[Tensor, "time channel"]:
    """The factors q by which ±q scale holds a share of the values of a further trajectory, by step and field.

    With the share of the points of trajectory i that lie outside, L_i(q) ≤ 1, q is the smallest number for which

        (Σ_i L_i(q) + 1) / (n + 1) ≤ 1 - c,     so that     E[share inside] ≥ c

    for a trajectory that is exchangeable with the n given ones, whatever the forecaster. As all L_i are means over
    equally many points, q is the quantile of all |error| / scale at c (n + 1) / n.

    Arguments:
        errors: absolute errors of n trajectories that nothing was fitted to; infinite where a forecast diverged.
        scales: what a width is measured in, positive.
        coverage: c; n must be at least c / (1 - c).
        active: the points that count; None for all.

    Reference: A. N. Angelopoulos, S. Bates, A. Fisch, L. Lei, T. Schuster, "Conformal risk control", ICLR 2024,
        arXiv:2208.02814 (the loss is the share outside); V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a
        Random World", Springer 2005.
    """
    scores = errors.double() / scales.double()
    scores = scores.flatten(3) if active is None else scores[..., active]
    samples, steps, channels = scores.shape[:3]
    pooled = scores.nan_to_num(nan=math.inf).permute(1, 2, 0, 3).reshape(steps, channels, -1)
    level = coverage * (samples + 1) / samples
    rank = min(pooled.shape[2], math.ceil(level * pooled.shape[2] - _ROUNDING))
    return pooled.kthvalue(max(1, rank), dim=2).values


def spread_factors(
    errors: Float[Tensor, "sample time channel *space"],
    spreads: Float[Tensor, "sample time channel *space"],
    active: Bool[Tensor, "*space"] | None = None,
) -> Float[Tensor, "time channel"]:
    """f with f² = ⟨error²⟩ / ⟨spread²⟩, by step and field: it gives a spread the size of the errors."""
    squares = [values.double().square() for values in (errors, spreads)]
    means = [(x.flatten(3) if active is None else x[..., active]).mean((0, 3)) for x in squares]
    return (means[0] / means[1].clamp_min(torch.finfo(torch.float64).tiny)).sqrt()
