"""``show``: what there is to say of a problem, a solver, a task or a tool."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from sciml.api._failures import failures
from sciml.api._lineage import after_tools, headline_of
from sciml.core import registry
from sciml.core.capabilities import Classifies, HasDensity, HasResidual, capability_names
from sciml.core.errors import UnknownNameError, UserError
from sciml.core.problem import Problem
from sciml.core.text import Described, flat, number, table
from sciml.data import read_card
from sciml.study import CONFIG, Record, is_packed, place_of, read_config
from sciml.tasks import card_tables
from sciml.tools import Tool, registered_tools
from sciml.train import AnySolver, AnyTask, registered_solvers, registered_tasks

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


def show(name: str | Path) -> Described:
    """What there is to say of a problem, a solver, a task, a tool, a run folder or a problem folder.

    Arguments:
        name: of what is registered, or a path.

    Returns: plain data, the same as ``sciml show NAME --json``; shown or printed it is the text of the command.

    Raises: UnknownNameError with the nearest name.
    """
    solvers, tasks, tools = registered_solvers(), registered_tasks(), registered_tools()
    key = str(name)
    if key in solvers:
        return Described(_solver(solvers[key]), _render)
    if key in tasks:
        return Described(_task(tasks[key]), _render)
    if key in tools:
        return Described(_tool(tools[key], solvers), _render)
    if key not in registry.problem_folders() and _is_run(key):
        return _run(place_of(name).folder)
    known = [*registry.problem_folders(), *solvers, *tasks, *tools]
    if key not in known and not any(mark in key for mark in "./\\"):
        for failure in failures():
            if failure.name == key:
                raise UserError(f"the {failure.kind} {key!r} cannot be used", got=failure.reason)
        raise UnknownNameError("name", key, known, fix="`sciml list` shows all.")
    return Described(_problem(registry.find_problem(name)), _render)


def _is_run(name: str) -> bool:
    """Whether a run folder or a packed run has this path."""
    with suppress(OSError, ValueError):  # a name that is too long, or holds a null byte
        return (Path(name) / CONFIG).is_file() or is_packed(name)
    return False


def _render(description: Mapping[str, Any], between: str = "") -> str:  # Any: JSON
    """A description for people; `between` stands before its tables."""
    text = f"{description['title']}  ({description['kind']} {description['key']})\n\n"
    for key, heading in _PARAGRAPHS.items():
        if content := description.get(key):
            if isinstance(content, dict):
                lines = [f"{name}: {number(value)}" for name, value in content.items()]
            else:
                lines = (", ".join(content) if isinstance(content, list | tuple) else str(content)).splitlines()
            text += f"{heading}:\n" + "".join(f"    {line}\n" for line in lines) + "\n"
    text += between
    for heading in ("fields", "parameters", "forcings", "invariants", "metrics", "settings"):
        if rows := description.get(heading):
            text += table(heading, list(rows[0]), [list(row.values()) for row in rows])
    for heading in ("presets", "recipes"):
        if presets := {name: flat(values) for name, values in description.get(heading, {}).items()}:
            settings = dict.fromkeys(key for values in presets.values() for key in values)
            rows = [(key, *(v.get(key) for v in presets.values())) for key in settings]
            text += table(heading, ["", *presets], rows)
    return text


def _problem(problem: Problem) -> dict[str, Any]:
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
            name: {key: table.model_dump(mode="json") for key, table in by_task.items()}
            for name, by_task in tables.items()
        },
    }


def _task(task: AnyTask) -> dict[str, Any]:
    return {
        "kind": "task",
        "key": task.key,
        "title": task.title,
        "capability": task.capability.__name__,
        "card": f"[presets.NAME.{task.card.key}]",
        "task_solvers": [key for key, solver in registered_solvers().items() if solver.task.key == task.key],
        "metrics": [{"key": m.key, "label": m.label, "units": m.units, "better": m.better} for m in task.metrics],
    }


def _solver(solver: AnySolver) -> dict[str, Any]:
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


def _tool(tool: Tool[Any], solvers: Mapping[str, AnySolver]) -> dict[str, Any]:
    meanings = tool.config.meanings()
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
            {"setting": name, "default": defaults[name], "meaning": " ".join(meanings.get(name, "").split())}
            for name in tool.config.model_fields
        ],
    }


def _run(folder: Path) -> Described:
    """A finished run; its problem may be one that is not registered here."""
    config, record = read_config(folder), Record.read(folder)
    known = config.problem_path is None and record.problem in registry.problem_folders()
    first = registry.problem(record.problem).metrics if known else ()
    values = record.metrics["test"]
    content = {
        "kind": "run",
        "key": folder.resolve().name,
        "title": f"{record.title} on {record.problem}, {record.preset}, seed {record.seed}",
        "problem": record.problem,
        "solver": record.solver,
        "task": record.task,
        "preset": record.preset,
        "headline": {metric.key: values[metric.key] for metric in headline_of(record, first)},
        "record": record.model_dump(mode="json", by_alias=True),
        "first": first,
    }
    return Described(content, partial(_render, between=after_tools(record, first)))
