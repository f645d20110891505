"""L-BFGS with a line search for the strong Wolfe conditions, and a reason where it ends.

Reference: J. Nocedal, S. J. Wright, Numerical Optimization (2006), algorithms 7.4, 3.5 and 3.6.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Value = Callable[[Tensor], tuple[float, Tensor]]
"""``parameters -> (loss, gradient)``."""

_ARMIJO, _CURVATURE = 1e-4, 0.9
_MOST_TRIALS = 25
_GRADIENT = 1e-14  # largest entry of the gradient, relative to 1, at which nothing is left to do


class _Trial(NamedTuple):
    """A point on the line: its distance, its loss, its slope along the line, its gradient."""

    length: float
    loss: float
    slope: float
    gradient: Tensor


class LBFGS:
    """One quasi-Newton step at a time over a flat vector of parameters.

    Arguments:
        history: pairs of steps and changes of the gradient that are kept.
    """

    def __init__(self, history: int = 50) -> None:
        self.history, self.stopped = history, ""
        self._steps: list[Tensor] = []
        self._changes: list[Tensor] = []

    def step(self, start: Float[Tensor, " parameter"], value: Value) -> tuple[float, Float[Tensor, " parameter"]]:
        """The loss at `start` and where to go next. Sets `stopped` where there is no way down."""
        loss, gradient = value(start)
        if not gradient.isfinite().all():
            self.stopped = "the gradient is not finite"
            return loss, start
        if float(gradient.abs().max()) <= _GRADIENT:
            self.stopped = "the gradient vanishes"
            return loss, start
        for attempt in range(2):
            direction = self._direction(gradient)
            first = 1.0 if self._steps else min(1.0, 1 / float(gradient.abs().sum()))
            slope = float(gradient @ direction)
            accepted = _search(lambda t, d=direction: _along(value, start, d, t), loss, slope, first)
            if accepted is not None:
                move, change = accepted.length * direction, accepted.gradient - gradient
                if float(move @ change) > 1e-10 * float(change @ change):
                    self._steps, self._changes = [*self._steps, move], [*self._changes, change]
                    self._steps, self._changes = self._steps[-self.history :], self._changes[-self.history :]
                return loss, start + move
            if attempt == 0 and self._steps:
                self._steps, self._changes = [], []  # once more downhill, without what the past says
            else:
                break
        self.stopped = f"no step along the gradient lowers the loss below {loss:.3g}"
        return loss, start

    def _direction(self, gradient: Tensor) -> Tensor:
        """-H g by the two loops."""
        q, factors = -gradient.clone(), []
        for s, y in zip(reversed(self._steps), reversed(self._changes), strict=True):
            rho = 1 / (s @ y)
            alpha = rho * (s @ q)
            q -= alpha * y
            factors.append((rho, alpha))
        if self._steps:
            s, y = self._steps[-1], self._changes[-1]
            q *= (s @ y) / (y @ y)
        for (s, y), (rho, alpha) in zip(zip(self._steps, self._changes, strict=True), reversed(factors), strict=True):
            q += s * (alpha - rho * (y @ q))
        return q

    def state_dict(self) -> dict[str, Any]:  # Any: as in the contract
        """The pairs."""
        return {"steps": list(self._steps), "changes": list(self._changes), "stopped": self.stopped}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # Any: as in the contract
        """Go on from there."""
        self._steps, self._changes, self.stopped = list(state["steps"]), list(state["changes"]), state["stopped"]


def _along(value: Value, start: Tensor, direction: Tensor, length: float) -> _Trial:
    loss, gradient = value(start + length * direction)
    return _Trial(length, loss, float(gradient @ direction), gradient)


def _search(trial: Callable[[float], _Trial], loss: float, slope: float, first: float) -> _Trial | None:
    """A length with the strong Wolfe conditions, or at least with enough decrease; None if there is none."""
    if slope >= 0:
        return None
    low: _Trial | None = None
    high: _Trial | None = None
    best: _Trial | None = None
    length, origin = first, _Trial(0.0, loss, slope, torch.zeros(0))
    for _ in range(_MOST_TRIALS):
        candidate = trial(length)
        below = low or origin
        enough = candidate.loss <= loss + _ARMIJO * length * slope
        if enough and (best is None or candidate.loss < best.loss):
            best = candidate
        if not enough or candidate.loss >= below.loss or not candidate.gradient.isfinite().all():
            high = candidate
        elif abs(candidate.slope) <= -_CURVATURE * slope:
            return candidate
        elif candidate.slope >= 0:
            high, low = candidate, low
        else:
            low = candidate
        length = 2 * length if high is None else _between(low or origin, high)
    return best


def _between(low: _Trial, high: _Trial) -> float:
    """Where a cubic through both ends has its minimum, kept away from them."""
    width = high.length - low.length
    guess = low.length + 0.5 * width
    if high.loss == high.loss and abs(high.loss) != float("inf"):
        d1 = low.slope + high.slope - 3 * (low.loss - high.loss) / (low.length - high.length)
        square = d1 * d1 - low.slope * high.slope
        if square >= 0:
            d2 = square**0.5
            nominator = high.slope + d2 - d1
            divisor = high.slope - low.slope + 2 * d2
            if divisor:
                guess = high.length - width * nominator / divisor
    return min(max(guess, low.length + 0.1 * width), low.length + 0.9 * width)
