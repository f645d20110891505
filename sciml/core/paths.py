"""Where files live, and how they are written: whole or not at all.

Every file is written beside its final name as ``.tmp-<pid>-<name>``, flushed to disk and renamed, so a killed
process leaves either the old file, the new file, or a temporary that nobody takes for whole. Renaming replaces whatever
has the final name, so nothing but a plain file is ever written over: no device, pipe, socket or link.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sciml.core.errors import StorageError, UserError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(1, 10))}


def home() -> Path:
    """The cache folder: ``$SCIML_HOME``, or the platform's user cache folder. Not created here."""
    import platformdirs  # here and below: `sciml --help` should not wait for them

    return Path(os.environ.get("SCIML_HOME") or platformdirs.user_cache_dir("sciml")).expanduser()


def check_name(name: str, kind: str) -> str:
    """`name` itself if it is safe as a file or module name (lower snake case), else a UserError."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"the {kind} name {name!r} cannot be a folder name",
            expected="lower snake case: a letter, then letters, digits or underscores, at most 64 characters",
            fix="Path separators, dots and spaces are refused so that a name can never leave its folder.",
        )
    if name in _DEVICES:
        raise UserError(
            f"the {kind} name {name!r} cannot be a folder name on Windows, where it is a device",
            fix="Choose another name, so that the folder can be copied anywhere.",
        )
    return name


def make_folder(folder: Path) -> Path:
    """Create `folder` with its parents; a read-only or full place becomes a StorageError."""
    with storage_errors(folder):
        try:
            expanded(folder).mkdir(parents=True, exist_ok=True)
        except FileNotFoundError:  # within ``/proc``, or in a folder that was removed while somebody stood in it
            raise StorageError(f"no folder can be made at {shown(folder)}", fix="Choose another name.") from None
    return folder


def check_place(folder: Path) -> Path:
    """`folder` itself where it is one or one may be made; else the StorageError of making it. Nothing is made."""
    with storage_errors(folder):
        for place in (expanded(folder), *folder.absolute().parents):
            if place.is_symlink() or place.exists():
                if not place.is_dir():
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                if not os.access(place, os.W_OK | os.X_OK):
                    is_read_only = hasattr(os, "statvfs") and os.statvfs(place).f_flag & os.ST_RDONLY
                    fault = errno.EROFS if is_read_only else errno.EACCES
                    raise OSError(fault, os.strerror(fault))
                break
    return folder


def expanded(path: Path) -> Path:
    """`path` itself; raises StorageError for one that begins with ``~``, which the shell did not replace.

    It is a folder of somebody's home for one program and of that very name for the next.
    """
    if path.parts[:1] and path.parts[0].startswith("~"):
        raise StorageError(f"{shown(path)} begins with a tilde that the shell did not replace",
                           fix="Write the folder out; ./~ begins a name of its own.")  # fmt: skip
    return path


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a place that cannot be written into one StorageError about `path`."""
    try:
        yield
    except (OSError, ValueError) as error:
        refusal = _no_folder(path, error) or _refusal(shown(path), error)
        if refusal is None:
            raise
        raise refusal from error


def _no_folder(path: Path, error: OSError | ValueError) -> StorageError | None:
    """The error that names a device, pipe, socket or link where a folder should be; None for any other fault."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENOTDIR, errno.EEXIST):
        return None
    for place in (path, *path.parents):
        with suppress(OSError):  # nothing lies within what is no folder
            if (obstacle := kind(place)) and not place.is_dir():
                leads = " that leads to no folder" if obstacle == "a link" else ", not a folder"
                return StorageError(f"{shown(place)} is {obstacle}{leads}", fix="Choose another name.")
    return None


def shown(path: Path) -> str:
    """A path as text that can be printed: bytes that are no UTF-8 escaped, the middle of a long one left out."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= 200 else f"{text[:120]}…{text[-60:]}"


def storage_refusal(error: OSError) -> StorageError | None:
    """The error that says why the system refused a file, by its name; None for what is no matter of storage."""
    names = (error.filename, error.filename2)
    place = next((shown(Path(os.fsdecode(name))) for name in names if isinstance(name, str | bytes)), "a file")
    return _refusal(place, error)


