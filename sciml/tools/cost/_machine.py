"""Which machine a measurement is of, and what it draws from the mains."""

import platform
import time
from collections.abc import Callable
from pathlib import Path

import pydantic
import torch

from sciml.core.config import Config
from sciml.core.errors import UnsupportedError

_RAPL = Path("/sys/class/powercap")
_LONGEST = 2**20  # calls that are made to fill the time


class Machine(Config):
    """What a measured cost depends on besides its conditions."""

    processor: str = pydantic.Field(max_length=200)
    """Its name as the system gives it."""
    torch: str = pydantic.Field(max_length=100)
    """Version."""


def this_machine() -> Machine:
    """The one that this program runs on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return Machine(processor=named or platform.processor() or platform.machine(), torch=torch.__version__)


def measure_energy(call: Callable[[], object], *, seconds: float = 0.5, repeats: int = 3) -> float:
    """Joules of one call, by the counters of the processor's packages (RAPL): the least of several averages.

    They count whatever else runs on the processor, so that it should be idle otherwise.

    Arguments:
        call: makes one prediction.
        seconds: over which calls are averaged.
        repeats: averages.

    Raises:
        UnsupportedError: the counters cannot be read.
    """
    counters = _counters()
    call()
    readings = []
    for _ in range(repeats):
        before, began, calls = _read(counters), time.perf_counter(), 0
        while calls < _LONGEST and (time.perf_counter() - began < seconds or not calls):
            call()
            calls += 1
        spent = [a - b for a, b in zip(_read(counters), before, strict=True)]
        if min(spent) >= 0:  # a counter that began anew within these seconds says nothing
            readings.append(1e-6 * sum(spent) / calls)
    if not readings:
        raise UnsupportedError("the energy counters of the processor began anew in every measurement")
    return min(readings)


def _counters() -> list[Path]:
    counters = sorted(_RAPL.glob("intel-rapl:?/energy_uj"))
    try:
        _read(counters)
    except OSError as error:
        raise UnsupportedError("the energy counters of the processor cannot be read", got=error,
                               fix="They are root's unless the administrator says otherwise.") from None  # fmt: skip
    if not counters:
        raise UnsupportedError("this machine has no energy counters that can be read", got=f"nothing in {_RAPL}",
                               expected="intel-rapl:*/energy_uj", fix="Search for latency instead.")  # fmt: skip
    return counters


def _read(counters: list[Path]) -> list[int]:
    return [int(path.read_text()) for path in counters]
