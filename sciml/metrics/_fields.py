"""Shape checks and the two reductions every metric is made of."""

from torch import Tensor

from sciml.core.errors import UserError


def residual(pred: Tensor, true: Tensor, *, space: bool = False) -> Tensor:
    """``pred - true`` after checking that both are ``batch time channel *space`` of one shape (nothing broadcasts).

    Arguments:
        space: whether the metric needs at least one spatial axis.

    Raises:
        UserError: shapes differ, an axis is missing, or there is no space where one is needed.
    """
    if pred.shape != true.shape:
        raise UserError(
            "prediction and truth have different shapes",
            got=f"{tuple(pred.shape)} and {tuple(true.shape)}",
            expected="two tensors `batch time channel *space` of one shape",
            fix="Cut the context frames off the truth, or select the same channels in both.",
        )
    check_field(true, space=space)
    return pred - true


def check_field(field: Tensor, *, space: bool) -> None:
    """Raise UserError unless `field` is ``batch time channel *space``, with at least one spatial axis if `space`."""
    if field.ndim < 3 + space:
        raise UserError(
            "a field has too few axes for this metric",
            got=f"shape {tuple(field.shape)}",
            expected="`batch time channel *space`" + (" with at least one spatial axis" if space else ""),
            fix="Errors of an ODE (no space) are measured by relative_l2, scaled_l2, rmse or max_error."
            if space
            else "",
        )


def flat_space(field: Tensor) -> Tensor:
    """All spatial axes as one: ``batch time channel point`` (one point when there is no space)."""
    return field.reshape(*field.shape[:3], -1)


def rms(field: Tensor) -> Tensor:
    """Root mean square over space, ``batch time channel``; its gradient is finite for a zero field."""
    flat = flat_space(field)
    return flat.norm(dim=-1) / flat.shape[-1] ** 0.5
