"""What a number in a record means: its words, its units, and which way is better.

A `Metric` stands beside the function that computes it, and a task declares those it measures, the most important ones
first. Tables, headlines, claims of studies and searches ask it; nothing else knows a metric by its key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sciml.core.errors import UnknownNameError, UserError
from sciml.core.problem import Problem

NAME = "*"
"""Stands in a key for a name: ``mae/*`` is the family of ``mae/temperature``, ``mae/pressure``, ..."""


@dataclass(frozen=True)
class Metric:
    """One number that a solver is judged by, or a family of them.

    Arguments:
        key: under which records hold it. One ``*`` stands for a name.
        label: its words in a table; ``{0}`` stands for the name, if the key has one.
        units: ``1`` for a pure number, ``s`` for a duration, empty for the units of the named quantity.
        better: which way is better; ``none`` for a number that says something of the test and not of a solver.
        target: the value it should have, with ``better="target"``.
        brief: its words within a sentence; empty for the label.
        cost: whether it counts work, not quality.
        headline: whether it is worth a column of its own.
        signed: whether it may pass through zero, so that a share of it means nothing.
        sweep: whether it is one point of a sweep, shown as a curve and not as a row.
        check: whether it tells if an answer is admissible rather than how good it is; studies do not plot it.
        names: the names that a family has for a problem; None if they are known only when it is measured.
        blind: the answer that knows nothing and has the value 1 by definition (``zero``, ``the mean``); empty for none.
    """

    key: str
    label: str
    units: str = "1"
    better: Literal["lower", "higher", "target", "none"] = "lower"
    target: float | None = None
    brief: str = ""
    cost: bool = False
    headline: bool = False
    signed: bool = False
    sweep: bool = False
    check: bool = False
    names: Callable[[Problem], Iterable[str]] | None = None
    blind: str = ""

    def __post_init__(self) -> None:
        if (self.better == "target") != (self.target is not None):
            raise UserError(
                f"metric {self.key!r} needs a target if, and only if, that is what is better",
                got=f"better={self.better!r}, target={self.target}",
            )
        if self.key.count(NAME) > 1 or (NAME in self.key) != ("{0}" in self.label):
            raise UserError(
                f"metric {self.key!r} has a place for one name in its key and its label, or in neither",
                got=self.label,
                expected="for example the key 'mae/*' with the label 'mean absolute error of {0}'",
            )

    @property
    def words(self) -> str:
        """What it is called within a sentence."""
        return self.brief or self.label

    def within(
        self, prefix: str, words: str, *, brief: str = "", headline: bool | None = None, check: bool | None = None
    ) -> Metric:
        """The same measured in one part of an examination: ``rollout/vrmse``, "VRMSE, rollout".

        Arguments:
            prefix, words: of the part, in keys and in labels.
            brief: the words of the result within a sentence.
            headline, check: where they differ from those of the metric.
        """
        return replace(
            self,
            key=f"{prefix}/{self.key}",
            label=f"{self.label}, {words}",
            brief=brief,
            headline=self.headline if headline is None else headline,
            check=self.check if check is None else check,
        )

    def member(self, key: str) -> Metric | None:
        """The metric of this key if it is this one or of this family, else None."""
        if NAME not in self.key:
            return self if key == self.key else None
        match = re.fullmatch(re.escape(self.key).replace(re.escape(NAME), "([^/]+)"), key)
        if match is None:
            return None
        name = match[1].replace("_", " ")
        return replace(self, key=key, label=self.label.format(name), brief=self.brief.format(name))

    def loss(self, value: float) -> float:
        """How bad a value is, so that less is better whatever the metric: the value, its negative, or its distance."""
        if self.target is not None:
            return abs(value - self.target)
        return -value if self.better == "higher" else value

    def strongest(self, values: Mapping[str, float | None]) -> str | None:
        """Key of the best finite value, the first of those that are level; None if there is none."""
        losses = {key: self.loss(v) for key, v in values.items() if v is not None and math.isfinite(v)}
        return None if self.better == "none" else min(losses, key=losses.__getitem__, default=None)


def find_metric(metrics: Sequence[Metric], key: str) -> Metric:
    """The metric of a key among those a task declares, families included.

    A key that nobody declares (in a record of another version) gets its own words and no direction: nothing is claimed
    of which way is better.
    """
    members = (metric.member(key) for metric in sorted(metrics, key=lambda metric: NAME in metric.key))
    return next((metric for metric in members if metric is not None), None) or _undeclared(key)


def check_metric(metrics: Sequence[Metric], key: str, problem: Problem, *, fix: str = "") -> Metric:
    """The declared metric of a key, for something that will be measured on `problem`.

    Arguments:
        fix: what the error adds to the nearest name, for example where the key was read.

    Raises: UnknownNameError, with the nearest name, for a key that is not declared or names what the problem lacks.
    """
    valid: list[str] = []
    for metric in metrics:
        if metric.names is None:
            valid.append(metric.key)
        else:
            valid += [metric.key.replace(NAME, name) for name in metric.names(problem)]
    if key in valid and NAME not in key:
        return find_metric(metrics, key)
    for metric in metrics:
        if metric.names is None and (member := metric.member(key)) is not None and NAME not in key:
            return member
    raise UnknownNameError("metric", key, dict.fromkeys(valid), fix=fix)


def headline_metrics(
    metrics: Sequence[Metric], measured: Iterable[str], *, first: Iterable[str] = (), most: int = 5
) -> list[Metric]:
    """The metrics worth a column: those a problem names first, then a task's headline ones, as far as measured.

    Arguments:
        metrics: what the task declares, in order of importance.
        measured: the keys of a record.
        first: keys the problem names.
        most: how many at most. If none of them was measured, it is the first ones of the record.
    """
    present = list(measured)
    wanted = dict.fromkeys([*first, *(metric.key for metric in metrics if metric.headline)])
    keys = [key for key in wanted if key in present] or present
    return [find_metric(metrics, key) for key in keys[:most]]


def _undeclared(key: str) -> Metric:
    group, _, name = key.rpartition("/")
    words = name.replace("_", " ")
    return Metric(key, f"{words}, {group.replace('_', ' ')}" if group else words, better="none")
