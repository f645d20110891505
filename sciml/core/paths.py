"""Where files live, and how they are written: whole or not at all.

Every file is written beside its final name as ``.tmp-<pid>-<name>``, flushed to disk and renamed, so a killed
process leaves either the old file, the new file, or a temporary that nobody takes for whole.
"""

from __future__ import annotations

import errno
import os
import re
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
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's 'full', 'read-only' and 'not permitted' into one StorageError about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            raise StorageError(
                f"no space left on the device that holds {path}",
                fix="Free some space, or point SCIML_HOME or --out at another disk; what was finished is kept and "
                "the same command resumes.",
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise StorageError(
                f"cannot write to {path}",
                got=os.strerror(error.errno),
                fix="Give write permission, or point SCIML_HOME (data) or --out (runs) at a folder you own.",
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise StorageError(
                f"{path} cannot be a folder because a file is in the way", fix="Move it away."
            ) from error
        if error.errno == errno.EISDIR:
            raise StorageError(f"{path} is a folder, not a file", fix="Choose another name.") from error
        raise


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; on success it is synced and renamed to `path`, on failure removed."""
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        with storage_errors(path):
            yield temporary
            _sync(temporary)
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
