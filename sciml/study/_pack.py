"""A run in one file: a zip with all that predicting needs and a model card, opened as something that a stranger sent.

Nothing in a pack is run, and no name in it becomes a path: of its entries the few known names are taken, each checked
against a size and against the manifest's hash. Arrays lie in it uncompressed, so that a small file cannot become a
large one. What is opened goes into the cache folder, once per content.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from sciml.core import paths
from sciml.core.config import Config, parse
from sciml.core.errors import ConfigError, DataError
from sciml.core.files import parse_json, reading_errors
from sciml.study._about import ABOUT, About
from sciml.study._folder import CONFIG, EXAMPLE, WEIGHTS
from sciml.study._record import RECORD

CARD, MANIFEST, PAGE = "README.md", "pack.json", "report.html"
_FORMAT = "sciml/pack/1"
_TEXT, _ARRAYS = 64 * 2**20, 16 * 2**30  # bytes; the largest text and the largest file of arrays that are opened
_NEEDED = {CONFIG: _TEXT, RECORD: _TEXT, ABOUT: _TEXT, EXAMPLE: _ARRAYS, WEIGHTS: _ARRAYS}
_ENTRIES = 1000
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the time of every entry, so that equal runs give equal packs


class Place(NamedTuple):
    """Where a run's files lie, and where what is made of it goes.

    Fields:
        folder: with the files; for a pack in the cache folder.
        beside: where runs of tools go.
        exports: where exported programs go.
    """

    folder: Path
    beside: Path
    exports: Path


class Manifest(Config):
    """``pack.json``: what a pack holds."""

    format: str
    run: str
    """Name of the run folder."""
    files: dict[str, str]
    """SHA-256 of each file."""


def is_packed(path: str | Path) -> bool:
    """Whether a path is that of a zip file; nothing says yet that it is in order."""
    with suppress(OSError, ValueError):  # a name that is too long, or holds a null byte
        return Path(path).is_file() and zipfile.is_zipfile(path)
    return False


def place_of(run: str | Path) -> Place:
    """Where the files of a run are: the run folder itself, or where a packed run was opened.

    Raises: DataError for a file that is no pack, or one that is not in order.
    """
    path = Path(run)
    if not path.is_file():
        named = path if path.name not in ("", "..") else path.resolve()  # `.` and `..` are no names of a run
        return Place(named, named.parent, named / "export")
    folder = _opened(path)
    return Place(folder, path.parent, path.parent / f"{folder.name}-export")


def write_pack(folder: Path, target: Path, about: About, card: str) -> Path:
    """Write a finished run as one file.

    Arguments:
        folder: the run.
        target: the file.
        about: what ``about.json`` in it says.
        card: what ``README.md`` in it says.

    Raises: DataError if a file of the run is missing.
    """
    paths.check_writable(target)
    name = folder.resolve().name
    if not _RUN_NAME.fullmatch(name):
        raise DataError(f"the folder name {name!r} cannot be that of a packed run", expected="letters, digits, . _ -")
    texts = {CARD: card.encode(), ABOUT: (about.model_dump_json(indent=2) + "\n").encode()}
    files = {file: folder / file for file in (*_NEEDED, PAGE) if file not in texts}
    if missing := [file for file, path in files.items() if file != PAGE and not path.is_file()]:
        raise DataError(f"{folder} is no complete run", got=f"no {', '.join(missing)}", fix="Run it again.")
    hashes = {file: _hash(path) for file, path in files.items() if path.is_file()}
    hashes |= {file: hashlib.sha256(text).hexdigest() for file, text in texts.items()}
    manifest = Manifest(format=_FORMAT, run=name, files=dict(sorted(hashes.items())))
    texts[MANIFEST] = (manifest.model_dump_json(indent=2) + "\n").encode()
    paths.make_folder(target.parent)
    with paths.atomic_write(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for file, text in sorted(texts.items()):
            with archive.open(_entry(name, file, zipfile.ZIP_DEFLATED), "w") as written:
                written.write(text)
        for file in sorted(hashes):
            if file not in texts:
                method = zipfile.ZIP_STORED if _NEEDED.get(file) == _ARRAYS else zipfile.ZIP_DEFLATED
                entry = _entry(name, file, method)
                with files[file].open("rb") as source, archive.open(entry, "w", force_zip64=True) as written:
                    shutil.copyfileobj(source, written, 2**20)
    return target


def _entry(run: str, file: str, method: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"{run}/{file}", _EPOCH)
    info.compress_type, info.external_attr = method, (stat.S_IFREG | 0o644) << 16
    return info


def _opened(path: Path) -> Path:
    """The folder in the cache that a pack was opened into; made the first time."""
    with reading_errors(path):
        digest = _hash(path)
    home = paths.home() / "packed" / digest[:32]
    with _archive(path) as archive:
        entries = _checked(archive, path)
        manifest = _manifest(archive, entries, path)
        folder = home / manifest.run
        if folder.is_dir():
            return folder
        paths.make_folder(home)
        with paths.storage_errors(home), tempfile.TemporaryDirectory(dir=home) as made:
            unfinished = Path(made) / manifest.run
            unfinished.mkdir()
            for file, limit in _NEEDED.items():
                _extract(archive, entries[file], unfinished / file, limit, manifest.files[file], path)
            try:
                unfinished.rename(folder)
            except OSError:  # another process was faster
                if not folder.is_dir():
                    raise
    return folder


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, UnicodeError) as error:
        raise DataError(f"{path} is neither a run folder nor a packed run", got=str(error) or type(error).__name__,
                        fix="Give a run folder, or a file that `sciml pack` wrote.") from None  # fmt: skip


def _checked(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The entries that are known, by name without the folder; anything that does not belong in a pack is refused."""
    infos = archive.infolist()
    if len(infos) > _ENTRIES:
        raise DataError(f"{path} is no packed run", got=f"{len(infos)} entries", expected=f"at most {_ENTRIES}")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        _refuse_unsafe(info, path)
        parts = PurePosixPath(info.filename).parts
        if len(parts) == 2 and parts[1] in (*_NEEDED, MANIFEST):
            if parts[1] in members:
                raise DataError(f"{path} is no packed run", got=f"{parts[1]} twice")
            members[parts[1]] = info
    if missing := [file for file in (*_NEEDED, MANIFEST) if file not in members]:
        raise DataError(f"{path} is no packed run", got=f"no {', '.join(missing)}",
                        fix="`sciml pack RUN` writes one.")  # fmt: skip
    if len({PurePosixPath(info.filename).parts[0] for info in members.values()}) > 1:
        raise DataError(f"{path} is no packed run", got="files of several folders")
    return members


