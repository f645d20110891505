"""What a report asks of tasks: metrics and views by key, with an answer for keys that nobody here knows."""

from __future__ import annotations

from collections.abc import Iterable

from sciml.core.errors import UnknownNameError
from sciml.metrics import Metric
from sciml.train import View, find_task, registered_solvers


def view_of(task: str) -> View:
    """How a task shows its runs; a plain page for one that is not registered here."""
    try:
        return find_task(task).view
    except UnknownNameError:
        return View()


def metrics_of(task: str) -> tuple[Metric, ...]:
    """What a task declares; nothing for one that is not registered here."""
    try:
        return find_task(task).metrics
    except UnknownNameError:
        return ()


def tasks_of(solvers: Iterable[str]) -> list[str]:
    """The tasks that solvers are trained and examined by, each once, as far as the solvers are registered here."""
    registered = registered_solvers()
    return list(dict.fromkeys(registered[key].task.key for key in solvers if key in registered))
