"""Problems that are nothing but their data: trajectories, or rows of a table, imported from somebody's files.

The folder of such a problem holds ``problem.json`` (a `Recording`), ``dataset.toml`` (the dataset card) and the shards.
No code is run to load it. A folder that also holds ``__init__.py`` is a problem with code on imported data: a class
that inherits `Recorded` and whatever else is known of it, made by `Recorded.beside`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from sciml.core.capabilities import (
    HasSequences,
    HasTrajectories,
    InputFunction,
    MapsFunctions,
    MapsParameters,
    Sequences,
    SequenceTarget,
)
from sciml.core.config import Config, parse, read_json
from sciml.core.domain import Coordinate, Domain
from sciml.core.errors import DataError, UserError
from sciml.core.paths import home
from sciml.core.problem import Field, Parameter, Problem
from sciml.core.tensors import unpack
from sciml.core.types import Axis, Grid

RECORDING = "problem.json"
"""The file that makes a folder an imported problem."""

ACTIVE = "active"
"""The variable of a file that says which cells are part of the domain, where not all of them are."""

FORCING_TIME = "forcing_time"
"""The dimension of forcings in a file of inputs: from the last frame on."""

RESERVED_NAMES = frozenset(
    {"sample", "time", "channel", "status", "trajectory", "field", "relative_l2", "vrmse", "evaluations"}
)
"""Names that files of data and predictions use themselves."""

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""What a field, parameter or axis may be called."""

Name = Annotated[str, pydantic.StringConstraints(pattern=f"^{VARIABLE_NAME.pattern}$")]


class RecordedField(Config):
    """One field of imported data."""

    name: Name
    units: str = "1"
    long_name: str = ""
    odd: tuple[Name, ...] | None = None
    """Axes in whose walls' mirror it changes its sign; None where that is not known."""


class RecordedParameter(Config):
    """One parameter of imported data; its range is that of the data."""

    name: Name
    units: str = "1"
    long_name: str = ""
    low: float
    high: float


class RecordedAxis(Config):
    """One spatial axis of imported data, as `sciml.core.types.Axis`."""

    name: Name
    size: int = pydantic.Field(ge=2)
    lower: float
    upper: float
    boundary: Literal["periodic", "wall", "open"]
    units: str = "1"


class RecordedCoordinate(Config):
    """One axis of the domain of a function, as `sciml.core.domain.Coordinate`."""

    name: str = pydantic.Field(pattern="^[A-Za-z]$")
    lower: float
    upper: float
    periodic: bool = False
    units: str = "1"


class RecordedFunction(RecordedField):
    """One input function of imported pairs, and where its sensors lie."""

    axes: tuple[RecordedCoordinate, ...] = pydantic.Field(min_length=1)


class Recording(Config):
    """``problem.json``: what imported data is data of."""

    name: str = pydantic.Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    title: str
    fields: tuple[RecordedField, ...] = pydantic.Field(min_length=1)
    parameters: tuple[RecordedParameter, ...] = ()
    forcings: tuple[RecordedParameter, ...] = ()
    time_step: str | None = None
    axes: tuple[RecordedAxis, ...] = pydantic.Field(default=(), max_length=3)
    active: str = ""
    """Which cells are part of the domain, packed by `sciml.core.tensors.pack` in the order of axes; empty for all."""
    content: str
    """SHA-256 of what was imported: the bytes of the files and how they were read."""
    sources: tuple[str, ...] = ()
    """Names of the files."""
    citation: str = ""
    solver: str
    """Key of the solver that runs take when none is named."""
    holds: Literal["trajectories", "rows", "pairs", "sequences"] = "trajectories"
    """What a sample is: fields over time, one value of every parameter and target, functions with their images, or
    signals with what they are answered with."""
    inputs: tuple[RecordedFunction, ...] = ()
    """Input functions of pairs."""
    queries: tuple[RecordedCoordinate, ...] = ()
    """Axes of the queries of pairs."""
    lattice: tuple[int, ...] | None = None
    """Points per axis, where functions and images of pairs lie on one lattice."""

    signals: tuple[RecordedField, ...] = ()
    """Signals of sequences."""
    target: SequenceTarget = "signal"
    """What is asked of sequences."""
    classes: tuple[str, ...] = ()
    """Of sequences that are told apart."""
    forecasts: tuple[str, ...] = ()
    """In a forecast the signal that each field is."""
    uneven: bool = False
    """Whether the times of sequences are not equidistant."""

    @pydantic.model_validator(mode="after")
    def _mask_fits(self) -> "Recording":
        self.mask()
        return self

    def mask(self) -> Bool[Tensor, "*space"] | None:
        """Which cells are part of the domain; None for all of them. Raises ValueError if it does not fit the axes."""
        return unpack(self.active, [axis.size for axis in self.axes]) if self.active else None

    def problem(self, folder: Path | None = None) -> "Imported":
        """The problem; without a folder it has no data, which predicting and exporting do not need."""
        kind = {"trajectories": Recorded, "rows": RecordedRows, "pairs": RecordedPairs, "sequences": RecordedSequences}[
            self.holds
        ]
        return kind.of(self, folder)

    def description(self) -> dict[str, Any]:  # Any: the arguments of Problem
        """What `Problem` says of it."""
        return {
            "name": self.name,
            "title": self.title,
            "equation": "",
            "fields": tuple(Field(f.name, f.name, f.units, f.long_name or f.name, odd=f.odd) for f in self.fields),
            "parameters": tuple(map(_parameter, self.parameters)),
            "forcings": tuple(map(_parameter, self.forcings)),
            "time_step": self.time_step,
            "boundary": {axis.name: axis.boundary for axis in self.axes},
            "citation": self.citation,
            "solver": self.solver,
        }