def _refuse_unsafe(info: zipfile.ZipInfo, path: Path) -> None:
    name, kind = info.filename, stat.S_IFMT(info.external_attr >> 16)
    parts = PurePosixPath(name).parts
    unsafe = ""
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in name or "\0" in name or not parts:
        unsafe = "a path that leaves its folder"
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        unsafe = "a link or a device"
    elif info.flag_bits & 1:
        unsafe = "an encrypted file"
    if unsafe:
        raise DataError(f"{path} is no packed run and was not opened", got=f"{unsafe}: {name[:80]!r}")


def _manifest(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], path: Path) -> Manifest:
    buffer = io.BytesIO()
    _copy(archive, entries[MANIFEST], buffer, _TEXT, path)
    source = f"{MANIFEST} in {path}"
    try:
        manifest = parse(Manifest, parse_json(buffer.getvalue().decode("utf-8"), source), source)
    except (UnicodeDecodeError, DataError, ConfigError) as error:
        raise DataError(f"{source} is not in order", got=str(error)[:200]) from None
    if manifest.format != _FORMAT:
        raise DataError(f"{path} was packed by another version", got=manifest.format[:80], expected=_FORMAT)
    if not _RUN_NAME.fullmatch(manifest.run) or not set(_NEEDED) <= set(manifest.files):
        raise DataError(f"{source} is not in order", got=f"run {manifest.run[:80]!r}")
    return manifest


def _extract(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, limit: int, expected: str, path: Path
) -> None:
    if limit == _ARRAYS and info.compress_type != zipfile.ZIP_STORED:
        raise DataError(f"{path} is no packed run", got=f"{target.name}, compressed", expected="arrays as they are")
    with target.open("xb") as written:
        if _copy(archive, info, written, limit, path) != expected:
            raise DataError(f"{path} is damaged or was changed", got=f"another content of {target.name}",
                            fix="Ask for the file again.")  # fmt: skip


def _copy(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: BinaryIO, limit: int, path: Path) -> str:
    """Copy an entry, counting what really comes; its SHA-256."""
    digest, size = hashlib.sha256(), 0
    with archive.open(info) as source:
        while piece := source.read(2**20):
            size += len(piece)
            if size > limit:
                raise DataError(f"{path} is no packed run", got=f"more than {limit} bytes of {info.filename[:80]!r}")
            digest.update(piece)
            target.write(piece)
    return digest.hexdigest()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
