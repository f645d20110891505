"""Work for other processes: how many are useful, a pool of them that ends with this one, and what interrupts it."""

import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Protocol, runtime_checkable


@runtime_checkable
class _Readable(Protocol):
    """The reading end of a pipe; its class is another one on every system."""

    def recv_bytes(self) -> bytes: ...


def collect_rarely() -> None:
    """Let Python look for garbage less often, in a process that is ours: libraries make a million objects that stay."""
    gc.set_threshold(50_000, 20, 20)


def usable_cores() -> int:
    """Cores this process may run on, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """A pool of fresh processes that end with this one, however it ends.

    Each worker watches one end of a pipe whose other end only this process holds: an interrupt closes it, and so does
    the kernel after ``kill -9``.
    """
    context = multiprocessing.get_context("spawn")
    watched, lifeline = context.Pipe(duplex=False)
    with ProcessPoolExecutor(workers, context, _begin, (watched,)) as pool:
        try:
            yield pool
        except BaseException:
            lifeline.close()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    lifeline.close()
    watched.close()


class Interrupt:
    """What SIGINT and SIGTERM do in a process that is ours: KeyboardInterrupt, but none where much would be left half.

    A library that is stopped half imported may swallow the exception and break down later with another one, and a
    worker that is started without what it is to know complains. So the signal comes again a little later until the
    import or the start is done, for at most `PATIENCE` seconds.
    """

    PATIENCE, PAUSE = 5.0, 0.02

    def __init__(self) -> None:
        self._asked: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        now = time.monotonic()
        self._asked = now if self._asked is None else self._asked
        if os.name == "posix" and now - self._asked < self.PATIENCE and _is_delicate(frame):
            again = threading.Timer(self.PAUSE, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        self._asked = None
        raise KeyboardInterrupt


def _is_delicate(frame: FrameType | None) -> bool:
    """Whether a library is imported, or a worker or the thread that minds the workers started."""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib") or file.endswith("popen_spawn_posix.py"):
            return True
        if frame.f_code.co_name == "_start_executor_manager_thread":  # of concurrent.futures, which joins it unasked
            return True
        frame = frame.f_back
    return False


@contextmanager
def terminations_interrupt() -> Iterator[None]:
    """SIGTERM as SIGINT in a process that is ours, both as an `Interrupt`; what is in hand is put down in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = Interrupt()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number, handler in before.items():
        if number == signal.SIGTERM or handler is not signal.SIG_IGN:  # who started us may have switched SIGINT off
            signal.signal(number, ours)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Let SIGINT wait; processes started meanwhile inherit the mask and never see one. Nothing on Windows."""
    if os.name != "posix":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(watched: _Readable) -> None:
    collect_rarely()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, args=(watched,), daemon=True).start()


def _end_with_parent(watched: _Readable) -> None:
    try:
        watched.recv_bytes()
    except EOFError:
        os._exit(1)
