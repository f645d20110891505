"""What is registered and does not work."""

from __future__ import annotations

from typing import NamedTuple

from sciml.core import registry


class Failure(NamedTuple):
    """An entry that cannot be used: ``problem``, ``solver``, ``task`` or ``tool``, its name, and why."""

    kind: str
    name: str
    reason: str


def failures() -> list[Failure]:
    """Everything that is registered, by folder or by entry point, and does not work."""
    from sciml.tools import Tool
    from sciml.train import Solver, Task

    broken = {
        "problem": registry.problem_failures(),
        "solver": registry.failures("solvers", Solver),
        "task": registry.failures("tasks", Task),
        "tool": registry.failures("tools", Tool),
    }
    return [Failure(kind, name, reason) for kind, entries in broken.items() for name, reason in entries.items()]
