"""What the page of a task shows that has no view of its own: the training, beside the tables of every page."""

from __future__ import annotations

from sciml.report import _curves as curves
from sciml.report._run import RunView
from sciml.report._shown import Shown


def show(view: RunView) -> Shown:
    """The training curve."""
    figures = curves.training(view)
    return Shown("run.html.j2", {"plots": {"training": figures}}, figures, counted="answer", timed="answer")
