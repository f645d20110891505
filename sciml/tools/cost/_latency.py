"""Measuring how long predictions take, several against one another.

On a shared machine medians of separate timings differ by tens of percent, and with two threads by much more. So: one
thread, three calls to warm up, the candidates and a reference product interleaved in random order, the minimum of at
least 15 repeats, in two separate passes whose difference is the error of the measurement. Passes are added while it is
above 5 %.
"""

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch

from sciml.core.errors import UnsupportedError
from sciml.tools.cost._model import Latency

Call = Callable[[], object]
"""Makes one prediction."""

PATIENCE, FEWEST = 2.0, 3
"""Seconds that measuring may take where nobody says otherwise, and repeats of a pass, and calls to warm up, in any
case."""

_REFERENCE = "\0reference"  # no caller can have a name with this character in a file
_MOST_PASSES = 6
_TOLERANCE = 0.05  # passes that differ by more are repeated


def measure_latencies(
    calls: Mapping[str, Call],
    *,
    device: torch.device | str = "cpu",
    repeats: int = 15,
    patience: float | None = None,
    seed: int = 0,
    processor: bool = False,
) -> dict[str, Latency]:
    """Time of each call, measured side by side, so that their ratios hold even where the machine's speed drifts.

    The number of torch's threads is one meanwhile and is restored.

    Arguments:
        calls: predictions by name; each is made many times and must do the same work every time.
        device: where they compute; a GPU is waited for.
        repeats: per call and pass.
        patience: seconds after which no further repeat is begun, but for three in each of two passes; `PATIENCE` if
            nobody says.
        seed: of the order within a repeat.
        processor: whether to take the processor time of this thread in place of wall time. On an idle processor it is
            the same; on a busy one it leaves out the waiting, which calls of tens of milliseconds never escape. On a
            GPU it would leave out the work.

    Raises:
        UnsupportedError: processor time is asked for on a GPU.

    Returns:
        A `Latency` by name, in the order of `calls`.
    """
    device, patience = torch.device(device), PATIENCE if patience is None else patience
    if processor and device.type != "cpu":
        raise UnsupportedError("processor time does not measure what a GPU computes", got=str(device))
    clock = time.thread_time if processor else time.perf_counter
    timed: dict[str, Call] = {**calls, _REFERENCE: _reference(device)}
    best: dict[str, list[float]] = {name: [] for name in timed}
    order, count, started = random.Random(seed), 0, time.perf_counter()
    with _one_thread():
        for call in timed.values():
            for _ in range(FEWEST):
                _seconds(call, device, clock)
        while len(best[_REFERENCE]) < 2 or (
            max(_spread(best[name]) for name in timed) > _TOLERANCE
            and len(best[_REFERENCE]) < _MOST_PASSES
            and time.perf_counter() - started < patience
        ):
            shortest = dict.fromkeys(timed, math.inf)
            for repeat in range(repeats):
                if repeat >= FEWEST and time.perf_counter() - started > patience:
                    break
                for name in order.sample(list(timed), len(timed)):
                    shortest[name] = min(shortest[name], _seconds(timed[name], device, clock))
                count += 1
            for name, seconds in shortest.items():
                best[name].append(seconds)
    return {
        name: Latency(
            seconds=min(best[name]),
            spread=_spread(best[name]),
            reference_seconds=min(best[_REFERENCE]),
            repeats=count,
            passes=len(best[name]),
        )
        for name in calls
    }


def _spread(shortest: list[float]) -> float:
    first, second = sorted(shortest)[:2]
    return (second - first) / first if first > 0 else 0.0


def _seconds(call: Call, device: torch.device, clock: Callable[[], float]) -> float:
    started = clock()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - started


def _reference(device: torch.device) -> Call:
    """512x512 @ 512x64, which takes a third of a millisecond on one core and repeats within 1 to 2 %."""
    a, b = torch.ones(512, 512, device=device), torch.ones(512, 64, device=device)
    return lambda: a @ b


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
