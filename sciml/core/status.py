"""Per-sample outcome of a numerical method: failure is data you can count, not an exception in a batch."""

from collections import Counter
from collections.abc import Iterable
from enum import IntEnum


class Status(IntEnum):
    """How one sample of a batched computation ended; stored as int8 beside the sample."""

    OK = 0
    DIVERGED = 1
    """A field became non-finite or left its admissible range (for example a negative depth)."""
    STEP_UNDERFLOW = 2
    """The time step fell below what the precision can represent."""
    MAX_STEPS = 3
    """The step budget ran out before the final time."""
    NO_EVENT = 4
    """The event that was waited for (an ignition, a crossing) did not happen."""
    NOT_CONVERGED = 5
    """An inner iteration stopped above its tolerance."""


def count(status: Iterable[int]) -> dict[str, int]:
    """Number of samples per outcome, by lower-case name, most frequent first."""
    return {Status(int(code)).name.lower(): n for code, n in Counter(map(int, status)).most_common()}
