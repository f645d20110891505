"""Solvers and tasks by key."""

from sciml.core import registry
from sciml.train._solver import AnySolver, Solver
from sciml.train._task import AnyTask, Task


def registered_solvers() -> dict[str, AnySolver]:
    """Every solver that works, by key."""
    return registry.entries("solvers", Solver)


def find_solver(key: str) -> AnySolver:
    """One solver by key; an unknown key lists the valid ones."""
    return registry.entry("solvers", Solver, key)


def registered_tasks() -> dict[str, AnyTask]:
    """Every task that works, by key."""
    return registry.entries("tasks", Task)


def find_task(key: str) -> AnyTask:
    """One task by key; an unknown key lists the valid ones."""
    return registry.entry("tasks", Task, key)
