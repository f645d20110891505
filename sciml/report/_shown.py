"""What the page of a run shows of its task, beside what the page of every run has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sciml.report._pictures import Picture
from sciml.report._svg import Figure


@dataclass(frozen=True)
class Shown:
    """What a task adds to a page.

    Arguments:
        template: the page; it extends ``run.html.j2`` and fills its blocks.
        values: what the template asks for.
        files: every figure and picture of `values`, to be written as files too.
        counted: what the operations are counted for.
        timed: what the time of a prediction is told for.
        batched: how that time was measured.
    """

    template: str
    values: Mapping[str, Any]
    files: Sequence[Figure | Picture] = ()
    counted: str = "step"
    timed: str = "step"
    batched: str = "per sample, in a batch"
