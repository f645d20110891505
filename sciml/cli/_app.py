"""The application that the verbs are added to."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from sciml.core.errors import Interrupted


def interrupted() -> Interrupted:
    """What is said of SIGINT and SIGTERM where nothing knows better."""
    return Interrupted(
        "interrupted; what was finished is kept, and the same command (with --resume for a run) continues"
    )


class _Verbs(TyperGroup):
    """The verbs; typer's own answers to an interrupt and to a closed pipe say nothing, or too much."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise interrupted() from None
        except BrokenPipeError:  # the reader of our output went away (`sciml list | head`)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit from None


app = typer.Typer(
    name="sciml",
    cls=_Verbs,
    help="Solve benchmark PDEs, discover operators, build physics surrogates. Start with `sciml run`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    """Solve benchmark PDEs, discover operators, build physics surrogates. Start with `sciml run`."""
    if version:
        from sciml import __version__

        typer.echo(__version__)
        raise typer.Exit
