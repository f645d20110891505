"""Values of metrics in tables: how they are written, and which is the best."""

from __future__ import annotations

from collections.abc import Mapping

from sciml.draw import best_of, format_number, format_seconds
from sciml.metrics import Metric


def format_metric(value: int | float | None, metric: Metric) -> str:
    """A metric's value: a duration for seconds, else three significant digits."""
    return format_seconds(value) if metric.units == "s" else format_number(value)


def best_metric(metric: Metric, values: Mapping[str, float | None]) -> str | None:
    """Key of the value that is ahead in the digits shown; None for a metric that says something of the test."""
    return None if metric.better == "none" else best_of(values, metric.loss)