K = TypeVar("K", bound="Imported")  # not Self, which the type checks of the tests cannot read
R = TypeVar("R", bound="Recorded")


@dataclass(frozen=True, kw_only=True)
class Imported(Problem):
    """Data that was imported; nothing can make more of it.

    Arguments:
        recording: what ``problem.json`` says.
        folder: where card and shards lie; None where only the description is at hand.
    """

    recording: Recording
    folder: Path | None = None

    @classmethod
    def of(cls: type[K], recording: Recording, folder: Path | None = None) -> K:
        """The problem that a recording describes; it has to be of this kind."""
        return cls(recording=recording, folder=folder, **recording.description())


@dataclass(frozen=True, kw_only=True)
class RecordedRows(Imported, MapsParameters):
    """Rows of parameters and targets that were imported."""


@dataclass(frozen=True, kw_only=True)
class RecordedPairs(Imported, MapsFunctions):
    """Functions with their images that were imported."""

    @property
    def inputs(self) -> tuple[InputFunction, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The functions that go in."""
        return tuple(
            InputFunction(e.name, e.name, e.units, e.long_name or e.name, _domain(e.axes))
            for e in self.recording.inputs
        )

    @property
    def domain(self) -> Domain:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Where the queries lie."""
        return _domain(self.recording.queries)


@dataclass(frozen=True, kw_only=True)
class RecordedSequences(Imported, HasSequences):
    """Signals that were imported, with what they are answered with."""

    @property
    def signals(self) -> tuple[Field, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What is given at every time."""
        return tuple(Field(f.name, f.name, f.units, f.long_name or f.name) for f in self.recording.signals)

    @property
    def target(self) -> SequenceTarget:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What is asked for."""
        return self.recording.target

    @property
    def classes(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Names of the classes."""
        return self.recording.classes

    @property
    def forecasts(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """In a forecast the signal that each field is."""
        return self.recording.forecasts

    @property
    def uneven(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the times are not equidistant."""
        return self.recording.uneven

    def sequences(self, count: int, times: Float[Tensor, " time"], generator: Generator) -> Sequences:
        """Raises UserError: nothing makes more of what was measured."""
        raise UserError(f"the sequences of {self.name!r} were imported", got="a request for others")


def _domain(axes: Sequence[RecordedCoordinate]) -> Domain:
    return Domain(tuple(Coordinate(**dict(axis)) for axis in axes))


@dataclass(frozen=True, kw_only=True)
class Recorded(Imported, HasTrajectories):
    """Trajectories that were imported."""

    @classmethod
    def beside(cls: type[R], code: str | Path, **more: Any) -> R:  # Any: the other arguments of a problem
        """The imported data in the folder of a problem's own code, as a problem of the class that the code defines.

        Arguments:
            code: ``__file__`` of the ``__init__.py`` that lies beside ``problem.json``.
            more: what is to be said beside the data: ``title``, ``equation``, ``citation``, ``solver``, ... Fields and
                parameters are those of the data.

        Raises: DataError for a folder without imported trajectories.
        """
        folder = Path(code).resolve().parent
        recording = read_recording(folder)
        if recording.holds != "trajectories":
            raise DataError(f"{folder} does not hold trajectories", got=recording.holds)
        return cls(recording=recording, folder=folder, **(recording.description() | more))

    def grid(self, size: Sequence[int]) -> Grid:
        """The grid of the data. Raises UserError for any other size: nothing interpolates it."""
        axes = tuple(Axis(**dict(axis)) for axis in self.recording.axes)
        grid = Grid(axes)
        if tuple(size) != grid.size:
            raise UserError(
                f"the data of {self.name!r} was imported on one grid", got=list(size), expected=list(grid.size)
            )
        return grid


def _parameter(entry: RecordedParameter) -> Parameter:
    return Parameter(entry.name, entry.name, entry.units, entry.long_name or entry.name, entry.low, entry.high)


def imported_folder() -> Path:
    """Where imported data lies unless its importer chose another place."""
    return home() / "imported"


def is_recorded(folder: Path) -> bool:
    """Whether a folder holds imported data."""
    return (folder / RECORDING).is_file() and not (folder / "__init__.py").exists()


def has_code(problem: Imported) -> bool:
    """Whether a problem on imported data has code of its own, without which its description is not the problem."""
    return type(problem) not in (Recorded, RecordedRows, RecordedPairs, RecordedSequences)


def read_recorded(folder: Path) -> Imported:
    """The problem of a folder of imported data. Raises as `read_recording`."""
    return read_recording(folder).problem(folder)


def read_recording(folder: Path) -> Recording:
    """What ``problem.json`` of a folder says.

    Raises: ConfigError or DataError for a file that is not in order.
    """
    path = folder / RECORDING
    try:
        recording = parse(Recording, read_json(path), str(path))
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{folder} holds no imported data: it has no {RECORDING}") from None
    if recording.name != folder.name:
        raise DataError(
            f"{path} describes another dataset", got=recording.name, expected=folder.name,
            fix="Give the folder its old name back, or import the files again.",
        )  # fmt: skip
    return recording
