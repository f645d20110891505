"""Checking a dataset against everything that is claimed of it."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import xarray
from torch import Tensor

from sciml.core import registry
from sciml.core.errors import DataError
from sciml.core.guests import as_guest
from sciml.core.problem import Problem
from sciml.core.progress import Progress, SilentProgress
from sciml.core.recorded import Recorded
from sciml.core.rng import generator
from sciml.core.status import Status, count
from sciml.data._check import Check
from sciml.data._generate import simulate_piece
from sciml.data._layout import BEYOND, Layout, Piece, make_layout
from sciml.data._statistics import compute_statistics, load_statistics
from sciml.data._store import Shard, load_shard, to_xarray

_SILENT = SilentProgress()
_REPRODUCED = 1e-5
"""Largest relative L2 distance of a trajectory from its second simulation: float32 and another batch size."""


@dataclass
class _Findings:
    """What one pass over the shards collects."""

    damaged: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    not_finite: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    initial: dict[bytes, str] = field(default_factory=dict)
    status: list[int] = field(default_factory=list)
    drift: dict[str, list[float]] = field(default_factory=dict)


@as_guest()
def verify(
    problem: Problem | str | Path, preset: str = "tiny", *, seed: int = 0, progress: Progress = _SILENT
) -> list[Check]:
    """Check files, contents, labels, values, splits, parameters, invariants, reproducibility and statistics.

    Imported data has no invariants, and nothing that would make it a second time.

    Arguments:
        problem, preset: which dataset; a problem, or its name or folder.
        seed: picks the trajectory that is simulated a second time.
        progress: where to report.

    Returns one `Check` each; a damaged dataset gives failed checks, not exceptions.
    Raises ConfigError for a faulty card, UnknownNameError for an unknown preset.
    """
    problem = registry.as_problem(problem)
    layout = make_layout(problem, preset)
    pieces = layout.all_pieces()
    present = [piece for piece in pieces if layout.path(piece).is_file()]
    if not present:  # nothing can be said of data that is not there
        return [Check("files", False, f"0 of {len(pieces)} shards in {layout.folder}. {layout.remedy}.")]
    findings = _Findings(drift={invariant.name: [] for invariant in problem.invariants})
    with progress.task(f"verifying {problem.name} {preset}", len(present)) as advance:
        for piece in present:
            try:
                _examine(layout, piece, load_shard(layout, piece), findings)
            except DataError as error:
                findings.damaged.append(str(error))
            advance()
    total = sum(map(layout.size, layout.splits))
    sound, recorded = len(findings.status) == total, isinstance(layout.problem, Recorded)
    outcomes = ", ".join(f"{n} {name}" for name, n in count(findings.status).items()) or "none"
    return [
        Check("files", len(present) == len(pieces), f"{len(present)} of {len(pieces)} shards in {layout.folder}"),
        _check(
            "content", findings.damaged, f"header and SHA-256 of {len(present)} shards (digest {layout.digest[:12]})"
        ),
        _check("labels", findings.labels, "dimensions, coordinates and units"),
        _check("finite", findings.not_finite, f"every successful trajectory is finite; outcomes: {outcomes}"),
        _check(
            "splits",
            findings.repeated,
            f"{len(findings.status)} trajectories, all different, in {len(layout.splits)} splits",
        ),
        _check("parameters", findings.outside, "within their ranges: " + (", ".join(layout.parameter_names) or "none")),
        *(
            _invariant(name, invariant.long_name, findings.drift[name], invariant.tolerance)
            for name, invariant in ((invariant.name, invariant) for invariant in problem.invariants)
        ),
        *(
            []
            if recorded
            else [
                _reproduce(layout, seed)
                if sound
                else Check("reproduced", False, "not tried: shards are missing or damaged")
            ]
        ),
        _statistics(layout) if sound else Check("statistics", False, "not tried: shards are missing or damaged"),
    ]


def _check(name: str, faults: list[str], detail: str) -> Check:
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Check(name, not faults, faults[0] + more if faults else detail)


def _examine(layout: Layout, piece: Piece, shard: Shard, findings: _Findings) -> None:
    findings.labels += _label_faults(layout, piece, shard)
    findings.status += shard.status.tolist()
    good = shard.status == Status.OK
    for row in range(piece.count):
        name = f"{piece.split} trajectory {piece.first + row}"
        for content, same in _marks(layout, shard, row):
            key = hashlib.sha256(content).digest()
            if key in findings.initial:
                findings.repeated.append(f"{name} {same} {findings.initial[key]}")
                break
            findings.initial[key] = name
        states = shard.states[row] if layout.active is None else shard.states[row][..., layout.active]
        if good[row] and not states.isfinite().all():
            findings.not_finite.append(f"{name} has status ok and values that are not finite")
        columns = list(zip(layout.problem.parameters, shard.parameters[row].tolist(), strict=True))
        inside = [entry.low <= value <= entry.high for entry, value in columns]
        if piece.split == BEYOND and all(inside):
            findings.outside.append(f"{name} has every parameter within its range, and should have one outside")
        for (entry, value), fits in zip(columns, inside, strict=True):
            if not fits and piece.split != BEYOND:
                findings.outside.append(f"{name} has {entry.name} = {value}, outside [{entry.low}, {entry.high}]")
    if good.any():
        states = shard.states[good].double()
        parameters = dict(zip(layout.parameter_names, shard.parameters[good].unbind(1), strict=True))
        for invariant in layout.problem.invariants:
            values = invariant.compute(states, parameters, layout.grid)
            scale = values[:, :1].abs().clamp_min(torch.finfo(torch.float32).tiny)
            findings.drift[invariant.name].append(float(((values - values[:, :1]).abs() / scale).amax()))


def _marks(layout: Layout, shard: Shard, row: int) -> list[tuple[bytes, str]]:
    """What no two trajectories have in common, each with the word for two that do.

    Cases may start alike and differ by parameters and forcings; experiments also by what was not recorded. What moves
    in the same way under other parameters was copied.
    """
    states, parameters = shard.states[row], [shard.parameters[row]]
    if shard.forcings is not None:
        parameters.append(shard.forcings[row])
    beside = b"".join(part.numpy().tobytes() for part in parameters)
    if isinstance(layout.problem, Recorded):
        return [(states.numpy().tobytes() + beside, "equals")]
    moves = len(states) > 1 and not torch.equal(states[0], states[-1])
    whole = [(b"whole" + states.numpy().tobytes(), "is")] if moves else []
    return [(b"start" + states[0].numpy().tobytes() + beside, "begins like"), *whole]


def _label_faults(layout: Layout, piece: Piece, shard: Shard) -> list[str]:
    """Where dimensions, units or coordinates of a file differ from what they should be."""
    path, expected = layout.path(piece), to_xarray(layout, shard, piece.first, piece.split)
    faults = []
    try:
        with xarray.open_dataset(path, engine="h5netcdf", decode_cf=False) as file:
            for name, variable in expected.variables.items():
                if name not in file.variables or file[name].dims != variable.dims:
                    faults.append(f"{path}: variable {name!r} is not labelled {variable.dims}")
                elif file[name].attrs.get("units") != variable.attrs.get("units"):
                    faults.append(f"{path}: units of {name!r} are {file[name].attrs.get('units')!r}, "
                                  f"expected {variable.attrs.get('units')!r}")  # fmt: skip
                elif name in expected.coords and not np.array_equal(file[name].to_numpy(), variable.to_numpy()):
                    faults.append(f"{path}: coordinate {name!r} is not the one of the card")
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        faults.append(f"{path} cannot be opened by xarray: {error}")
    return faults


def _invariant(name: str, long_name: str, drifts: list[float], tolerance: float) -> Check:
    if not drifts:
        return Check(f"invariant {name}", False, f"{long_name}: not tried, no trajectory is sound")
    worst = float(np.max(drifts))  # numpy's maximum keeps a NaN
    return Check(f"invariant {name}", worst <= tolerance, f"{long_name}: drift {worst:.1e}, tolerance {tolerance:.1e}")


def _reproduce(layout: Layout, seed: int) -> Check:
    """Simulate one trajectory again from its seed, alone, and compare."""
    pieces = layout.all_pieces()
    randomness = generator(seed, "verify", layout.digest)
    piece = pieces[int(torch.randint(len(pieces), (), generator=randomness))]
    row = int(torch.randint(piece.count, (), generator=randomness))
    stored = load_shard(layout, piece)
    again = simulate_piece(layout, Piece(piece.split, piece.index, piece.first + row, 1))
    distance = _distance(stored.states[row], again.states[0])
    same = torch.equal(stored.parameters[row], again.parameters[0]) and stored.status[row] == again.status[0]
    detail = f"{piece.split} trajectory {piece.first + row} simulated again: relative difference {distance:.1e}"
    return Check("reproduced", bool(same) and distance <= _REPRODUCED, detail + ("" if same else ", parameters differ"))


def _distance(stored: Tensor, again: Tensor) -> float:
    if not torch.equal(stored.isfinite(), again.isfinite()):
        return float("inf")
    difference = (stored.double() - again.double()).nan_to_num().norm()
    return float(difference / stored.double().nan_to_num().norm().clamp_min(1e-30))


def _statistics(layout: Layout) -> Check:
    stored, computed = load_statistics(layout), compute_statistics(layout)
    same = stored is not None and all(
        torch.allclose(value, getattr(computed, name), rtol=1e-6, atol=0) for name, value in vars(stored).items()
    )
    return Check(
        "statistics", same, "of the training split, " + ("as stored" if same else "differ from the stored ones")
    )
