"""What tools did to a run: the table of before and after, and what they found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from sciml.cli._print import number, table

if TYPE_CHECKING:
    from sciml.metrics import Metric
    from sciml.study import Record


def headline_of(record: Record, first: Iterable[str]) -> list[Metric]:
    """The metrics of a run that are worth a column; its task may be one that is not installed here."""
    from sciml.metrics import headline_metrics
    from sciml.train import registered_tasks

    task = registered_tasks().get(record.task)
    columns = headline_metrics(task.metrics if task else (), record.metrics["test"], first=first)
    return [metric for metric in columns if metric.units != "s"]


def print_lineage(record: Record, first: Iterable[str] = ()) -> None:
    """Print a row per run from the first one to this one; nothing where no tool acted."""
    from sciml.draw import format_bytes, format_count, format_seconds

    if not record.lineage:
        return
    metrics = headline_of(record, first)
    rows = [
        (
            row.tool or "trained",
            *(row.metrics.get(metric.key) for metric in metrics),
            row.cost.parameters,
            format_count(row.cost.flops),
            f"{format_seconds(row.cost.latency.seconds)} ± {number(100 * row.cost.latency.spread)} %",
            format_bytes(row.cost.peak_memory),
            format_bytes(row.cost.file_size),
            format_seconds(row.train_seconds),
        )
        for row in record.lineage
    ]
    columns = ["by", *(metric.key for metric in metrics), "parameters", "FLOPs", "latency", "peak memory", "file size"]
    table(f"Before and after: {' > '.join(row.run for row in record.lineage)}", [*columns, "making it took"], rows)
    where = record.lineage[-1].cost.conditions
    typer.echo(f"One prediction is the shortest answer for one test sample, on {where.device} with one thread.")


def print_findings(record: Record) -> None:
    """Print the remarks of tools, a line each."""
    for key, found in record.findings.items():
        for line in found.words:
            typer.echo(f"{key}: {line}")
