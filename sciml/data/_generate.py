"""Making a dataset: shard by shard, resumable, the same bits for any number of workers.

A trajectory's seed is derived from the card's seed, the problem, the split and its number, never from a worker; a shard
is one batch of the reference solver, on one thread. A file that has its final name is finished. One process at a time
writes into a dataset's folder (a file lock); another that wants the same data waits and then finds it there.
"""

import time
from collections.abc import Generator
from concurrent.futures import CancelledError, Executor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch

from sciml.core import registry
from sciml.core.errors import ConfigError, DataError, UnsupportedError, UserError
from sciml.core.paths import locked, storage_errors
from sciml.core.problem import Problem
from sciml.core.processes import interrupts_held, processes, usable_cores
from sciml.core.progress import Progress, SilentProgress
from sciml.core.recorded import Recorded
from sciml.core.rng import generator
from sciml.core.status import Status, count
from sciml.core.types import Params, Trajectory
from sciml.data._dataset import Dataset, lock_path, open_dataset
from sciml.data._layout import BEYOND, Layout, Piece, make_layout
from sciml.data._statistics import compute_statistics, load_statistics, save_statistics
from sciml.data._store import Shard, load_shard, save_shard

_POOL_PAYS = 4.0  # seconds of work below which starting processes, which takes two to five, is not worth it
_PATIENCE = 7 * 24 * 3600.0
_SILENT = SilentProgress()


def generate(
    problem: Problem | str | Path,
    preset: str = "tiny",
    *,
    workers: int = 1,
    executor: Executor | None = None,
    progress: Progress = _SILENT,
) -> Dataset:
    """Make what is missing of a dataset and open it; imported data is opened as it is.

    A shard that is there but damaged is set aside (renamed, never deleted) and made again.

    Arguments:
        problem: a problem that is `Evolves`, or imported data; or the name or folder of one.
        preset: a table of its dataset card.
        workers: processes on this machine; 0 for as many as there are cores, if the first shard shows that they pay.
        executor: somebody else's workers instead (for example Dask's ``client.get_executor()``).
        progress: where to report.

    Raises ConfigError, UnknownNameError and UnsupportedError for what cannot be made, StorageError for a disk that is
    full or read-only. Whatever was finished before an error or an interrupt is kept, and the next call goes on from it.
    """
    if workers < 0:
        raise ConfigError("too few workers", got=workers, expected="at least 1, or 0 for as many as there are cores")
    problem = registry.as_problem(problem)
    if isinstance(problem, Recorded):
        return open_dataset(problem, preset)
    layout = make_layout(problem, preset)
    if any(_flaw(layout, piece) for piece in layout.all_pieces()) or load_statistics(layout) is None:
        with locked(lock_path(layout), f"generating {problem.name} {preset}", timeout=_PATIENCE):
            missing = _tidy(layout, progress)
            _make_all(layout, missing, workers, executor, progress)
            save_statistics(layout, compute_statistics(layout))
    return open_dataset(problem, preset)


