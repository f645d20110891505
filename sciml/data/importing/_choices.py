"""What a user says of his files, where they do not say it themselves or say it wrongly."""

from itertools import pairwise
from typing import Literal

import pydantic

from sciml.core.config import Config
from sciml.core.errors import ConfigError

FIRST_SEED = 0


class ImportChoices(Config):
    """Overrides of what is recognised; what is left out is taken from the files."""

    name: str | None = None
    """What the dataset is called; None for the name of the first file."""
    format: str | None = None
    """Key of the reader; None for the first one that recognises the file."""
    dims: tuple[str, ...] = ()
    """Dimensions of nameless arrays in their order, for example ``sample time channel y x``."""
    fields: tuple[str, ...] = ()
    """Fields to take, each ``name`` or ``name=units``; none for all. They name the channels of nameless arrays."""
    parameters: tuple[str, ...] | None = None
    """Parameters to take, by name; None for all that vary by sample."""
    forcings: tuple[str, ...] | None = None
    """Numbers that vary by time to take as forcings, by name; None for all of them beside fields in space, the one name
    ``none`` for none."""
    mask: str | None = None
    """Which cells are no part of the domain: ``VARIABLE=VALUE`` those where a variable on the grid has that value,
    ``VARIABLE`` where the file or the gaps of the fields tell which value that is, ``any`` those that are NaN in any
    frame of any field, ``none`` no cell. None for those that are NaN in every frame of every trajectory."""
    units: dict[str, str] = {}
    """Units by name of a field, parameter or dimension."""
    rename: dict[str, str] = {}
    """New names of variables and dimensions, by their names in the file."""
    dt: float | None = pydantic.Field(default=None, gt=0)
    """Time between frames; None for that of the file's times."""
    ranges: dict[str, tuple[float, float]] = {}
    """First and last point of a spatial axis, instead of the file's coordinate."""
    boundary: dict[str, Literal["periodic", "wall", "open"]] = {}
    """Kind of boundary by spatial axis."""
    odd: dict[str, str] = {}
    """By field, the axes in whose walls' mirror it changes its sign, such as ``x`` for a velocity along x, with commas
    between them; ``none`` for a field that keeps its sign."""
    split: tuple[float, float, float] | None = None
    """Shares of training, validation and test; None for the splits of the files, else 0.8, 0.1, 0.1."""
    seed: int = pydantic.Field(default=FIRST_SEED, ge=0)
    """Of the order in which samples are given to splits."""
    cut: int | None = pydantic.Field(default=None, ge=2)
    """Cut every trajectory into consecutive pieces of so many frames, which become the samples."""
    layout: Literal["long", "wide", "index", "rows", "pairs"] | None = None
    """Of a table: rows of cases below each other, a row per case, an index of files, or a row per case without time;
    ``pairs`` for arrays of functions and their images; None to find out."""
    time: str = ""
    """Column of times of a table; empty to find it."""
    case: str = ""
    """Column that labels the cases of a table; empty to find it."""
    times: tuple[float, ...] = ()
    """Times of numbered columns; of other tables those to which every case is interpolated."""
    decimal: str = ""
    """Decimal mark of a table, ``.`` or ``,``; empty to find out."""
    separator: str = ""
    """Between the cells of a table; empty to find out."""
    sheet: str = ""
    """Sheet of a workbook; empty for the first that is not empty."""
    functions: tuple[str, ...] = ()
    """Input functions of pairs in their order, each ``name``, ``name=units`` or ``name:sensors``; several of them take
    apart functions that stand side by side in one array."""
    targets: tuple[str, ...] = ()
    """What signals over time are answered with, by name: other signals, or numbers per sample. Makes the data sequences
    instead of trajectories."""
    label: str = ""
    """Name of the class of every sample; makes the data sequences, too."""
    ahead: int | None = pydantic.Field(default=None, ge=1)
    """Forecast: the targets are signals (all, unless `targets` names some) so many times later."""
    title: str = ""
    licence: str = ""
    citation: str = ""

    @pydantic.field_validator("times")
    @classmethod
    def _increasing(cls, times: tuple[float, ...]) -> tuple[float, ...]:
        if any(not one < two for one, two in pairwise(times)):
            raise ValueError("times must increase")
        return times

    @pydantic.model_validator(mode="after")
    def _one_question(self) -> "ImportChoices":
        if self.label and (self.targets or self.ahead):
            raise ValueError("sequences are answered with classes (--label) or with --target, not with both")
        return self

    @property
    def are_sequences(self) -> bool:
        """Whether the user asks for sequences."""
        return bool(self.targets or self.label or self.ahead)

    @property
    def mask_variable(self) -> str | None:
        """Name of the variable that is the mask, where the user names one."""
        return None if self.mask in (None, "none", "any") else str(self.mask).partition("=")[0].strip()

    def stated_fields(self) -> dict[str, str | None]:
        """Fields to take, with their units where these are stated."""
        pairs = [entry.partition("=") for entry in self.fields]
        return {name.strip(): (units.strip() if equals else None) for name, equals, units in pairs}


def pairs(entries: list[str], option: str, example: str) -> dict[str, str]:
    """``name=value`` entries of a repeated option. Raises ConfigError for one that is none."""
    values = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise ConfigError(f"{option} takes NAME=VALUE", got=repr(entry), expected=f"for example {option} {example}")
        values[name.strip()] = value.strip()
    return values
