"""A run's folder: its name, what was asked of it, one writer at a time."""

import contextlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sciml.core import paths
from sciml.core.config import Config, differences, parse, read_json
from sciml.core.errors import ConfigError, DataError, StorageError

CONFIG, LOG, PREDICTIONS, WEIGHTS = "config.json", "log.jsonl", "predictions.h5", "model.safetensors"


class RunConfig(Config):
    """``config.json``: what was asked, enough to ask it again."""

    problem: str
    problem_path: str | None
    """Folder of a problem that is not registered; None for a registered one."""
    solver: str
    preset: str
    seed: int
    recipe: dict[str, Any]
    dataset: str
    """Hash of the data."""


def choose_folder(parent: Path, stem: str, resume: bool) -> Path:
    """A new numbered run folder, or with `resume` the newest one."""
    paths.make_folder(parent)
    numbered = re.compile(re.escape(stem) + r"(?:-(\d+))?")
    taken = [int(m[1] or 1) for f in parent.iterdir() if f.is_dir() and (m := numbered.fullmatch(f.name))]
    newest = max(taken, default=0)
    if resume and newest:
        return _numbered(parent, stem, newest)
    for number in itertools.count(newest + 1):  # another process may take the next number first
        folder = _numbered(parent, stem, number)
        with contextlib.suppress(FileExistsError), paths.storage_errors(folder):
            folder.mkdir()
            return folder
    raise AssertionError


def _numbered(parent: Path, stem: str, number: int) -> Path:
    return parent / (stem if number == 1 else f"{stem}-{number}")


def check_same(folder: Path, config: RunConfig) -> None:
    """Refuse to go on in a folder that was started with another configuration."""
    if different := differences(read_config(folder).model_dump(), config.model_dump()):
        raise ConfigError(
            f"{folder} was started with other settings",
            got=", ".join(f"{key.removeprefix('recipe.')}={now}" for key, (_, now) in different.items()),
            expected=", ".join(f"{key.removeprefix('recipe.')}={before}" for key, (before, _) in different.items()),
            fix="Leave out --resume to start a new run beside it.",
        )


def read_config(folder: Path) -> RunConfig:
    """The ``config.json`` of a run folder; raises DataError if there is none."""
    path = folder / CONFIG
    try:
        return parse(RunConfig, read_json(path), str(path))
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{folder} is not a run folder: it has no {CONFIG}", fix="`sciml run` makes one; give the path it printed."
        ) from None


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
