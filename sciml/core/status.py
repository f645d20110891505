"""Per-sample outcome of a numerical method: failure is data you can count, not an exception in a batch."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import IntEnum

import numpy as np


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
    """An inner iteration stopped above its tolerance, or steps of twice the length give another answer."""


def count(status: Iterable[int]) -> dict[str, int]:
    """Number of samples per outcome, by lower-case name, most frequent first."""
    return {Status(int(code)).name.lower(): n for code, n in Counter(map(int, status)).most_common()}


def in_words(counts: Mapping[str, int]) -> str:
    """Samples that failed, ``2 of 5 samples failed: 1 diverged, 1 no event``; empty where none did."""
    failed = {name: number for name, number in counts.items() if name != Status.OK.name.lower() and number}
    if not failed:
        return ""
    kinds = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in failed.items())
    return f"{sum(failed.values())} of {sum(counts.values())} samples failed: {kinds}"


def flag_attributes(names: Iterable[str], long_name: str) -> dict[str, str | np.ndarray]:
    """CF attributes of a variable that holds the codes 0, 1, 2, ... of `names`; spaces in a name become underscores."""
    words = ["_".join(name.split()) for name in names]
    return {
        "long_name": long_name,
        "flag_values": np.arange(len(words), dtype=np.int8),
        "flag_meanings": " ".join(words),
    }


def status_attributes(long_name: str) -> dict[str, str | np.ndarray]:
    """CF attributes of a variable of status codes."""
    return flag_attributes((status.name.lower() for status in Status), long_name)
