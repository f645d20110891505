"""What tools did to a run: the table of before and after, and what they found."""

from __future__ import annotations

from collections.abc import Iterable

from sciml.core.text import number, table
from sciml.draw import format_bytes, format_count, format_seconds
from sciml.metrics import Metric, headline_metrics
from sciml.study import Record
from sciml.train import registered_tasks


def headline_of(record: Record, first: Iterable[str]) -> list[Metric]:
    """The metrics of a run that are worth a column; its task may be one that is not installed here."""
    task = registered_tasks().get(record.task)
    columns = headline_metrics(task.metrics if task else (), record.metrics["test"], first=first)
    return [metric for metric in columns if metric.units != "s"]


def after_tools(record: Record, first: Iterable[str] = ()) -> str:
    """What tools did to a run, as text: the table of before and after, and their remarks; nothing without tools."""
    remarks = [f"{key}: {line}\n" for key, entry in record.findings.items() for line in entry.words]
    tables = [table(t.title, t.columns, t.rows) for entry in record.findings.values() for t in entry.tables]
    return "".join([_lineage(record, first), *remarks, *tables])


def _lineage(record: Record, first: Iterable[str]) -> str:
    """A row per run from the first one to this one; nothing where no tool acted."""
    if not record.lineage:
        return ""
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
    title = f"Before and after: {' > '.join(row.run for row in record.lineage)}"
    drawn = table(title, [*columns, "making it took"], rows)
    where = record.lineage[-1].cost.conditions
    return f"{drawn}One prediction is the shortest answer for one test sample, on {where.device} with one thread.\n"
