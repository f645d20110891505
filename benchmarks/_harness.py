"""The row of a race and the paired stopwatch."""

import gc
import importlib.metadata
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case of a race.

    Arguments:
        case: what was done, with its sizes.
        ours_s: median seconds of our side.
        peer: what it is compared with.
        peer_version: version of the peer's distribution, or of ours when the peer is another of our models.
        peer_s: median seconds of the peer; None when the peer is not installed.
        equal: largest relative difference of the two answers; None when they are not meant to agree.
        note: anything a reader of the ratio must know (parameters, units of work).
        trails: for races to an error, the pairs of seconds and error that every run of either side came through.
        evaluations: for integrators, the evaluations of the right-hand side and the error of every solve of a side.
    """

    case: str
    ours_s: float
    peer: str
    peer_version: str | None
    peer_s: float | None
    equal: float | None = None
    note: str = ""
    trails: dict[str, list[list[tuple[float, float]]]] = field(default_factory=dict)
    evaluations: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Peer's seconds over ours: above 1 we are faster."""
        return None if self.peer_s is None else self.peer_s / self.ours_s


def paired(
    ours: Callable[[], Any], peer: Callable[[], Any], *, repeats: int = 9, warmup: int = 1
) -> tuple[float, float]:
    """Median seconds of two callables run in turns (first one, then the other, the order swapped every turn).

    Arguments:
        ours, peer: the work; a GPU's work must end with its own synchronisation.
        repeats: timed turns.
        warmup: untimed turns before them.

    Returns:
        The medians ``(ours_s, peer_s)``.
    """
    sides = (ours, peer)
    seconds: tuple[list[float], list[float]] = ([], [])
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for turn in range(-warmup, repeats):
            for side in (0, 1) if turn % 2 == 0 else (1, 0):
                start = time.perf_counter()
                sides[side]()
                elapsed = time.perf_counter() - start
                if turn >= 0:
                    seconds[side].append(elapsed)
    finally:
        if collecting:
            gc.enable()
    return median(seconds[0]), median(seconds[1])


def difference(ours: Any, peer: Any) -> float:
    """max |ours - peer| / max |peer| of two arrays or tensors (0 when both are all zeros)."""
    gap, size = float(abs(ours - peer).max()), float(abs(peer).max())
    return gap / size if size else (0.0 if gap == 0 else math.inf)


def version(distribution: str) -> str | None:
    """Installed version of a distribution, None when it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
