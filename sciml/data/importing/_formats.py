"""The formats that can be imported, in the order in which they are tried."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from sciml.core.errors import DataError, UnknownNameError
from sciml.core.files import check_plain
from sciml.core.paths import shown
from sciml.data._foreign import damage
from sciml.data.importing import _arrays, _cases, _labelled, _pdearena, _pdebench, _well
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._hdf5_file import is_hdf5
from sciml.data.importing._source import Source
from sciml.data.tables import TABLE_ENDINGS


class Format(NamedTuple):
    """A way to read files.

    Fields:
        key: what ``--format`` calls it.
        title: for people.
        recognises: whether a path looks like it.
        read: its sources; what they read from is closed with the stack.
        companions: further files that a file names, which are read with it.
    """

    key: str
    title: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, ImportChoices, ExitStack], list[Source]]
    companions: Callable[[Path, ImportChoices], list[Path]] = lambda path, choices: []


def _ends(*endings: str) -> Callable[[Path], bool]:
    return lambda path: path.is_file() and path.suffix.lower() in endings


FORMATS: tuple[Format, ...] = (
    Format("zarr", "Zarr", _labelled.recognises_zarr, _labelled.read_zarr),
    Format("mat", "MATLAB, versions 5 and 7.3", _ends(".mat"), _arrays.read_mat),
    Format("npy", "NumPy array", _ends(".npy"), _arrays.read_npy),
    Format("npz", "archive of NumPy arrays", _ends(".npz"), _arrays.read_npz),
    Format("pt", "tensors of PyTorch, without objects", _ends(".pt", ".pth"), _arrays.read_pt),
    Format("well", "The Well", _well.recognises, _well.read),
    Format("pdebench", "PDEBench", _pdebench.recognises, _pdebench.read),
    Format("pdearena", "PDEArena's HDF5", _pdearena.recognises, _pdearena.read),
    Format("netcdf", "NetCDF", _labelled.recognises_netcdf, _labelled.read_netcdf),
    Format("hdf5", "HDF5 with arrays at its top", is_hdf5, _arrays.read_hdf5),
    Format("table", "table of cases", _ends(*TABLE_ENDINGS), _cases.read_cases, _cases.companions),
)
"""Layouts that are told by their content come before those that any file of a kind has."""

_DATA_FILES = (".hdf5", ".h5", ".nc", ".nc4", ".npy", ".npz", ".mat", ".pt", ".pth")


def files_of(paths: list[Path]) -> list[Path]:
    """The data files among what a user named; a folder stands for those inside of it.

    Raises: DataError for what does not exist or is empty.
    """
    files: list[Path] = []
    for path in paths:
        if not _exists(path):
            raise DataError(f"there is no file {shown(path)}")
        if path.is_dir() and (
            index := [path / f"index{end}" for end in TABLE_ENDINGS if (path / f"index{end}").is_file()]
        ):
            files.append(index[0])
        elif path.is_dir() and not _labelled.recognises_zarr(path):
            inside = sorted(entry for entry in path.rglob("*") if entry.suffix.lower() in (*_DATA_FILES, ".zarr"))
            if not inside:
                tables = any(entry.suffix.lower() in TABLE_ENDINGS for entry in path.iterdir())
                raise DataError(
                    f"{path} holds no data files",
                    expected=", ".join((*_DATA_FILES, ".zarr")),
                    fix="Tables of cases need an index.csv with their names and parameters." if tables else "",
                )
            files += inside
        else:
            files.append(path)
    return files


def _exists(path: Path) -> bool:
    """Whether there is a plain file or a folder. Raises DataError for a device, pipe or socket."""
    try:
        return path.is_dir() or bool(check_plain(path))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):  # no name of a file: too long, or with a null byte
        return False


def read_file(path: Path, choices: ImportChoices, stack: ExitStack) -> list[Source]:
    """What a file holds, by the chosen reader or the first that recognises it.

    Raises: DataError for a file of no known format, UnknownNameError for an unknown reader.
    """
    with damage(path, "cannot be read"):
        return _format_of(path, choices).read(path, choices, stack)


def companions_of(path: Path, choices: ImportChoices) -> list[Path]:
    """Further files that a file names, such as those of an index. Raises as `read_file`."""
    with damage(path, "cannot be read"):
        return _format_of(path, choices).companions(path, choices)


def _format_of(path: Path, choices: ImportChoices) -> Format:
    by_key = {entry.key: entry for entry in FORMATS}
    if choices.format is not None:
        if choices.format not in by_key:
            raise UnknownNameError("format", choices.format, by_key)
        return by_key[choices.format]
    for entry in FORMATS:
        if entry.recognises(path):
            return entry
    if path.suffix.lower() in (".h5", ".hdf5"):
        raise DataError(f"{path} is not an HDF5 file", got=_first_bytes(path), fix="Check that it was copied whole.")
    raise DataError(
        f"the format of {path} is not known",
        got=f"the ending {path.suffix!r}",
        expected="; ".join(f"{entry.title} ({entry.key})" for entry in FORMATS),
        fix="State it with --format if the file has an unusual name.",
    )


def _first_bytes(path: Path) -> str:
    with path.open("rb") as file:
        return f"first bytes {file.read(8)!r}"
