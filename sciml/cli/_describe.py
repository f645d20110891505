"""What ``sciml show`` says of a problem, a solver or a tool."""

from __future__ import annotations

from typing import Any

import typer

from sciml.cli._print import flat, table
from sciml.core import registry
from sciml.core.capabilities import Classifies, HasDensity, HasResidual, capability_names
from sciml.core.errors import UnknownNameError
from sciml.core.problem import Problem

_PARAGRAPHS = {
    "equation": "equation",
    "boundary": "boundary",
    "classes": "classes",
    "shapes": "shapes",
    "cases": "cases",
    "capabilities": "capabilities",
    "solver": "solver by default",
    "solvers": "solvers that apply",
    "task": "task",
    "problems": "applies to",
    "claim": "claim",
    "citation": "citation",
}
"""What is printed line by line: the key in a description, and its heading."""


def describe(name: str) -> dict[str, Any]:
    """A plain description of the entry registered as `name`, or of the problem folder at that path."""
    solvers, tools = registry.solvers(), registry.tools()
    if name in solvers:
        return _solver(solvers[name])
    if name in tools:
        return {"kind": "tool", "key": name, "title": tools[name].title, "citation": tools[name].citation}
    known = [*registry.problem_folders(), *solvers, *tools]
    if name not in known and not any(mark in name for mark in "./\\"):
        raise UnknownNameError("name", name, known)
    return _problem(registry.problem(name))


def render(found: dict[str, Any]) -> None:
    """Print a description for people."""
    typer.echo(f"{found['title']}  ({found['kind']} {found['key']})\n")
    for key, heading in _PARAGRAPHS.items():
        if content := found.get(key):
            text = ", ".join(content) if isinstance(content, list | tuple) else str(content)
            typer.echo(f"{heading}:")
            typer.echo("\n".join("    " + line for line in text.splitlines()) + "\n")
    for heading in ("fields", "parameters", "invariants"):
        if rows := found.get(heading):
            table(heading, list(rows[0]), [list(row.values()) for row in rows])
    for heading in ("presets", "recipes"):
        if presets := {name: flat(values) for name, values in found.get(heading, {}).items()}:
            settings = dict.fromkeys(key for values in presets.values() for key in values)
            table(heading, ["", *presets], [(key, *(v.get(key) for v in presets.values())) for key in settings])


def _problem(problem: Problem) -> dict[str, Any]:
    from sciml.data import read_card

    card = read_card(problem) if registry.card_path(problem).is_file() else None
    return {
        "kind": "problem",
        "key": problem.name,
        "title": problem.title,
        "equation": problem.equation,
        "boundary": ", ".join(f"{axis}: {kind}" for axis, kind in problem.boundary.items()),
        "citation": problem.citation,
        "capabilities": capability_names(problem),
        "classes": list(problem.classes) if isinstance(problem, Classifies) else [],
        "shapes": list(problem.shapes) if isinstance(problem, HasDensity) else [],
        "cases": list(problem.cases) if isinstance(problem, HasResidual) else [],
        "solver": problem.solver,
        "solvers": [key for key, solver in registry.solvers().items() if solver.supports(problem).ok],
        "fields": [vars(f) for f in problem.fields],
        "parameters": [
            {key: value for key, value in vars(p).items() if key not in ("least", "most")} for p in problem.parameters
        ],
        "invariants": [
            {"name": i.name, "long_name": i.long_name, "tolerance": i.tolerance} for i in problem.invariants
        ],
        "presets": {name: preset.model_dump(mode="json") for name, preset in card.presets.items()} if card else {},
    }


def _solver(solver: Any) -> dict[str, Any]:
    return {
        "kind": "solver",
        "key": solver.key,
        "title": solver.title,
        "citation": solver.citation,
        "claim": solver.claim,
        "task": solver.task.key,
        "problems": [name for name, problem in registry.problems().items() if solver.supports(problem).ok],
        "recipes": {name: solver.recipe(name).model_dump(mode="json") for name in ("tiny", "small", "paper")},
    }
