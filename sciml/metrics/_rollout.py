"""What a rollout as a whole is judged by: how long it holds, what it conserves, one number for all its steps."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from sciml.metrics._metric import Metric
from sciml.metrics._named_axes import Array, read_series

VALID_STEPS = Metric("valid_steps", "valid steps", better="higher")
DRIFT = Metric("*_drift", "{0} drift", names=lambda problem: [entry.name for entry in problem.invariants])


def valid_steps(error: Array, threshold: float, *, dims: str | None = None) -> Array:
    """Number of steps before the error first exceeds `threshold`; all of them if it never does.

    Arguments:
        error: any error per rollout step. NaN (a diverged rollout) counts as exceeding.
        threshold: in the units of `error`.

    Returns:
        The axes of `error` without time.
    """
    axes, values = read_series(error, dims)
    return axes.result((values <= threshold).long().cumprod(-1).sum(-1), "sample channel")


def geometric_mean(error: Array, *, dims: str | None = None) -> Array:
    """Geometric mean over rollout steps, ``exp ⟨log error⟩``, so that late steps do not drown early ones (APEBench).

    Zero if a step is exact; NaN if a step is NaN. The result has the axes of `error` without time.
    """
    axes, values = read_series(error, dims)
    return axes.result(values.log().mean(-1).exp(), "sample channel")


def drift(values: Array, *, scale: Float[Tensor, " sample"] | None = None, dims: str | None = None) -> Array:
    """Relative change of a conserved quantity since the first frame, ``(Q(t) - Q(0)) / scale``, with its sign.

    Arguments:
        values: what ``Invariant.compute`` gives, best of float64 states; prepend the initial state to a prediction.
        scale: what a change is compared with, per sample; None for ``|Q(0)|``. Give one where Q(0) may vanish.

    Returns:
        The axes of `values`.
    """
    axes, series = read_series(values, dims)
    start = series[..., :1]
    change = (series - start) / (start.abs() if scale is None else scale[:, None, None])
    return axes.result(change.movedim(-1, 1), "sample time channel")
