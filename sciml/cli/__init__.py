"""The command line: ``sciml`` and its verbs. Nothing heavy is imported before a verb needs it."""

from sciml.cli._app import app as app
from sciml.cli._app import main as main
from sciml.cli._app import register as register

__all__ = ["app", "main", "register"]
