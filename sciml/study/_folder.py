"""A run's folder: its name, what was asked of it, one writer at a time."""

import contextlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic

from sciml.core import paths
from sciml.core.config import Config, differences, parse, read_json
from sciml.core.errors import ConfigError, DataError, StorageError
from sciml.core.files import check_sealed
from sciml.core.recorded import Recording
from sciml.discovery import TableData

CONFIG, LOG, PREDICTIONS, WEIGHTS = "config.json", "log.jsonl", "predictions.h5", "model.safetensors"
EXAMPLE = "example.nc"
"""Inputs of one test sample, as a file that `predict` reads."""

VERSION = 2
"""Of the layout of a run folder; raised with every change that an older program could not read."""

Plain = dict[str, Any]  # Any: JSON
"""A JSON object."""


class OtherRun(Config):
    """A run that was merged with this one."""

    run: str
    """Name of its folder, as it was then."""
    weights: str
    """SHA-256 of its weights."""


class Step(Config):
    """One thing a tool did to a run."""

    tool: str
    """Its key."""
    plan: Plain
    """From which the structure is rebuilt; empty where it stays."""
    plan_before: Plain | None = None
    """The plan that training began with, where training changed it."""
    settings: Plain = {}
    """What the tool was asked for."""
    recipe_before: Plain | None = None
    """The recipe until then, where the tool changed it."""
    others: tuple[OtherRun, ...] = ()
    """Runs that were merged with this one."""


class RunConfig(Config):
    """``config.json``: what was asked, enough to ask it again and to rebuild the module without any data."""

    version: int = pydantic.Field(default=VERSION, strict=True)
    """Of the layout."""
    problem: str
    problem_path: str | None
    """Folder of a problem that is not registered; None for a registered one. It is for people: nothing imports it."""
    solver: str
    preset: str
    seed: int
    recipe: Plain
    dataset: str
    """Hash of the data."""
    context: Plain
    """What the module knows of the data: grid, statistics, times, units."""
    lineage: tuple[Step, ...] = pydantic.Field(default=())
    """What tools did to it, first one first."""
    table: TableData | None = None
    """The table that the problem is made of, where it is a user's own; no name is looked up then."""
    recorded: Recording | None = None
    """What imported data is data of, so that a run needs no more than its folder."""
    start: str | None = None
    """Name of the folder of the run whose weights the training began with, and a digest of these."""
    parent: str | None = None
    """Name of the folder of the run a tool was applied to; it need not exist any more."""


def choose_folder(parent: Path, stem: str, resume: bool) -> Path:
    """A new numbered run folder, or with `resume` the newest one."""
    paths.make_folder(parent)
    newest = _newest(parent, stem)
    if resume and newest:
        return _numbered(parent, stem, newest)
    for number in itertools.count(newest + 1):  # another process may take the next number first
        folder = _numbered(parent, stem, number)
        with contextlib.suppress(FileExistsError), paths.storage_errors(folder):
            folder.mkdir()
            return folder
    raise AssertionError


def newest_folder(parent: Path, stem: str) -> Path | None:
    """The newest run folder of a name; None where there is none."""
    newest = _newest(parent, stem)
    return _numbered(parent, stem, newest) if newest else None


def _newest(parent: Path, stem: str) -> int:
    numbered = re.compile(re.escape(stem) + r"(?:-(\d+))?")
    taken = [int(m[1] or 1) for f in parent.iterdir() if f.is_dir() and (m := numbered.fullmatch(f.name))]
    return max(taken, default=0)


def _numbered(parent: Path, stem: str, number: int) -> Path:
    return parent / (stem if number == 1 else f"{stem}-{number}")


class OtherSettingsError(ConfigError):
    """A run folder was started with another configuration."""


def check_same(folder: Path, config: RunConfig) -> None:
    """Refuse to go on in a folder that was started with another configuration."""
    if different := differences(read_config(folder).model_dump(), config.model_dump()):
        raise OtherSettingsError(
            f"{folder} was started with other settings",
            got=", ".join(f"{key.removeprefix('recipe.')}={_brief(now)}" for key, (_, now) in different.items()),
            expected=", ".join(
                f"{key.removeprefix('recipe.')}={_brief(before)}" for key, (before, _) in different.items()
            ),
            fix="Leave out --resume to start a new run beside it.",
        )


def _brief(value: object) -> str:
    """A setting as text, cut where it is a table of data."""
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def read_config(folder: Path) -> RunConfig:
    """The ``config.json`` of a run folder; raises DataError if there is none, or one of another version."""
    path = folder / CONFIG
    try:
        check_sealed(folder)
        values = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{folder} is not a run folder: it has no {CONFIG}", fix="`sciml run` makes one; give the path it printed."
        ) from None
    version = values.get("version", 1) if isinstance(values, dict) else VERSION
    if isinstance(version, int) and version != VERSION and "problem" in values:
        newer = version > VERSION
        raise DataError(
            f"{folder} was written by {'a newer' if newer else 'an older'} version of this program",
            got=f"version {version} of the layout",
            expected=f"version {VERSION}",
            fix="Install that version, or run it again with this one." if newer else "Run it again.",
        )
    return parse(RunConfig, values, str(path))


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the run's folder; a second process that wants to write into it gets a StorageError."""
    try:
        with paths.locked(folder / ".lock", "writing this run", timeout=1.0):
            yield
    except StorageError as error:
        if "another process" not in error.what:
            raise
        raise StorageError(
            f"another process is working in {folder}",
            fix="Wait for it, or leave out --resume to start a run beside it.",
        ) from None
