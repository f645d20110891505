"""``list``: what there is, and what goes with what."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from sciml.api._failures import failures
from sciml.core import registry
from sciml.core.capabilities import capability_names
from sciml.core.text import Described, table
from sciml.tools import registered_tools
from sciml.train import registered_solvers, registered_tasks

_WIDTH = 80
"""Of a terminal."""


def list() -> Described:
    """Problems, solvers, tasks and tools, which solver applies to which problem, and what does not work.

    Returns: plain data, the same as ``sciml list --json``: ``problems``, ``solvers``, ``tasks``, ``tools``, ``support``
        (of a problem by a solver, with the reason where there is none), ``tool_support`` (of a tool for a solver's
        runs), ``failures``. Shown or printed it is the tables of the command.
    """
    problems, solvers, tools = registry.problems(), registered_solvers(), registered_tools()
    content = {
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
            {"key": s.key, "title": s.title, "task": s.task.key, "citation": s.citation} for s in solvers.values()
        ],
        "tasks": [{"key": t.key, "title": t.title} for t in registered_tasks().values()],
        "tools": [{"key": t.key, "title": t.title, "citation": t.citation} for t in tools.values()],
        "support": {p.name: {s.key: s.supports(p)._asdict() for s in solvers.values()} for p in problems.values()},
        "tool_support": {t.key: {s.key: t.supports(s)._asdict() for s in solvers.values()} for t in tools.values()},
        "failures": [failure._asdict() for failure in failures()],
    }
    return Described(content, _render)


def _render(content: Mapping[str, Any]) -> str:  # Any: JSON
    problems = [(p["name"], p["title"], ", ".join(p["capabilities"])) for p in content["problems"]]
    text = table("Problems", ["name", "title", "capabilities"], problems)
    text += table("Solvers", ["key", "title", "task"], [(s["key"], s["title"], s["task"]) for s in content["solvers"]])
    text += table("Tasks", ["key", "title"], [(t["key"], t["title"]) for t in content["tasks"]])
    rows, room = [], _WIDTH - 8  # what three columns are framed by
    room -= max(len(p["name"]) for p in content["problems"]) + max(len(p["solver"]) for p in content["problems"])
    for problem in content["problems"]:
        support = content["support"][problem["name"]]
        also = ", ".join(key for key, answer in support.items() if answer["ok"] and key != problem["solver"])
        rows.append((problem["name"], problem["solver"], textwrap.fill(also, room)))
    text += table("Support", ["problem", "by default", "also"], rows)
    tools = [(t["key"], t["title"], _refused(content["tool_support"][t["key"]])) for t in content["tools"]]
    text += table("Tools", ["key", "title", "not for runs of"], tools)
    if broken := content["failures"]:
        text += table("Registered, but not usable", ["kind", "name", "reason"], [tuple(b.values()) for b in broken])
    return text


def _refused(support: Mapping[str, Mapping[str, Any]]) -> str:
    """The solvers that a tool says no to, by its reason."""
    refused: dict[str, str] = {}  # solvers, joined, by reason
    for key, answer in support.items():
        if not answer["ok"]:
            reason = answer["reason"]
            refused[reason] = f"{refused[reason]}, {key}" if reason in refused else key
    return "\n".join(textwrap.fill(f"{keys}: {reason}", 32) for reason, keys in refused.items())
