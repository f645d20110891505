"""``list``, ``show``, ``doctor``: what there is, what it is, whether this machine can use it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import typer

from sciml.cli._app import app
from sciml.cli._print import JSON, as_json, table


@app.command("list")
def list_all(json: bool = JSON) -> None:
    """List problems, solvers, tasks and tools, which solver applies to which problem, and what does not work."""
    from sciml.cli._failures import failures
    from sciml.core import registry
    from sciml.core.capabilities import capability_names
    from sciml.tools import registered_tools
    from sciml.train import registered_solvers, registered_tasks

    problems, solvers, tools = registry.problems(), registered_solvers(), registered_tools()
    tasks, broken = registered_tasks(), failures()
    matrix = {p.name: {s.key: s.supports(p)._asdict() for s in solvers.values()} for p in problems.values()}
    acts = {t.key: {s.key: t.supports(s)._asdict() for s in solvers.values()} for t in tools.values()}
    if json:
        as_json(
            {
                "problems": [
                    {
                        "name": p.name,
                        "title": p.title,
                        "capabilities": capability_names(p),
                        "presets": p.presets,
                        "solver": p.solver,
                    }
                    for p in problems.values()
                ],
                "solvers": [
                    {"key": s.key, "title": s.title, "task": s.task.key, "citation": s.citation}
                    for s in solvers.values()
                ],
                "tasks": [{"key": t.key, "title": t.title} for t in tasks.values()],
                "tools": [{"key": t.key, "title": t.title, "citation": t.citation} for t in tools.values()],
                "support": matrix,
                "tool_support": acts,
                "failures": [failure._asdict() for failure in broken],
            }
        )
        return
    table(
        "Problems",
        ["name", "title", "capabilities"],
        [(p.name, p.title, ", ".join(capability_names(p))) for p in problems.values()],
    )
    table("Solvers", ["key", "title", "task"], [(s.key, s.title, s.task.key) for s in solvers.values()])
    table("Tasks", ["key", "title"], [(t.key, t.title) for t in tasks.values()])
    rows = []
    for name, row in matrix.items():
        also = ", ".join(key for key in row if row[key]["ok"] and key != problems[name].solver)
        rows.append((name, problems[name].solver, textwrap.fill(also, 35)))
    table("Support", ["problem", "by default", "also"], rows)
    table(
        "Tools", ["key", "title", "not for runs of"], [(t.key, t.title, _refused(acts[t.key])) for t in tools.values()]
    )
    if broken:
        table("Registered, but not usable", ["kind", "name", "reason"], broken)


def _refused(support: Mapping[str, Mapping[str, Any]]) -> str:
    """The solvers that a tool says no to, by its reason."""
    reasons: dict[str, list[str]] = {}
    for key, answer in support.items():
        if not answer["ok"]:
            reasons.setdefault(answer["reason"], []).append(key)
    return "\n".join(textwrap.fill(f"{', '.join(keys)}: {reason}", 32) for reason, keys in reasons.items())


@app.command()
def show(
    name: str = typer.Argument(help="A problem, solver, task or tool, a run folder, or a problem folder."),
    json: bool = JSON,
) -> None:
    """Show a problem (equation, units), solver (recipes, claim), task, tool (settings) or run (metrics, lineage)."""
    from sciml.cli._describe import describe, render

    described = describe(name)
    if json:
        record = described.get("record")
        as_json(described if record is None else described | {"record": record.model_dump(mode="json", by_alias=True)})
    else:
        render(described)


@app.command()
def doctor(json: bool = JSON) -> None:
    """Check this installation: versions, device, cache folder, optional engines."""
    from sciml.cli._checks import checks

    results = checks()
    if json:
        as_json([check._asdict() for check in results])
    else:
        table("sciml doctor", ["check", "state", "detail"], [(c.name, c.state, c.detail) for c in results])
    if any(check.state == "fail" for check in results):
        raise typer.Exit(2)
