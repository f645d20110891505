"""The entry point: every verb on the application, errors as exit codes."""

from __future__ import annotations

import os
import sys

import typer

from sciml.cli import _data, _discover, _inspect, _new, _runs, _tool  # noqa: F401 (importing them adds their verbs)
from sciml.cli._app import app
from sciml.core.errors import SciMLError
from sciml.core.processes import collect_rarely


def main() -> None:
    """Run the command line; the exit code is 0 fine, 1 our bug, 2 user, 3 numerics, 130 interrupted."""
    collect_rarely()
    os.environ["MPLBACKEND"] = "agg"  # no window is ever opened, and matplotlib fails on a backend it does not know
    try:
        app(prog_name="sciml")
    except SciMLError as error:
        _complain(str(error))
        sys.exit(error.exit_code)


def _complain(message: str) -> None:
    typer.echo(typer.style("error: ", fg=typer.colors.RED, bold=True) + message, err=True)
