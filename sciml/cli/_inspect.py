"""``list``, ``show``, ``doctor``: what there is, what it is, whether this machine can use it."""

from __future__ import annotations

import textwrap

import typer

from sciml.cli._app import app
from sciml.cli._print import JSON, as_json, table


@app.command("list")
def list_all(json: bool = JSON) -> None:
    """List problems, solvers and tools, and which solver applies to which problem."""
    from sciml.core import registry
    from sciml.core.capabilities import capability_names

    problems, solvers, tools = registry.problems(), registry.solvers(), registry.tools()
    matrix = {p.name: {s.key: s.supports(p)._asdict() for s in solvers.values()} for p in problems.values()}
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
                "tools": [{"key": t.key, "title": t.title, "citation": t.citation} for t in tools.values()],
                "support": matrix,
            }
        )
        return
    table(
        "Problems",
        ["name", "title", "capabilities"],
        [(p.name, p.title, ", ".join(capability_names(p))) for p in problems.values()],
    )
    table("Solvers", ["key", "title", "task"], [(s.key, s.title, s.task.key) for s in solvers.values()])
    if tools:
        table("Tools", ["key", "title"], [(t.key, t.title) for t in tools.values()])
    rows = []
    for name, row in matrix.items():
        also = ", ".join(key for key in row if row[key]["ok"] and key != problems[name].solver)
        rows.append((name, problems[name].solver, textwrap.fill(also, 35)))
    table("Support", ["problem", "by default", "also"], rows)


@app.command()
def show(
    name: str = typer.Argument(help="A problem, solver or tool, or the path of a problem folder."), json: bool = JSON
) -> None:
    """Show one problem (equation, units, parameters), solver (recipes, claim) or tool."""
    from sciml.cli._describe import describe, render

    found = describe(name)
    if json:
        as_json(found)
    else:
        render(found)


@app.command()
def doctor(json: bool = JSON) -> None:
    """Check this installation: versions, device, cache folder, optional engines."""
    from sciml.cli._checks import checks

    found = checks()
    if json:
        as_json([check._asdict() for check in found])
    else:
        table("sciml doctor", ["check", "state", "detail"], [(c.name, c.state, c.detail) for c in found])
    if any(check.state == "fail" for check in found):
        raise typer.Exit(2)
