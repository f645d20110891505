"""How far weights that get no gradient decay in a training, before it begins.

Without gradient momentum SGD does to a weight  v ← β v + η w,  w ← w - α v.  For small α η each e-fold takes
(1 - β) / (α η) steps; above α η = (1 - √β)² the decay saturates at 2 / (1 - β) steps per e-fold, and oscillates.
"""

import math
from collections.abc import Sequence

from sciml.core.errors import UserError
from sciml.tools.prune._config import LEAST_DECAY


def decay_of(rates: Sequence[float], momentum: float, weight_decay: float) -> float:
    """e-folds by which such a weight has decayed after all steps, by its recurrence.

    What counts is the amplitude √(w² + (α v)²): an oscillating weight that happens to be near zero has not decayed.

    Arguments:
        rates: α of every step.
        momentum: β.
        weight_decay: η.
    """
    weight, velocity, shrunk = 1.0, 0.0, 0.0
    rate = rates[0] if rates else 0.0
    for rate in rates:
        velocity = momentum * velocity + weight_decay * weight
        weight -= rate * velocity
        size = math.hypot(weight, rate * velocity)
        if not 0 < size < math.inf:
            return shrunk if size else math.inf
        if size < 1e-100 or size > 1e100:
            shrunk, weight, velocity = shrunk - math.log(size), weight / size, velocity / size
    return shrunk - math.log(math.hypot(weight, rate * velocity))


def _largest(rates: Sequence[float], momentum: float) -> float:
    return (1 - math.sqrt(momentum)) ** 2 / max(rates)


def reachable_decay(rates: Sequence[float], momentum: float) -> float:
    """The most e-folds that a weight decay gives without oscillation; the same for any scale of the rates."""
    return decay_of(rates, momentum, _largest(rates, momentum))


def weight_decay_for(decay: float, rates: Sequence[float], momentum: float) -> float:
    """The smallest η that gives `decay` e-folds.

    Raises:
        UserError: no weight decay does in so few steps.
    """
    largest, reachable = _largest(rates, momentum), reachable_decay(rates, momentum)
    if reachable < decay:
        steps = math.ceil(len(rates) * decay / max(reachable, 1e-3))
        raise UserError(
            f"{len(rates)} steps cannot decay the other weights far enough without making them oscillate",
            got=f"at most {reachable:.2g} e-folds at momentum {momentum:g}",
            expected=f"{decay:g}, so that cutting them off changes nothing",
            fix=f"Take about {steps} steps or more (steps=…), or a lower momentum.",
        )
    low, high = 0.0, largest
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if decay_of(rates, momentum, middle) >= decay else (middle, high)
    return high


def check_decay(rates: Sequence[float], momentum: float, weight_decay: float) -> float:
    """The e-folds of a weight decay that was asked for. Raises UserError for fewer than `LEAST_DECAY`."""
    decay = decay_of(rates, momentum, weight_decay)
    if decay < LEAST_DECAY:
        total = sum(rates)
        needed = LEAST_DECAY * (1 - momentum) / total
        raise UserError(
            "this weight decay leaves the other weights too large to be cut off",
            got=f"weight_decay={weight_decay:g}: {decay:.2g} e-folds in {len(rates)} steps",
            expected=f"at least {LEAST_DECAY:g}",
            fix=f"Set weight_decay={1.05 * needed:.2g} or more, take more steps, or leave weight_decay out.",
        )
    return decay
