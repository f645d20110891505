"""Progress of long work: bars on a terminal and in a notebook, plain lines in a pipe, nothing when a machine reads.

What is not shown in a notebook goes to standard error, so that standard output stays clean for results and ``--json``.
"""

from __future__ import annotations

import importlib
import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO, runtime_checkable

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

Advance = Callable[..., None]
"""``advance(n=1, note="")``: n more units are done; `note` is a short text shown beside the bar."""


@runtime_checkable
class Progress(Protocol):
    """Where long work reports."""

    def task(self, label: str, total: int, done: int = 0) -> AbstractContextManager[Advance]:
        """A context manager around `total` units of work, `done` of them before; yields an `Advance`."""
        ...

    def log(self, message: str) -> None:
        """One line of news."""
        ...


class SilentProgress:
    """Reports nothing."""

    @contextmanager
    def task(self, label: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Count nothing."""
        yield lambda n=1, note="": None

    def log(self, message: str) -> None:
        """Drop the message."""


class LineProgress:
    """Plain lines for pipes and logs: one at the start, one every `every` seconds, one at the end."""

    def __init__(self, stream: TextIO | None = None, every: float = 10.0) -> None:
        self._stream, self._every = stream or sys.stderr, every

    @contextmanager
    def task(self, label: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Write a line now and then, and one at the end."""
        start = last = time.monotonic()
        text = ""

        def advance(n: int = 1, note: str = "") -> None:
            nonlocal done, last, text
            done, text = done + n, note
            if time.monotonic() - last >= self._every:
                last = time.monotonic()
                self.log(f"{label}: {done}/{total} {text}".rstrip())

        yield advance
        self.log(f"{label}: {done}/{total} in {time.monotonic() - start:.1f} s {text}".rstrip())

    def log(self, message: str) -> None:
        """Write one line."""
        self._stream.write(message + "\n")
        self._stream.flush()


class BarProgress:
    """Bars on a terminal, with the time left."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)

    @contextmanager
    def task(self, label: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Draw a bar."""
        from rich import progress

        with progress.Progress(*_columns(), console=self._console) as bars:
            bar = bars.add_task(label, total=total, completed=done, note="")
            yield lambda n=1, note="": bars.update(bar, advance=n, note=note)

    def log(self, message: str) -> None:
        """Print one line above the bars."""
        self._console.print(message, highlight=False, markup=False)


class NotebookProgress:
    """Bars below the cell of a notebook, one per task, redrawn in place.

    Rich's own live display needs ipywidgets; updating a displayed object needs what every notebook has.

    Arguments:
        every: seconds between two drawings, so that a fast loop does not flood the browser.
    """

    def __init__(self, every: float = 0.2) -> None:
        self._every = every

    @contextmanager
    def task(self, label: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Display a bar."""
        from rich import progress
        from rich.console import Console

        display = importlib.import_module("IPython.display").display  # there in notebooks, and no dependency of ours
        bars = progress.Progress(*_columns(), console=Console(force_jupyter=False, file=io.StringIO(), width=100))
        bar = bars.add_task(label, total=total, completed=done, note="")
        if (shown := display(bars, display_id=True)) is None:
            raise AssertionError("with an identity, a display gives a handle")
        last = time.monotonic()

        def advance(n: int = 1, note: str = "") -> None:
            nonlocal last
            bars.update(bar, advance=n, note=note)
            if time.monotonic() - last >= self._every:
                last = time.monotonic()
                shown.update(bars)

        try:
            yield advance
        finally:
            bars.stop_task(bar)
            shown.update(bars)

    def log(self, message: str) -> None:
        """Write one line below the cell."""
        sys.stdout.write(message + "\n")


def make_progress(quiet: bool = False) -> Progress:
    """The progress that suits standard error: bars on a terminal, lines in a pipe, silence if `quiet`."""
    if quiet:
        return SilentProgress()
    return BarProgress() if sys.stderr.isatty() else LineProgress()


def interactive_progress() -> Progress:
    """What suits somebody who calls a function: bars in a notebook or at a prompt, silence in a program."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is not None:
        return NotebookProgress()
    at_prompt = shell is not None or hasattr(sys, "ps1")
    return BarProgress() if at_prompt and sys.stderr.isatty() else SilentProgress()


def _columns() -> tuple[ProgressColumn, ...]:
    from rich import progress

    return (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[note]}"),
    )
