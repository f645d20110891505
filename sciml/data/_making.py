"""Making the shards of a dataset: resumable, in order of need, the same bits for any number of workers.

What a shard holds is a matter of the card and its number, never of a worker. A file that has its final name is
finished; a damaged one is set aside (renamed, never deleted) and made again.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError, Executor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path
from typing import Any

from sciml.core.errors import ConfigError, DataError
from sciml.core.paths import storage_errors
from sciml.core.processes import interrupts_held, processes, usable_cores
from sciml.core.progress import Progress
from sciml.core.status import Status, count
from sciml.data._layout import Piece

_POOL_PAYS = 4.0  # seconds of work below which starting processes, which takes two to five, is not worth it
PATIENCE = 7 * 24 * 3600.0
"""Seconds that a process waits for another one that makes the same data."""


class ShardSet(ABC):
    """The shards of one dataset.

    Fields:
        label: the dataset in words, for progress and errors.
        folder: where the files lie.
    """

    label: str
    folder: Path

    @abstractmethod
    def check(self, piece: Piece) -> None:
        """Read a shard completely. Raises DataError for one that is missing or damaged."""

    @abstractmethod
    def make(self, piece: Piece) -> list[int]:
        """Make a shard and write it; the status code of every sample."""

    @abstractmethod
    def remote(self) -> tuple[Callable[..., list[int]], tuple[Any, ...]]:  # Any: whatever can be pickled
        """What makes a shard in another process: a function of a module, and its arguments before the piece."""

    def path(self, piece: Piece) -> Path:
        """The file of a shard."""
        return self.folder / piece.filename

    @property
    def lock(self) -> Path:
        """The lock held by whoever writes into the folder."""
        return self.folder / ".lock"


def check_workers(workers: int) -> None:
    """Raise ConfigError for a number of workers that is none."""
    if workers < 0:
        raise ConfigError("too few workers", got=workers, expected="at least 1, or 0 for as many as there are cores")


def flaw(shards: ShardSet, piece: Piece) -> DataError | None:
    """What is wrong with a shard; None if it is in order."""
    try:
        shards.check(piece)
    except DataError as error:
        return error
    return None


def make_missing(
    shards: ShardSet, pieces: Sequence[Piece], workers: int, executor: Executor | None, progress: Progress
) -> None:
    """Make those of the pieces that are missing or damaged. The caller holds the lock."""
    missing = _tidy(shards, pieces, progress)
    total = sum(piece.count for piece in pieces)
    done, outcomes = total - sum(piece.count for piece in missing), []
    with (
        progress.task(shards.label, total, done) as advance,
        closing(_outcomes(shards, missing, workers, executor)) as finished,
    ):
        for status in finished:
            outcomes += status
            failed = sum(code != Status.OK for code in outcomes)
            advance(len(status), f"{failed} failed" if failed else "")
    if any(outcomes):
        progress.log(f"{shards.label}: outcomes of the reference solver: {count(outcomes)}")


def _tidy(shards: ShardSet, pieces: Sequence[Piece], progress: Progress) -> list[Piece]:
    """Remove temporaries of killed runs, set damaged shards aside, and return what is to be made."""
    _sweep(shards.folder)
    missing = []
    for piece in pieces:
        fault, path = flaw(shards, piece), shards.path(piece)
        if fault and path.exists():
            spare = next(
                name for n in range(1_000_000) if not (name := path.with_name(f"{path.name}.bad-{n}")).exists()
            )
            with storage_errors(path):
                path.rename(spare)
            progress.log(f"{fault.what}; it was set aside as {spare.name} and is made again")
        if fault:
            missing.append(piece)
    return missing


def _sweep(folder: Path) -> None:
    with storage_errors(folder):
        for stale in folder.glob(".tmp-*"):
            stale.unlink(missing_ok=True)


def _outcomes(shards: ShardSet, pieces: list[Piece], workers: int, executor: Executor | None) -> Generator[list[int]]:
    """Make the shards, yielding the status codes of each as it is finished."""
    if executor is not None:
        yield from _submit(executor, shards, pieces)
        return
    while workers == 0 and pieces:
        started = time.perf_counter()
        yield shards.make(pieces[0])
        pieces = pieces[1:]
        if (time.perf_counter() - started) * len(pieces) > _POOL_PAYS:
            workers = usable_cores()
    if min(workers, len(pieces)) > 1:
        try:
            with processes(min(workers, len(pieces))) as pool:
                yield from _submit(pool, shards, pieces)
        finally:
            _sweep(shards.folder)  # what interrupted workers left
    else:
        for piece in pieces:
            yield shards.make(piece)


def _submit(executor: Executor, shards: ShardSet, pieces: list[Piece]) -> Generator[list[int]]:
    make, common = shards.remote()
    with interrupts_held():  # a worker that is still starting must not answer Ctrl-C with a traceback
        futures = [executor.submit(make, *common, piece) for piece in pieces]
    try:
        for future in as_completed(futures):
            yield future.result()
    except (BrokenProcessPool, CancelledError) as error:
        raise DataError(
            f"a worker process ended while it generated {shards.label}",
            fix="It may have been killed for want of memory: use fewer workers. What was finished is kept and the same "
            "command resumes.",
        ) from error
    finally:
        for future in futures:
            future.cancel()
