"""What a rollout as a whole is judged by: how long it holds, what it conserves, one number for all its steps."""

from jaxtyping import Float, Int
from torch import Tensor

from sciml.metrics._metric import Metric

VALID_STEPS = Metric("valid_steps", "valid steps", better="higher")
DRIFT = Metric("*_drift", "{0} drift", names=lambda problem: [entry.name for entry in problem.invariants])


def valid_steps(error: Float[Tensor, "*batch time"], threshold: float) -> Int[Tensor, "*batch"]:
    """Number of steps before the error first exceeds `threshold`; all of them if it never does.

    Arguments:
        error: any error per rollout step, time last. NaN (a diverged rollout) counts as exceeding.
        threshold: in the units of `error`.
    """
    return (error <= threshold).long().cumprod(-1).sum(-1)


def geometric_mean(error: Float[Tensor, "*batch time"]) -> Float[Tensor, "*batch"]:
    """Geometric mean over rollout steps, ``exp ⟨log error⟩``, so that late steps do not drown early ones (APEBench).

    Zero if a step is exact; NaN if a step is NaN.
    """
    return error.log().mean(-1).exp()


def drift(
    values: Float[Tensor, "batch time"], *, scale: Float[Tensor, " batch"] | None = None
) -> Float[Tensor, "batch time"]:
    """Relative change of a conserved quantity since the first frame, ``(Q(t) - Q(0)) / scale``, with its sign.

    Arguments:
        values: what ``Invariant.compute`` gives, best of float64 states; prepend the initial state to a prediction.
        scale: what a change is compared with, per sample; None for ``|Q(0)|``. Give one where Q(0) may vanish.
    """
    start = values[:, :1]
    return (values - start) / (start.abs() if scale is None else scale[:, None])
