"""An opened dataset and its splits."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int, Int8
from torch import Tensor

from sciml.core import registry
from sciml.core.errors import DataError
from sciml.core.paths import locked
from sciml.core.problem import Problem
from sciml.core.status import Status, count
from sciml.core.types import Grid
from sciml.data._card import PresetCard
from sciml.data._frames import Frames, MemoryFrames, ShardFrames
from sciml.data._layout import Layout, make_layout
from sciml.data._statistics import Statistics, compute_statistics, load_statistics, save_statistics
from sciml.data._store import load_head

MEMORY_LIMIT = 4 * 2**30
"""Splits below this many bytes are read into memory whole."""


class Split:
    """The trajectories of one split; ``len()`` counts all of them, successful or not.

    Fields:
        name: ``train``, ``valid`` or ``test``.
        parameters: float32, ``sample parameter``.
        forcings: float32, ``sample time forcing``, no columns where there is none.
        derived: float64, ``sample quantity``: derived quantities as the reference solver found them between the frames;
            no columns where there are none.
        status: a `sciml.core.status.Status` code per sample, int8.
        good: numbers of the samples that ended with status OK; only these make windows.
        num_frames: stored states per trajectory.
    """

    name: str
    parameters: Float[Tensor, "sample parameter"]
    forcings: Float[Tensor, "sample time forcing"]
    derived: Float[Tensor, "sample quantity"]
    status: Int8[Tensor, " sample"]
    good: Int[Tensor, " good"]
    num_frames: int

    def __init__(self, layout: Layout, name: str, *, in_memory: bool | None = None) -> None:
        pieces = layout.pieces(name)
        self.name, self.num_frames = name, layout.card.frames
        heads = [load_head(layout, piece) for piece in pieces]
        self.parameters = torch.cat([head.parameters for head in heads]).float()
        self.forcings = torch.cat([head.forcings for head in heads]).float()
        self.derived = torch.cat([head.derived for head in heads])
        self.status = torch.cat([head.status for head in heads])
        self.good = torch.nonzero(self.status == Status.OK).flatten()
        if in_memory is None:
            in_memory = 4 * math.prod(layout.state_shape(layout.size(name))) < MEMORY_LIMIT
        self.frames: Frames = (MemoryFrames if in_memory else ShardFrames)(layout, pieces)

    @property
    def states(self) -> Float[Tensor, "sample time channel *space"]:
        """All states, float32, failed samples included as NaN; a split kept on disk is read whole by this."""
        return self.frames.all()

    @property
    def counts(self) -> dict[str, int]:
        """Number of samples per outcome."""
        return count(self.status.tolist())

    def read(
        self, sample: Int[Tensor, " batch"], start: Int[Tensor, " batch"], stride: Int[Tensor, " batch"], length: int
    ) -> Float[Tensor, "batch {length} channel *space"]:
        """Frames ``start, start + stride, ...`` (`length` of them) of each of the samples, bit for bit as stored."""
        return self.frames.read(sample, start, stride, length)

    def forcing(
        self, sample: Int[Tensor, " batch"], start: Int[Tensor, " batch"], stride: Int[Tensor, " batch"], length: int
    ) -> Float[Tensor, "batch {length} forcing"] | None:
        """The forcings at the frames that `read` gives; None where there is none."""
        if not self.forcings.shape[2]:
            return None
        return self.forcings[sample[:, None], start[:, None] + stride[:, None] * torch.arange(length)]

    def __len__(self) -> int:
        return len(self.status)


@dataclass(frozen=True)
class Dataset:
    """A complete dataset on disk.

    Fields:
        layout: what its files are and where they lie.
        statistics: of the training split.
        in_memory: whether splits are read whole; None decides by size.
    """

    layout: Layout
    statistics: Statistics
    in_memory: bool | None = None
    _splits: dict[str, Split] = field(default_factory=dict, repr=False, compare=False)

    @property
    def problem(self) -> Problem:
        """What it is data of."""
        return self.layout.problem

    @property
    def preset(self) -> str:
        """Name of the preset."""
        return self.layout.preset

    @property
    def constant_fields(self) -> tuple[str, ...]:
        """Names of the fields that have one and the same value in all of the training data.

        Their standard deviation is said to be 1; the first trajectory tells them from a field of which it really is.
        """
        ones = self.statistics.field_std == 1
        if not ones.any():
            return ()
        split = self.split("train")
        first, zero = split.good[:1], torch.zeros(1, dtype=torch.int64)
        frames = split.read(first, zero, zero + 1, split.num_frames).double()
        inside = (frames if self.active is None else frames[..., self.active]).transpose(1, 2).flatten(2)[0]
        spread = inside.amax(1) - inside.amin(1)
        still = ones & (spread <= 1e-12 * inside.abs().amax(1))
        return tuple(name for name, is_still in zip(self.layout.field_names, still.tolist(), strict=True) if is_still)

    @property
    def card(self) -> PresetCard:
        """The card's table for the preset."""
        return self.layout.card

    @property
    def digest(self) -> str:
        """Hash of everything that determines the numbers."""
        return self.layout.digest

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self.layout.folder

    @property
    def grid(self) -> Grid:
        """The stored grid."""
        return self.layout.grid

    @property
    def active(self) -> Bool[Tensor, "*space"] | None:
        """Which cells are part of the domain; None for all of them. Fields are NaN at the others."""
        return self.layout.active

    def split(self, name: str) -> Split:
        """One split, opened on first use. Raises UnknownNameError, and DataError for a damaged file."""
        if name not in self._splits:
            self._splits[name] = Split(self.layout, name, in_memory=self.in_memory)
        return self._splits[name]


def open_dataset(problem: Problem | str | Path, preset: str = "tiny", *, in_memory: bool | None = None) -> Dataset:
    """The dataset of a preset, which must be complete; statistics are computed anew if their file is lost.

    Arguments:
        problem: a problem, or its name or folder.
        preset: a table of its card.
        in_memory: whether splits are held in memory; None where they are small.

    Raises DataError naming what is missing, and UnknownNameError for an unknown preset.
    """
    problem = registry.as_problem(problem)
    layout = make_layout(problem, preset)
    pieces = layout.all_pieces()
    missing = [piece.filename for piece in pieces if not layout.path(piece).is_file()]
    if missing:
        raise DataError(
            f"the dataset {problem.name} {preset} is not complete in {layout.folder}",
            got=f"{len(pieces) - len(missing)} of {len(pieces)} files (missing: {', '.join(missing[:3])}"
            + (", ...)" if len(missing) > 3 else ")"),
            fix=f"{layout.remedy}.",
        )
    statistics = load_statistics(layout)
    if statistics is None:
        statistics = compute_statistics(layout)
        with locked(lock_path(layout), f"writing statistics of {problem.name} {preset}"):
            save_statistics(layout, statistics)
    return Dataset(layout, statistics, in_memory)


def lock_path(layout: Layout) -> Path:
    """The lock held by whoever writes into the dataset's folder."""
    return layout.folder / ".lock"
