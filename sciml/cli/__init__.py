"""The command line: ``sciml`` and its verbs. Nothing heavy is imported before a verb needs it."""

from sciml.cli._app import app as app
from sciml.cli._main import main as main
from sciml.cli._new import KINDS as KINDS

__all__ = ["KINDS", "app", "main"]