def _refusal(place: str, error: OSError | ValueError) -> StorageError | None:
    """The error that says why a file cannot be written; None for what is no matter of storage."""
    if isinstance(error, ValueError):
        if "embedded null" not in str(error) and not isinstance(error, UnicodeError):
            return None
        return StorageError(f"{place} is no name of a file", got=error, fix="Choose another name.")
    code, words = error.errno, str(error)
    if code in (errno.ENOSPC, errno.EDQUOT) or "No space left" in words:
        return StorageError(f"no space left on the device that holds {place}",
                            fix="Free some space, or point SCIML_HOME or --out at another disk; what was finished is "
                            "kept and the same command resumes (a run with --resume).")  # fmt: skip
    if code == errno.EFBIG or "File too large" in words:
        return StorageError(f"{place} would be larger than files may be here", got=os.strerror(errno.EFBIG),
                            fix="Raise the limit (`ulimit -f`), or use another disk; what was finished is kept and the "
                            "same command resumes (a run with --resume).")  # fmt: skip
    if code in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StorageError(f"cannot write to {place}", got=os.strerror(code),
                            fix="Give write permission, or point SCIML_HOME (data) or --out (runs) at a folder you "
                            "own.")  # fmt: skip
    if code in (errno.ENOTDIR, errno.EEXIST):
        return StorageError(f"{place} cannot be a folder because a file is in the way", fix="Move it away.")
    if code == errno.EISDIR:
        return StorageError(f"{place} is a folder, not a file", fix="Choose another name.")
    if code in _NAMELESS:
        return StorageError(f"{place} cannot be used", got=os.strerror(code), fix=_NAMELESS[code])
    return None


_NAMELESS = {
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.ELOOP: "Its links lead in a circle; choose another place.",
    errno.EINVAL: "Choose another name.",
    errno.EILSEQ: "Choose another name.",
    errno.EIO: "The disk reports a fault; use another one.",
    errno.EMFILE: "Raise the number of files a process may open (`ulimit -n`).",
    errno.ENFILE: "Close other programs; this machine has no more files to open.",
    errno.ESTALE: "The network disk has lost it; try again.",
}
"""Further reasons of the operating system, with what to do."""

_KINDS = {
    stat.S_ISLNK: "a link",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
}


def kind(path: Path) -> str:
    """What lies at `path` where that is no plain file and no folder (``a link``, ``a pipe``); else nothing."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return ""
    return next((words for is_one, words in _KINDS.items() if is_one(mode)), "")


def check_writable(path: Path, read: Path | None = None) -> Path:
    """`path` itself if a file of that name may be made or written over; else a StorageError that says why not.

    Arguments:
        read: the file that what is written comes from, which must stay.
    """
    with storage_errors(path):
        if read is not None and path.exists() and read.exists() and path.samefile(read):
            raise StorageError(
                f"{shown(path)} is the file that is read, and is not replaced", fix="Choose another name."
            )
        if obstacle := kind(expanded(path)):
            raise StorageError(f"{shown(path)} is {obstacle}, not a plain file, and is not replaced",
                               fix="Choose another name.")  # fmt: skip
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; on success it is synced and renamed to `path`, on failure removed.

    Raises: StorageError for a place that cannot be written, among them devices, pipes, sockets and links.
    """
    check_writable(path)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name[-200:]}")
    try:
        with storage_errors(path):
            yield temporary
            _sync(temporary)
            check_writable(path)
            os.replace(temporary, path)
            _sync(path.parent)
    finally:
        with suppress(OSError):  # it is gone, or was never made: the error that says why is on its way
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, UTF-8."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, doing: str, timeout: float = 3600.0) -> Iterator[None]:
    """Hold the inter-process lock file `path`; waiting longer than `timeout` seconds is a StorageError.

    The lock is the kernel's (flock), so a killed holder releases it.
    """
    from filelock import FileLock, Timeout

    make_folder(path.parent)
    lock = FileLock(path, timeout=timeout)
    try:
        with storage_errors(path):
            lock.acquire()
    except Timeout as error:
        raise StorageError(
            f"another process has been {doing} for more than {timeout:.0f} s",
            fix=f"Wait for it, or end it; the lock is {path}.",
        ) from error
    try:
        yield
    finally:
        lock.release()
