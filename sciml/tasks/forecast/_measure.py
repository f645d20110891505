"""Every metric of a forecast at once, on all cells or on the active ones."""

from jaxtyping import Bool, Float
from torch import Tensor

from sciml import metrics

FRAMES = "sample time channel *space"
_SPECTRAL = "a Fourier transform needs values at all points of the grid, and masked cells have none"
_EDGE = "the boundary cells of the grid are not the boundary of a masked domain"
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


def measure(
    predicted: Float[Tensor, "batch time channel *space"],
    true: Float[Tensor, "batch time channel *space"],
    active: Bool[Tensor, "*space"] | None = None,
) -> dict[str, Tensor]:
    """Every metric by name, unreduced: ``sample time`` or ``sample time channel``.

    With a mask all of them are those of the active cells alone; see `UNMEASURED` for what is left out.
    """
    predicted, true = inside(predicted, active), inside(true, active)
    low, mid, high = metrics.frmse(predicted, true, dims=FRAMES) if active is None else (None, None, None)
    errors = {
        "relative_l2": metrics.relative_l2(predicted, true, dims=FRAMES),
        "scaled_l2": metrics.scaled_l2(predicted, true, dims=FRAMES),
        "rmse": metrics.rmse(predicted, true, dims=FRAMES),
        "nrmse": metrics.nrmse(predicted, true, dims=FRAMES),
        "crmse": metrics.crmse(predicted, true, dims=FRAMES),
        "brmse": metrics.brmse(predicted, true, dims=FRAMES) if active is None else None,
        "frmse_low": low,
        "frmse_mid": mid,
        "frmse_high": high,
        "vrmse": metrics.vrmse(predicted, true, dims=FRAMES),
        "pearson": metrics.pearson(predicted, true, dims=FRAMES),
        "max_error": metrics.max_error(predicted, true, dims=FRAMES),
    }
    return {name: values for name, values in errors.items() if values is not None}
