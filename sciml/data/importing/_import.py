"""From files or arrays to a folder of imported data that every verb takes like a problem."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
import xarray

from sciml.core import registry
from sciml.core.errors import DataError, SciMLError, UserError
from sciml.core.paths import check_name, locked, make_folder, storage_errors, write_text
from sciml.core.progress import Progress, SilentProgress
from sciml.core.recorded import RECORDING, Imported, Recording, imported_folder, is_recorded, read_recorded
from sciml.core.status import Status
from sciml.core.tensors import pack
from sciml.data._layout import Layout, Piece, make_layout
from sciml.data._statistics import compute_statistics, save_statistics
from sciml.data._store import Shard, save_shard
from sciml.data.importing._arrays import read_memory
from sciml.data.importing._card import write_card
from sciml.data.importing._cases import read_frame
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._data_frame import frame_to_dataset, has_space
from sciml.data.importing._digests import file_digest, import_digest, source_digest
from sciml.data.importing._formats import companions_of, files_of, read_file
from sciml.data.importing._labelled import source_of
from sciml.data.importing._pairs_plan import PairsPlan, make_pairs_plan
from sciml.data.importing._plan import Plan, make_plan
from sciml.data.importing._rows_plan import RowsPlan, make_rows_plan
from sciml.data.importing._sequences_plan import SequencesPlan, make_sequences_plan
from sciml.data.importing._source import Source
from sciml.data.importing._unread import refuse_unread

_SILENT = SilentProgress()
_OF_SEQUENCES = ("signals", "target", "classes", "forecasts", "uneven")

Arrays = (
    np.ndarray
    | torch.Tensor
    | xarray.Dataset
    | xarray.DataArray
    | pd.DataFrame
    | Mapping[str, np.ndarray | torch.Tensor]
)
"""What stands for a file in Python."""
AnyPlan = Plan | RowsPlan | PairsPlan | SequencesPlan
"""What will be imported."""
_HOLDS: dict[type, Literal["rows", "pairs", "sequences"]] = {
    RowsPlan: "rows",
    PairsPlan: "pairs",
    SequencesPlan: "sequences",
}


def import_files(
    paths: Sequence[Path],
    choices: ImportChoices | None = None,
    *,
    out: Path | None = None,
    announce: Callable[[AnyPlan], None] | None = None,
    dry: bool = False,
    progress: Progress = _SILENT,
) -> Imported | None:
    """Import trajectories on a grid from files, sample by sample, so that a file may be larger than memory.

    What was imported before, from the same bytes and with the same choices, is opened as it is.

    Arguments:
        paths: files, Zarr stores, or folders that stand for the files in them; samples of several are joined.
        choices: what the user says of them.
        out: where the folder is made; None for the cache folder, where the dataset is known by its name.
        announce: told what was recognised, before anything is written.
        dry: stop after that.
        progress: where to report.

    Returns: the problem; None if `dry`.

    Raises: UserError for files that cannot be read, or that could be understood in several ways; StorageError.
    """
    choices = choices or ImportChoices()
    files = files_of([Path(path) for path in paths])
    if not files:
        raise DataError("no file to import")
    every = [part for path in files for part in (path, *companions_of(path, choices))]
    content = import_digest([file_digest(path) for path in every], choices)
    with ExitStack() as stack:
        if not dry and out is None and (known := _known(content, choices)):
            return known
        sources = [source for path in files for source in read_file(path, choices, stack)]
        names = tuple(
            f"{path.resolve().parent.name}/{path.name}" if path.stem == "index" else path.name for path in files
        )
        return _finish(sources, names, content, choices, out, announce, dry, progress)


def import_arrays(
    data: Arrays,
    choices: ImportChoices | None = None,
    *,
    out: Path | None = None,
    announce: Callable[[AnyPlan], None] | None = None,
    dry: bool = False,
    progress: Progress = _SILENT,
) -> Imported | None:
    """Import trajectories from memory: arrays (by name, or one), an xarray dataset, a data frame; else `import_files`.

    A data frame is read as a table of cases; where its columns are dimensions in space too, its other columns are
    fields and parameters, those that are the same at all times and points of a sample.
    """
    choices = choices or ImportChoices()
    if isinstance(data, pd.DataFrame) and has_space(data, choices.dims):
        data = frame_to_dataset(data, choices.dims)
    if isinstance(data, xarray.DataArray):
        data = data.to_dataset(name=data.name or "u")
    if isinstance(data, pd.DataFrame):
        source = read_frame(data, choices)
    elif isinstance(data, xarray.Dataset):
        source = source_of(data, "this dataset", "xarray")
    else:
        arrays = dict(data) if isinstance(data, Mapping) else {"u": data}
        source = read_memory(arrays, choices)
    content = import_digest([source_digest(source)], choices)
    if not dry and out is None and (known := _known(content, choices)):
        return known
    return _finish([source], (), content, choices, out, announce, dry, progress)


def _finish(
    sources: Sequence[Source],
    names: tuple[str, ...],
    content: str,
    choices: ImportChoices,
    out: Path | None,
    announce: Callable[[AnyPlan], None] | None,
    dry: bool,
    progress: Progress,
) -> Imported | None:
    refuse_unread(sources, choices)
    plan = plan_of(sources, choices)
    if not dry:
        _name(names, choices, out)  # a name that is taken is refused before anything is announced or written
    if announce:
        announce(plan)
    if dry:
        return None
    parent = imported_folder() if out is None else out.parent
    with locked(make_folder(parent) / ".lock", "importing data"):
        name = _name(names, choices, out)
        if out is None and (known := _known(content, choices)):
            return known  # another process was faster
        temporary = parent / f".tmp-{os.getpid()}-{name}"
        try:
            with storage_errors(temporary):
                shutil.rmtree(temporary, ignore_errors=True)
                temporary.mkdir()
            _write(plan, temporary, name, content, names, progress)
            with storage_errors(temporary):
                temporary.rename(parent / name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return read_recorded((parent / name).resolve())


def plan_of(sources: Sequence[Source], choices: ImportChoices) -> AnyPlan:
    """What will be imported: trajectories, rows without time, pairs or sequences. Raises UserError as `make_plan`."""
    if any(source.pairs is not None for source in sources):
        return make_pairs_plan(sources, choices)
    if choices.are_sequences:
        return make_sequences_plan(sources, choices)
    without_time = [source for source in sources if source.targets]
    if not without_time:
        return make_plan(sources, choices)
    if len(without_time) < len(sources):
        raise DataError("some of the files hold times and some do not", got=without_time[0].label,
                        fix="Import them separately.")  # fmt: skip
    return make_rows_plan(sources, choices)


def _write(plan: AnyPlan, folder: Path, name: str, content: str, sources: tuple[str, ...], progress: Progress) -> None:
    """Card, description and shards of a plan into a folder that is renamed when it is whole."""
    recording = Recording(
        name=name,
        title=plan.about.get("title") or name.replace("_", " "),
        fields=plan.fields,
        parameters=() if isinstance(plan, PairsPlan | SequencesPlan) else plan.parameters,
        forcings=plan.forcings if isinstance(plan, Plan) else (),
        time_step=plan.time_step if isinstance(plan, Plan) else None,
        axes=plan.axes if isinstance(plan, Plan) else (),
        active=pack(torch.from_numpy(plan.active)) if isinstance(plan, Plan) and plan.active is not None else "",
        content=content,
        sources=sources,
        citation=plan.about.get("citation", ""),
        solver=_solver(plan),
        holds=_HOLDS.get(type(plan), "trajectories"),
        **(
            {"inputs": plan.inputs, "queries": plan.axes, "lattice": plan.lattice}
            if isinstance(plan, PairsPlan)
            else {}
        ),
        **({name: getattr(plan, name) for name in _OF_SEQUENCES} if isinstance(plan, SequencesPlan) else {}),
    )
    write_text(folder / RECORDING, recording.model_dump_json(indent=2) + "\n")
    write_card(folder, plan, recording)
    if isinstance(plan, RowsPlan | PairsPlan | SequencesPlan):
        plan.write(folder, recording)
    else:
        _write_shards(plan, make_layout(recording.problem(folder), "tiny"), name, progress)


def _write_shards(plan: Plan, layout: Layout, name: str, progress: Progress) -> None:
    """The trajectories, piece by piece, and their statistics."""
    failed: dict[str, int] = {}
    first_seen: dict[bytes, str] = {}
    leaked = 0
    with progress.task(f"importing {name}", len(plan.samples)) as advance:
        for piece in layout.all_pieces():
            shard = _shard(layout, plan, piece)
            save_shard(layout, piece, shard)
            broken = int((shard.status != Status.OK).sum())
            failed[piece.split] = failed.get(piece.split, 0) + broken
            for states in shard.states:
                key = hashlib.sha256(states.numpy().tobytes()).digest()
                leaked += first_seen.setdefault(key, piece.split) != piece.split
            advance(piece.count, f"{sum(failed.values())} not finite" if any(failed.values()) else "")
    for split, count in failed.items():
        if count == layout.size(split):
            raise DataError(
                f"no trajectory of split {split!r} is finite throughout",
                got=f"{count} with NaN or infinity",
                fix="Drop the bad frames or fields (--fields), fill them, or leave out the cells at which any value is "
                "NaN with --mask any.",
            )
    if leaked:
        progress.log(f"warning: {leaked} trajectories equal one of another split, so the test is not independent")
    if any(failed.values()):
        progress.log(f"{sum(failed.values())} of {len(plan.samples)} trajectories hold NaN or infinity: left out")
    save_statistics(layout, compute_statistics(layout))


def _shard(layout: Layout, plan: Plan, piece: Piece) -> Shard:
    numbers = plan.splits[piece.split][piece.first : piece.first + piece.count]
    states = torch.empty(layout.state_shape(piece.count), dtype=torch.float32)
    with np.errstate(over="ignore"):  # beyond single precision is infinite, and counted as such
        for row, number in enumerate(numbers):
            states[row] = torch.from_numpy(np.ascontiguousarray(plan.states(number).astype(np.float32)))
    active = layout.active
    inside = states if active is None else states[..., active]
    broken = (~inside.isfinite()).flatten(2).any(2).cumsum(1) > 0  # sample time: at or after the first gap
    states[broken] = torch.nan
    if active is not None:
        states[..., ~active] = torch.nan
    status = torch.where(broken[:, -1], int(Status.DIVERGED), int(Status.OK)).to(torch.int8)
    forcings = torch.from_numpy(np.stack([plan.forcing(number) for number in numbers])) if plan.forcings else None
    return Shard(states, torch.from_numpy(plan.columns[list(numbers)]), status, forcings)


def _solver(plan: AnyPlan) -> str:
    """The solver for data of this kind: SineNet for grids that can be halved three times, as its tiny recipe asks.

    On few points it is the linear stencil, or the smallest network that is told forcings and time steps.
    """
    if isinstance(plan, RowsPlan):
        return "gaussian_process_rows"
    if isinstance(plan, PairsPlan | SequencesPlan):
        return plan.solver
    sizes = [axis.size for axis in plan.axes]
    if not sizes:
        table = set(plan.formats) == {"table"} and len(plan.parameters) > 0
        return "gaussian_process" if table else "neural_ode"
    if all(size % 8 == 0 for size in sizes):
        return "sinenet"
    if min(sizes) >= 16:
        return "fno"
    return "dilresnet" if plan.forcings or plan.time_step else "linear"


def _name(files: tuple[str, ...], choices: ImportChoices, out: Path | None) -> str:
    """What the dataset will be called. Raises UserError for a name that is taken."""
    if out is not None:
        check_name(out.name, "dataset")
        if out.exists():
            raise UserError(f"{out} is in the way", fix="Choose another folder; nothing is overwritten.")
        return out.name
    taken = registry.problem_folders()
    if choices.name is not None:
        name = check_name(choices.name, "dataset")
        if name in taken or (imported_folder() / name).exists():
            raise UserError(
                f"the name {name!r} is taken",
                got=str(taken.get(name, imported_folder() / name)),
                fix="Choose another name, or remove that folder if it is an import you no longer need.",
            )
        return name
    stem = re.sub(r"[^a-z0-9_]+", "_", (files[0] if files else "data").split(".")[0].lower()).strip("_")
    stem = (stem if stem[:1].isalpha() else f"data_{stem}".rstrip("_"))[:56]
    number, name = 1, stem
    while name in taken or (imported_folder() / name).exists():
        number += 1
        name = f"{stem}_{number}"
    return name


def _known(content: str, choices: ImportChoices) -> Imported | None:
    """The same import, made before under a name that fits."""
    try:
        folders = sorted(imported_folder().resolve().iterdir())
    except OSError:
        return None
    for folder in folders:
        if folder.name.startswith(".") or not is_recorded(folder) or choices.name not in (None, folder.name):
            continue
        try:
            problem = read_recorded(folder)
        except SciMLError:
            continue  # a damaged one is in nobody's way
        if problem.recording.content == content:
            return problem
    return None
