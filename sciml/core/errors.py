"""Errors with one shape: what went wrong, what we got, what we expected, what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SciMLError(Exception):
    """Base of every error this package raises on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class UserError(SciMLError):
    """A mistake the user can fix. Printed as one paragraph without a traceback, exit code 2.

    Arguments:
        what: one sentence naming the object and the fault.
        got: the offending value, if there is one.
        expected: what would have been accepted.
        fix: the next thing to type or to look at.
    """

    exit_code = 2

    def __init__(self, what: str, *, got: object = None, expected: object = None, fix: str = "") -> None:
        self.what, self.got, self.expected, self.fix = what, got, expected, fix
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [self.what.rstrip(".")]
        if self.got is not None:
            parts.append(f"got {self.got}")
        if self.expected is not None:
            parts.append(f"expected {self.expected}")
        return "; ".join(parts) + "." + (f" {self.fix}" if self.fix else "")

    def __reduce__(self):  # keyword-only arguments do not survive the default pickling between processes
        return _rebuild, (type(self), self.what, self.got, self.expected, self.fix)


def _rebuild(kind: type[UserError], what: str, got: object, expected: object, fix: str) -> UserError:
    error = kind.__new__(kind)
    UserError.__init__(error, what, got=got, expected=expected, fix=fix)
    return error


_MOST_NAMES, _NEAR = 40, 8
"""Names that are listed in full; of more, so many that are like the one that was given."""


class UnknownNameError(UserError):
    """A name that is not in a registry or a schema; lists the valid ones, or those like it, and the nearest match."""

    def __init__(self, kind: str, name: str, valid: Iterable[str], *, fix: str = "") -> None:
        choices = sorted(valid)
        match = nearest(name, choices)
        hint = f"Did you mean {match!r}?" if match else ""
        super().__init__(
            f"unknown {kind} {name!r}",
            expected=_listed(name, choices),
            fix=" ".join(filter(None, (hint, fix))),
        )


def _listed(name: str, choices: list[str]) -> str:
    if len(choices) <= _MOST_NAMES:
        return "one of: " + (", ".join(choices) or "(none)")
    like = difflib.get_close_matches(name, choices, n=_NEAR, cutoff=0.0)
    return f"one of {len(choices)} names, such as " + ", ".join(like)


class ConfigError(UserError):
    """A setting that is unknown, of the wrong type, or out of its range."""


class DataError(UserError):
    """A data file that is missing, truncated, foreign, or does not match its card."""


class CheckpointError(UserError):
    """A checkpoint or weights file that cannot be trusted or belongs to another run."""


class StorageError(UserError):
    """A disk that is full or a folder that cannot be written."""


class UnsupportedError(UserError):
    """A combination of problem, solver and tool that is declared as not possible, with the reason."""


class NumericsError(SciMLError):
    """A computation that broke down (NaN in training); the last good state is on disk. Exit code 3."""

    exit_code = 3


class Interrupted(SciMLError):
    """SIGINT or SIGTERM arrived; the run was saved and `--resume` continues it. Exit code 130."""

    exit_code = 130


class InputWarning(UserWarning):
    """Something in a user's file that was put right in a way he should know: units converted, an axis turned round."""


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The closest of `choices` to `name`, or None when nothing is close."""
    return next(iter(difflib.get_close_matches(name, list(choices), n=1, cutoff=0.5)), None)