def simulate_piece(layout: Layout, piece: Piece) -> Shard:
    """The trajectories of one shard, computed in float64 on one thread and rounded to float32."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            parameters, trajectory = _simulate(layout, piece)
    finally:
        torch.set_num_threads(threads)
    states = trajectory.states.float()
    broken = (~states.isfinite()).flatten(2).any(2).cumsum(1) > 0  # sample time: at or after the first failure
    states[broken] = torch.nan
    status = torch.where(broken[:, -1] & (trajectory.status == Status.OK), int(Status.DIVERGED), trajectory.status)
    columns = [parameters[name].double() for name in layout.parameter_names]
    table = torch.stack(columns, 1) if columns else torch.zeros(piece.count, 0, dtype=torch.float64)
    return Shard(states, table, status.to(torch.int8))


def _simulate(layout: Layout, piece: Piece) -> tuple[Params, Trajectory]:
    problem, grid = layout.problem, layout.grid
    if isinstance(problem, Recorded):
        raise UnsupportedError(f"problem {problem.name!r} is imported data, which nothing simulates")
    draws, initials = [], []
    for index in range(piece.first, piece.first + piece.count):
        randomness = generator(layout.card.seed, problem.name, piece.split, index)
        draws.append((problem.draw_beyond if piece.split == BEYOND else problem.draw)(randomness))
        initials.append(problem.initial(draws[-1], grid, randomness))
    parameters = {name: torch.stack([draw[name] for draw in draws]) for name in layout.parameter_names}
    trajectory = problem.simulate(parameters, torch.stack(initials), layout.times, grid)
    expected = layout.state_shape(piece.count)
    if tuple(trajectory.states.shape) != expected or tuple(trajectory.status.shape) != (piece.count,):
        raise UserError(
            f"the reference solver of {problem.name!r} returned another shape than it was asked for",
            got=f"states {tuple(trajectory.states.shape)}, status {tuple(trajectory.status.shape)}",
            expected=f"states {expected} (sample, time, channel, *space), status {(piece.count,)}",
        )
    return parameters, trajectory


def _flaw(layout: Layout, piece: Piece) -> DataError | None:
    try:
        load_shard(layout, piece)
    except DataError as error:
        return error
    return None


def _tidy(layout: Layout, progress: Progress) -> list[Piece]:
    """Remove temporaries of killed runs, set damaged shards aside, and return what is to be made."""
    _sweep(layout.folder)
    missing = []
    for piece in layout.all_pieces():
        flaw, path = _flaw(layout, piece), layout.path(piece)
        if flaw and path.exists():
            spare = next(
                name for n in range(1_000_000) if not (name := path.with_name(f"{path.name}.bad-{n}")).exists()
            )
            with storage_errors(path):
                path.rename(spare)
            progress.log(f"{flaw.what}; it was set aside as {spare.name} and is made again")
        if flaw:
            missing.append(piece)
    return missing


def _sweep(folder: Path) -> None:
    with storage_errors(folder):
        for stale in folder.glob(".tmp-*"):
            stale.unlink(missing_ok=True)


def _make_all(layout: Layout, pieces: list[Piece], workers: int, executor: Executor | None, progress: Progress) -> None:
    total = sum(piece.count for piece in layout.all_pieces())
    done, outcomes = total - sum(piece.count for piece in pieces), []
    label = f"{layout.problem.name} {layout.preset}"
    with (
        progress.task(label, total, done) as advance,
        closing(_outcomes(layout, pieces, workers, executor)) as finished,
    ):
        for status in finished:
            outcomes += status
            failed = sum(code != Status.OK for code in outcomes)
            advance(len(status), f"{failed} failed" if failed else "")
    if any(outcomes):
        progress.log(f"{label}: outcomes of the reference solver: {count(outcomes)}")


def _outcomes(layout: Layout, pieces: list[Piece], workers: int, executor: Executor | None) -> Generator[list[int]]:
    """Make the shards, yielding the status codes of each as it is finished."""
    if executor is not None:
        yield from _submit(executor, layout, pieces)
        return
    while workers == 0 and pieces:
        started = time.perf_counter()
        yield _make(layout, pieces[0])
        pieces = pieces[1:]
        if (time.perf_counter() - started) * len(pieces) > _POOL_PAYS:
            workers = usable_cores()
    if min(workers, len(pieces)) > 1:
        try:
            with processes(min(workers, len(pieces))) as pool:
                yield from _submit(pool, layout, pieces)
        finally:
            _sweep(layout.folder)  # what interrupted workers left
    else:
        for piece in pieces:
            yield _make(layout, piece)


def _make(layout: Layout, piece: Piece) -> list[int]:
    shard = simulate_piece(layout, piece)
    save_shard(layout, piece, shard)
    return shard.status.tolist()


def _submit(executor: Executor, layout: Layout, pieces: list[Piece]) -> Generator[list[int]]:
    source = str(registry.folder_of(layout.problem))
    common = (source, layout.preset, layout.digest, str(layout.folder))
    with interrupts_held():  # a worker that is still starting must not answer Ctrl-C with a traceback
        futures = [executor.submit(make_remotely, *common, piece) for piece in pieces]
    try:
        for future in as_completed(futures):
            yield future.result()
    except (BrokenProcessPool, CancelledError) as error:
        raise DataError(
            f"a worker process ended while it generated {layout.problem.name} {layout.preset}",
            fix="It may have been killed for want of memory: use fewer workers. What was finished is kept and the same "
            "command resumes.",
        ) from error
    finally:
        for future in futures:
            future.cancel()


def make_remotely(source: str, preset: str, digest: str, folder: str, piece: Piece) -> list[int]:
    """What a worker does: load the problem by its folder, and make one shard."""
    layout = make_layout(registry.find_problem(Path(source)), preset)
    if layout.digest != digest:
        raise DataError(
            f"a worker has another version of {layout.problem.name} or of its card",
            got=f"digest {layout.digest[:12]}",
            expected=digest[:12],
            fix="Install the same code on every machine.",
        )
    return _make(replace(layout, folder=Path(folder)), piece)
