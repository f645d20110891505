"""Every metric of a forecast at once, on all cells or on the active ones."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml import metrics
from sciml.tasks.forecast._data import ForecastContext

FRAMES = "sample time channel *space"
_SPECTRAL = "a Fourier transform needs values at all points of the grid, and masked cells have none"
_EDGE = "the boundary cells of the grid are not the boundary of a masked domain"
CONSTANT = "the field is constant in the training data; it is predicted to stay so and left out of means over fields"
UNMEASURED = {
    f"{part}/{name}": reason
    for part in ("one_step", "rollout")
    for name, reason in (
        ("brmse", _EDGE),
        ("frmse_low", _SPECTRAL),
        ("frmse_mid", _SPECTRAL),
        ("frmse_high", _SPECTRAL),
    )
}
"""What is not measured on a masked grid, and why."""


def inside(
    states: Float[Tensor, "batch time channel *space"], active: Bool[Tensor, "*space"] | None
) -> Float[Tensor, "batch time channel *point"]:
    """The active cells as one axis of points; all of the fields as they are without a mask."""
    return states if active is None else states[..., active]


def held(
    predicted: Float[Tensor, "batch time channel *space"],
    true: Float[Tensor, "batch time channel *space"],
    band: Float[Tensor, "batch time channel *space"],
    active: Bool[Tensor, "*space"] | None = None,
) -> tuple[Float[Tensor, "batch time channel"], Float[Tensor, "batch time channel"]]:
    """The share of the values that lie in their band, and the mean of its half-width."""
    within = ((predicted.double() - true).abs() <= band.double()).double()
    share, width = (inside(values, active).flatten(3).mean(3) for values in (within, band.double()))
    return share, width


class Curves(NamedTuple):
    """Every metric, and where it is defined.

    Fields:
        values: by name, ``sample time`` or ``sample time channel``; NaN where it is not defined.
        defined: by name, of metrics that some frames do not have: those whose truth is constant (or zero) to rounding.
    """

    values: dict[str, Tensor]
    defined: dict[str, Tensor]

    def mean(self, name: str) -> float:
        """Mean of a metric over the frames that have it; NaN where none has."""
        return metrics.mean_where(self.values[name], self.defined.get(name))

    def over_fields(self, name: str) -> Tensor:
        """``sample time``: mean over the fields that have it, 0 where none has."""
        defined = self.defined[name]
        return self.values[name].where(defined, 0.0).sum(2) / defined.sum(2).clamp_min(1)


def joined_curves(parts: Sequence[Curves]) -> Curves:
    """The same over the samples of all parts."""
    first = parts[0]
    values = {name: torch.cat([part.values[name] for part in parts]) for name in first.values}
    return Curves(values, {name: torch.cat([part.defined[name] for part in parts]) for name in first.defined})


def measure(
    predicted: Float[Tensor, "batch time channel *space"],
    true: Float[Tensor, "batch time channel *space"],
    context: ForecastContext,
) -> Curves:
    """Every metric, unreduced; wavenumbers count cycles over the longest side of the domain.

    With a mask all of them are those of the active cells alone; see `UNMEASURED` for what is left out.
    """
    active, statistics = context.active, context.statistics
    extents = [axis.extent for axis in context.grid.axes]
    size = (statistics.field_mean.double().square() + statistics.field_std.double().square()).sqrt()
    predicted, true = inside(predicted, active), inside(true, active)
    values = {
        "relative_l2": metrics.relative_l2(predicted, true, dims=FRAMES),
        "scaled_l2": metrics.scaled_l2(predicted, true, dims=FRAMES),
        "rmse": metrics.rmse(predicted, true, dims=FRAMES),
        "nrmse": metrics.nrmse(predicted, true, dims=FRAMES),
        "crmse": metrics.crmse(predicted, true, dims=FRAMES),
        "vrmse": metrics.vrmse(predicted, true, dims=FRAMES),
        "pearson": metrics.pearson(predicted, true, dims=FRAMES),
        "max_error": metrics.max_error(predicted, true, dims=FRAMES),
    }
    if active is None:
        values["brmse"] = metrics.brmse(predicted, true, dims=FRAMES)
        bands = metrics.frmse(predicted, true, extents=extents, dims=FRAMES)
        values |= dict(zip(("frmse_low", "frmse_mid", "frmse_high"), bands, strict=True))
    masks = {"varies": metrics.varies(true, size, dims=FRAMES), "is_there": metrics.is_there(true, size, dims=FRAMES)}
    defined = {name: masks[needed] for name, needed in metrics.RATIOS.items()}
    for name, known in defined.items():
        if name != "pearson":  # a forecast that broke down is not one that cannot be judged
            values[name] = values[name].nan_to_num(nan=torch.inf)
        values[name] = values[name].where(known, torch.nan)
    return Curves(values, defined)
