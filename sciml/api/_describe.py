"""What ``sciml show`` says of a problem, a solver, a task or a tool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sciml.cli._failures import failures
from sciml.cli._lineage import headline_of, print_findings, print_lineage
from sciml.cli._print import flat, number, table
from sciml.core import registry
from sciml.core.capabilities import Classifies, HasDensity, HasResidual, capability_names
from sciml.core.errors import UnknownNameError, UserError
from sciml.core.problem import Problem

if TYPE_CHECKING:
    from sciml.train import AnyTask

_PARAGRAPHS = {
    "equation": "equation",
    "boundary": "boundary",
    "classes": "classes",
    "shapes": "shapes",
    "cases": "cases",
    "capability": "asks of a problem",
    "card": "made from",
    "capabilities": "capabilities",
    "solver": "solver by default",
    "solvers": "solvers that apply",
    "task": "task",
    "task_solvers": "solvers",
    "problems": "applies to",
    "claim": "claim",
    "headline": "on the test split",
    "problem": "problem",
    "preset": "preset",
    "supports": "acts on runs of",
    "refuses": "not on runs of",
    "citation": "citation",
}
"""What is printed line by line: the key in a description, and its heading."""


def describe(name: str) -> dict[str, Any]:  # Any: JSON
    """A plain description of the entry registered as `name`, or of the run or problem folder at that path."""
    from sciml.tools import registered_tools
    from sciml.train import registered_solvers, registered_tasks

    solvers, tasks, tools = registered_solvers(), registered_tasks(), registered_tools()
    if name in solvers:
        return _solver(solvers[name])
    if name in tasks:
        return _task(tasks[name])
    if name in tools:
        return _tool(tools[name], solvers)
    if name not in registry.problem_folders() and _is_run(Path(name)):
        return _run(Path(name))
    known = [*registry.problem_folders(), *solvers, *tasks, *tools]
    if name not in known and not any(mark in name for mark in "./\\"):
        for failure in failures():
            if failure.name == name:
                raise UserError(f"the {failure.kind} {name!r} cannot be used", got=failure.reason)
        raise UnknownNameError("name", name, known)
    return _problem(registry.find_problem(name))


def render(described: dict[str, Any]) -> None:  # Any: JSON
    """Print a description for people."""
    typer.echo(f"{described['title']}  ({described['kind']} {described['key']})\n")
    for key, heading in _PARAGRAPHS.items():
        if content := described.get(key):
            if isinstance(content, dict):
                text = "\n".join(f"{name}: {number(value)}" for name, value in content.items())
            else:
                text = ", ".join(content) if isinstance(content, list | tuple) else str(content)
            typer.echo(f"{heading}:")
            typer.echo("\n".join("    " + line for line in text.splitlines()) + "\n")
    if record := described.get("record"):
        print_lineage(record, described["first"])
        print_findings(record)
    for heading in ("fields", "parameters", "forcings", "invariants", "metrics", "settings"):
        if rows := described.get(heading):
            table(heading, list(rows[0]), [list(row.values()) for row in rows])
    for heading in ("presets", "recipes"):
        if presets := {name: flat(values) for name, values in described.get(heading, {}).items()}:
            settings = dict.fromkeys(key for values in presets.values() for key in values)
            table(heading, ["", *presets], [(key, *(v.get(key) for v in presets.values())) for key in settings])


def _problem(problem: Problem) -> dict[str, Any]:
    from sciml.data import read_card
    from sciml.tasks import card_tables
    from sciml.train import registered_solvers

    presets = list(read_card(problem).presets) if registry.card_path(problem).is_file() else []
    tables = {name: card_tables(problem, name) for name in presets}
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
        "solvers": [key for key, solver in registered_solvers().items() if solver.supports(problem).ok],
        "fields": [vars(f) for f in problem.fields],
        "parameters": [
            {key: value for key, value in vars(p).items() if key not in ("least", "most")} for p in problem.parameters
        ],
        "forcings": [
            {key: value for key, value in vars(p).items() if key not in ("least", "most")} for p in problem.forcings
        ],
        "invariants": [
            {"name": i.name, "long_name": i.long_name, "tolerance": i.tolerance} for i in problem.invariants
        ],
        "presets": {
            name: {key: table.model_dump(mode="json") for key, table in found.items()} for name, found in tables.items()
        },
    }


def _task(task: AnyTask) -> dict[str, Any]:
    from sciml.train import registered_solvers

    return {
        "kind": "task",
        "key": task.key,
        "title": task.title,
        "capability": task.capability.__name__,
        "card": f"[presets.NAME.{task.card.key}]",
        "task_solvers": [key for key, solver in registered_solvers().items() if solver.task.key == task.key],
        "metrics": [{"key": m.key, "label": m.label, "units": m.units, "better": m.better} for m in task.metrics],
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


def _tool(tool: Any, solvers: dict[str, Any]) -> dict[str, Any]:
    fields = tool.config.model_fields
    defaults = tool.config().model_dump(mode="json")
    answers = {key: tool.supports(solver) for key, solver in solvers.items()}
    return {
        "kind": "tool",
        "key": tool.key,
        "title": tool.title,
        "citation": tool.citation,
        "supports": [key for key, answer in answers.items() if answer.ok],
        "refuses": {key: answer.reason for key, answer in answers.items() if not answer.ok},
        "settings": [
            {"setting": name, "default": defaults[name], "meaning": " ".join((field.description or "").split())}
            for name, field in fields.items()
        ],
    }


def _is_run(folder: Path) -> bool:
    from sciml.study import CONFIG

    return (folder / CONFIG).is_file()


def _run(folder: Path) -> dict[str, Any]:
    """A finished run; its problem may be one that is not registered here."""
    from sciml.study import Record, read_config

    config, record = read_config(folder), Record.read(folder)
    known = config.problem_path is None and record.problem in registry.problem_folders()
    first = registry.problem(record.problem).metrics if known else ()
    values = record.metrics["test"]
    return {
        "kind": "run",
        "key": folder.resolve().name,
        "title": f"{record.title} on {record.problem}, {record.preset}, seed {record.seed}",
        "problem": record.problem,
        "solver": record.solver,
        "task": record.task,
        "preset": record.preset,
        "headline": {metric.key: values[metric.key] for metric in headline_of(record, first)},
        "record": record,
        "first": first,
    }
