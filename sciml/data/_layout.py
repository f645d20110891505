"""Where the files of one dataset lie, and which trajectories each of them holds."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.capabilities import Evolves, HasDerivedQuantities
from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError, UserError
from sciml.core.paths import home
from sciml.core.problem import Field, Problem
from sciml.core.recorded import Recorded
from sciml.core.registry import card_path, folder_of, typed
from sciml.core.types import Grid
from sciml.data._card import Card, PresetCard, read_card
from sciml.data._code import code_digest

FORMAT = 1
"""Version of the files; raised when their layout or the way seeds are derived changes."""

SPLITS = ("train", "valid", "test")
BEYOND = "beyond"
"""The split with parameters outside of their ranges, of presets that ask for it."""


@dataclass(frozen=True)
class Piece:
    """One shard: trajectories `first` to ``first + count - 1`` of a split."""

    split: str
    index: int
    first: int
    count: int

    @property
    def filename(self) -> str:
        """Name of the file in the dataset's folder."""
        return f"{self.split}-{self.index:04d}.nc"


@dataclass(frozen=True)
class Layout:
    """Everything that is known of a dataset before a file of it exists.

    Fields:
        problem, preset: what it is data of.
        about: the whole dataset card.
        card: the card's table for the preset.
        grid: the stored grid.
        digest: hash of all that determines the numbers (not of titles and other prose).
        folder: where the files lie.
    """

    problem: Evolves | Recorded
    preset: str
    about: Card
    card: PresetCard
    grid: Grid
    digest: str
    folder: Path

    @property
    def times(self) -> Float[Tensor, " time"]:
        """Stored times, float64, in the card's `time_units`."""
        return torch.arange(self.card.frames, dtype=torch.float64) * self.card.dt

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the fields in channel order."""
        return tuple(field.name for field in self.problem.fields)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters in declaration order."""
        return tuple(parameter.name for parameter in self.problem.parameters)

    @property
    def forcing_names(self) -> tuple[str, ...]:
        """Names of the forcings in declaration order."""
        return tuple(forcing.name for forcing in self.problem.forcings)

    @property
    def derived(self) -> tuple[Field, ...]:
        """Derived quantities that are stored beside the states, as the reference solver found them between frames."""
        if isinstance(self.problem, Recorded) or not isinstance(self.problem, HasDerivedQuantities):
            return ()
        return self.problem.derived_quantities

    @property
    def active(self) -> Bool[Tensor, "*space"] | None:
        """Which cells are part of the domain; None for all of them. Fields are NaN at the others."""
        return self.problem.recording.mask() if isinstance(self.problem, Recorded) else None

    def state_shape(self, count: int) -> tuple[int, ...]:
        """Shape ``sample time channel *space`` of `count` trajectories."""
        return (count, self.card.frames, len(self.problem.fields), *self.grid.size)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return SPLITS if self.card.trajectories.beyond is None else (*SPLITS, BEYOND)

    def size(self, split: str) -> int:
        """Number of trajectories in a split."""
        if split not in self.splits:
            raise UnknownNameError("split", split, self.splits)
        return getattr(self.card.trajectories, split)

    def pieces(self, split: str) -> list[Piece]:
        """The shards of a split, in order."""
        total, step = self.size(split), self.card.shard_size
        return [
            Piece(split, index, first, min(step, total - first)) for index, first in enumerate(range(0, total, step))
        ]

    def all_pieces(self) -> list[Piece]:
        """The shards of every split."""
        return [piece for split in self.splits for piece in self.pieces(split)]

    def path(self, piece: Piece) -> Path:
        """The file of a shard."""
        return self.folder / piece.filename

    @property
    def written_for(self) -> str:
        """The preset that files name; imported data is the same for all presets."""
        return "all" if isinstance(self.problem, Recorded) else self.preset

    @property
    def remedy(self) -> str:
        """What to tell a user whose files are missing or damaged."""
        if isinstance(self.problem, Recorded):
            sources = ", ".join(self.problem.recording.sources)
            return f"Remove the folder and import {sources or 'the data'} again"
        return f"`sciml data generate {typed(self.problem)} --preset {self.preset}` makes what is missing"


def make_layout(problem: Problem, preset: str) -> Layout:
    """The layout of a preset of `problem`.

    Raises UnsupportedError if the problem is neither simulated nor imported, ConfigError for a faulty card.
    """
    if not isinstance(problem, Evolves | Recorded):
        raise UnsupportedError(
            f"problem {problem.name!r} has no dataset of trajectories",
            got="a problem without a time simulation",
            expected="imported data, or a problem with the capability Evolves",
            fix=f"`sciml data info {typed(problem)}` describes what data it has.",
        )
    about = read_card(problem)
    card = about.table(preset, PresetCard)
    try:
        grid = problem.grid(card.grid)
    except UserError as error:
        raise ConfigError(
            f"{card_path(problem)}, table [presets.{preset}.{card.key}], key grid: {error.what}",
            got=error.got,
            expected=error.expected,
            fix=error.fix,
        ) from None
    if grid.size != card.grid:
        raise ConfigError(
            f"{card_path(problem)}, table [presets.{preset}.{card.key}], key grid: the problem has another grid",
            got=list(card.grid),
            expected=list(grid.size),
        )
    digest = card_digest(problem, about, card, grid)
    if isinstance(problem, Recorded):
        folder = folder_of(problem)
    else:
        folder = home() / "datasets" / problem.name / f"{preset}-{digest[:12]}"
    return Layout(problem, preset, about, card, grid, digest, folder)


def card_digest(problem: Problem, about: Card, card: PresetCard, grid: Grid) -> str:
    """The hash that names a dataset: of all that its numbers depend on, in hexadecimal digits."""
    table = card.content()
    if card.trajectories.beyond is None:
        del table["trajectories"]["beyond"]
    content = {
        "format": FORMAT,
        "problem": problem.name,
        "version": problem.version,
        "fields": [(field.name, field.units) for field in problem.fields],
        "parameters": [(entry.name, entry.units, entry.low, entry.high, entry.scale) for entry in problem.parameters],
        "boundary": dict(problem.boundary),
        "axes": [asdict(axis) for axis in grid.axes],
        "time_units": about.time_units,
        "card": table,
    }
    if isinstance(problem, Recorded):  # the numbers are those of the files, whatever they are called here
        content["problem"], content["content"] = "", problem.recording.content
    elif code := code_digest(problem):
        content["code"] = code
    if problem.forcings:
        content["forcings"] = [(entry.name, entry.units, entry.low, entry.high) for entry in problem.forcings]
    if isinstance(problem, HasDerivedQuantities) and not isinstance(problem, Recorded):
        content["derived"] = [(entry.name, entry.units) for entry in problem.derived_quantities]
    if problem.time_step is not None:
        content["time_step"] = problem.time_step
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
