"""Solvers and tasks by key."""

from sciml.core import registry
from sciml.core.problem import Problem
from sciml.train._solver import AnySolver, Solver
from sciml.train._task import AnyTask, Task


def registered_solvers() -> dict[str, AnySolver]:
    """Every solver that works, by key."""
    return registry.entries("solvers", Solver)


def find_solver(key: str) -> AnySolver:
    """One solver by key; an unknown key lists the valid ones."""
    return registry.entry("solvers", Solver, key)


def solver_for(key: str, problem: Problem) -> AnySolver:
    """The solver that a key means for a problem: itself, or the one of its family that the problem's data needs.

    Raises: UnknownNameError for an unknown key. Whether it supports the problem is for it to say.
    """
    solver = find_solver(key)
    if solver.supports(problem).ok:
        return solver
    relatives = (entry for entry in registered_solvers().values() if entry.family == key)
    return next((entry for entry in relatives if entry.supports(problem).ok), solver)


def registered_tasks() -> dict[str, AnyTask]:
    """Every task that works, by key."""
    return registry.entries("tasks", Task)


def find_task(key: str) -> AnyTask:
    """One task by key; an unknown key lists the valid ones."""
    return registry.entry("tasks", Task, key)
