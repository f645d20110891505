"""What predictions of a run cost that tools made, as a share of the run they began with: metrics that studies add."""

from __future__ import annotations

from pathlib import Path

from sciml.metrics import Metric
from sciml.study._use import load_run
from sciml.tools.cost import measure_costs

LEFT = tuple(
    Metric(f"left/{name}", f"{words}, share left", brief=f"share of the {words} that is left", cost=True)
    for name, words in (
        ("latency", "latency"),
        ("flops", "FLOPs"),
        ("parameters", "parameters"),
        ("file_size", "file size"),
        ("peak_memory", "peak memory"),
    )
)
"""Metrics of every variant that tools made; 1 for one that was trained."""


def costs_left(first: Path, last: Path, problem: str | Path) -> dict[str, float]:
    """The shares, both runs timed side by side on one thread.

    Arguments:
        first: folder of the run that tools began with.
        last: folder of what they made of it.
        problem: the folder of their problem.
    """
    names = [metric.key.partition("/")[2] for metric in LEFT]
    if first == last:
        return {f"left/{name}": 1.0 for name in names}
    before, after = load_run(first, problem=problem), load_run(last, problem=problem)
    costs = measure_costs(
        {"before": before.module, "after": after.module},
        before.solver.predict,
        before.example(),
        batch=1,
        grid=before.task.grid_of(before.context),
    )
    old, new = costs["before"], costs["after"]
    pairs = {
        "latency": (new.latency.seconds, old.latency.seconds),
        **{name: (float(getattr(new, name)), float(getattr(old, name))) for name in names[1:]},
    }
    return {f"left/{name}": ours / theirs for name, (ours, theirs) in pairs.items() if theirs}
