"""Making a dataset: shard by shard, resumable, the same bits for any number of workers.

A trajectory's seed is derived from the card's seed, the problem, the split and its number, never from a worker; a shard
is one batch of the reference solver, on one thread. A file that has its final name is finished. One process at a time
writes into a dataset's folder (a file lock); another that wants the same data waits and then finds it there.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core import registry
from sciml.core.capabilities import HasDerivedQuantities
from sciml.core.errors import DataError, UnsupportedError, UserError
from sciml.core.guests import as_guest
from sciml.core.paths import locked
from sciml.core.problem import Problem
from sciml.core.progress import Progress, SilentProgress
from sciml.core.recorded import Recorded
from sciml.core.rng import generator
from sciml.core.status import Status
from sciml.core.types import Params, Trajectory
from sciml.data._dataset import Dataset, open_dataset
from sciml.data._layout import BEYOND, Layout, Piece, make_layout
from sciml.data._making import PATIENCE, ShardSet, check_workers, flaw, make_missing
from sciml.data._statistics import compute_statistics, load_statistics, save_statistics
from sciml.data._store import Shard, load_shard, save_shard

_SILENT = SilentProgress()


@as_guest()
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
    check_workers(workers)
    problem = registry.as_problem(problem)
    if isinstance(problem, Recorded):
        return open_dataset(problem, preset)
    layout = make_layout(problem, preset)
    shards, pieces = TrajectoryShards(layout), layout.all_pieces()
    if any(flaw(shards, piece) for piece in pieces) or load_statistics(layout) is None:
        with locked(shards.lock, f"generating {shards.label}", timeout=PATIENCE):
            make_missing(shards, pieces, workers, executor, progress)
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
    return Shard(states, table, status.to(torch.int8), derived=_derived(layout, parameters, trajectory))


def _derived(layout: Layout, parameters: Params, trajectory: Trajectory) -> Float[Tensor, "sample quantity"] | None:
    """Derived quantities as the reference solver found them, or by its states at the stored times; None without any."""
    if not isinstance(layout.problem, HasDerivedQuantities):
        return None
    computed = layout.problem.derived_values(layout.times, trajectory.states.double(), parameters)
    stated = [trajectory.stats.get(f"summary/{entry.name}", computed[entry.name]) for entry in layout.derived]
    return torch.stack([values.double() for values in stated], dim=1)


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


@final
class TrajectoryShards(ShardSet):
    """The shards of a dataset of trajectories."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.folder, self.label = layout, layout.folder, f"{layout.problem.name} {layout.preset}"

    def check(self, piece: Piece) -> None:
        load_shard(self.layout, piece)

    def make(self, piece: Piece) -> list[int]:
        shard = simulate_piece(self.layout, piece)
        save_shard(self.layout, piece, shard)
        return shard.status.tolist()

    def remote(self) -> tuple[Callable[..., list[int]], tuple[Any, ...]]:  # Any: as in the base
        layout = self.layout
        source = str(registry.folder_of(layout.problem))
        return make_remotely, (source, layout.preset, layout.digest, str(layout.folder))


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
    return TrajectoryShards(replace(layout, folder=Path(folder))).make(piece)
