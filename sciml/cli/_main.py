"""The entry point: every verb on the application, errors as exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import NoReturn

import typer

from sciml.cli import _data, _discover, _inspect, _new, _runs, _studies, _tool  # noqa: F401 (importing them adds their verbs)
from sciml.cli._app import app, interrupted
from sciml.core.errors import ConfigError, SciMLError
from sciml.core.memory import limited_memory, memory_refusal
from sciml.core.paths import storage_refusal
from sciml.core.processes import collect_rarely, terminations_interrupt


def main() -> None:
    """Run the command line; the exit code is 0 fine, 1 our bug, 2 user, 3 numerics, 130 interrupted."""
    collect_rarely()
    _write_any_letter()
    os.environ["MPLBACKEND"] = "agg"  # no window is ever opened, and matplotlib fails on a backend it does not know
    try:
        _refuse_empty_words(sys.argv[1:])
        with terminations_interrupt(), limited_memory():
            _command()(prog_name="sciml")
    except SciMLError as error:
        _give_up(error)
    except KeyboardInterrupt:  # before the line was understood, or while something else was said
        _give_up(interrupted())
    except OSError as error:  # of a path that nobody looked at before it was used
        refusal = storage_refusal(error)
        if refusal is None:
            raise
        _give_up(refusal)
    except (MemoryError, RuntimeError) as error:
        refusal = memory_refusal(error)
        if refusal is None:
            raise
        _give_up(refusal)


@cache
def _command() -> Callable[..., object]:
    """The verbs with their options; made once, since a program may call `main` many times."""
    return typer.main.get_command(app)


def _refuse_empty_words(words: list[str]) -> None:
    """A variable of the shell that is not set (``--solver "$SOLVER"``) must not become the default without a word."""
    for before, word in pairwise(["sciml", *words]):
        option, equals, value = word.partition("=")
        if not word or (option.startswith("--") and equals and not value):
            raise ConfigError(
                "an argument is empty",
                got=repr(f"{before} {word}"),
                expected="a value",
                fix="Leave out the option for its default; a variable of the shell may not be set.",
            )


def _write_any_letter() -> None:
    """Let a terminal, or a pipe, whose encoding lacks a letter get its escape (``\\u2207``) in place of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _give_up(error: SciMLError) -> NoReturn:
    _complain(str(error))
    sys.exit(error.exit_code)


def _complain(message: str) -> None:
    """Print an error; what a file or a name put into it writes nothing but letters on a terminal."""
    plain = "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in message)
    typer.echo(typer.style("error: ", fg=typer.colors.RED, bold=True) + plain, err=True)
