"""What is asked before formulas are looked for, and after: whether the data determine what is hidden, and of what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations_with_replacement

import numpy as np
import torch
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.core.formulas import parse_formula
from sciml.discovery._algebra import symbol_names
from sciml.discovery._identify import Identifiability, identify
from sciml.discovery._named import Component, MeasuredTerm
from sciml.discovery._table_problem import TableProblem

RICHER = 3
"""Columns up to which products of three are candidate terms too, where the data tell them apart."""
EXPLAINED = 0.8
"""Share of what is hidden that the best formula must explain to be one; two thirds are found by looking among many."""
CLEAR = 10.0
"""Misfit, in units of the noise, from which on what is not explained is no noise."""
_ALIKE = 3.0  # times the noise by which curves may differ and still be the same function of time


def report_on(
    problem: HasHiddenTerm, seen: Sequence[Observations], measured: MeasuredTerm, noise: Tensor | None
) -> Identifiability:
    """Whether the candidate terms can be told apart: of all inputs, or of those of each field that has fewer.

    Where nobody chose them, products of three columns are among them if the data tell these apart too.

    Arguments:
        problem, seen, measured: as for `name_term`.
        noise: standard deviation of every field's values as they speak of it; None where they cannot.
    """
    names, every = problem.rate_equation.hidden_inputs, measured.inputs.numpy()
    same = _same_courses(problem, seen, measured, noise)
    is_one_curve = not problem.hidden.drivers and len(same) == len(problem.fields)
    curves = 1 if is_one_curve else len(seen)
    columns = list(problem.rate_equation.hidden_columns)
    inputs, errors = every[:, columns], _errors(problem, seen, noise)
    share = _share(inputs, errors, seen, problem)
    points, notes = sum(int(entry.seen.any(1).sum()) for entry in seen), _notes(problem)
    if is_one_curve:
        notes = (f"all {len(seen)} trajectories follow the same course, so they count as one", *notes)
    groups = dict.fromkeys(inputs_of(problem, f.name) for f in problem.fields if f.name not in problem.hidden.complete)
    reports, observed = [], _observed(problem, seen, columns)
    for group in groups:
        which = [names.index(name) for name in group]

        def ask(library: tuple[str, ...], group: tuple[str, ...] = group, which: list[int] = which) -> Identifiability:
            return identify(
                inputs[:, which], group, library or group, curves=curves, space=len(problem.boundary), noise=share,
                points=points, notes=notes, errors=None if errors is None else errors[which],
                observed=None if observed is None else [rows[:, which] for rows in observed],
            )  # fmt: skip

        usual = tuple(
            term for term in problem.hidden.library if symbol_names(parse_formula(term, spelling=group)) <= set(group)
        )
        richer = _richer(problem, group)
        best = ask(richer) if richer else None
        reports.append(best if best is not None and best.identifiable else ask(usual))
    report = next((report for report in reports if not report.identifiable), reports[0])
    timed = [name for name in same if name not in problem.hidden.complete] if len(same) < len(problem.fields) else []
    if timed:
        words = (f"{', '.join(timed)} is the same function of time on all trajectories, so what its rate hides cannot "
                 f"be told from a function of time; give it as an input (--inputs {','.join(timed)})")  # fmt: skip
        report = replace(report, identifiable=False, reasons=(*report.reasons, words))
    return replace(report, terms=tuple(dict.fromkeys(term for one in reports for term in one.terms)))


def unexplained(report: Identifiability, components: Sequence[Component]) -> Identifiability:
    """The report, with a reason more where the best formula of a field leaves most of what is hidden open."""
    poor = [c for c in components if c.explained is not None and c.explained < EXPLAINED]
    if not poor:
        return report
    reasons = tuple(
        f"what the rate of {c.field} hides is no function of {', '.join(c.front.names)} that was found: the best "
        f"formula explains {100 * max(0.0, c.explained or 0.0):.0f} % of it; it may depend on time, or on something "
        f"that was not measured (if {c.field} drives the others, give --inputs {c.field})"
        for c in poor
    )  # fmt: skip
    return replace(report, identifiable=False, reasons=(*report.reasons, *reasons))


def inputs_of(problem: HasHiddenTerm, name: str) -> tuple[str, ...]:
    """The columns that the hidden part of a field's rate may depend on."""
    allowed = problem.hidden.inputs_of.get(name, problem.rate_equation.hidden_inputs)
    return tuple(entry for entry in problem.rate_equation.hidden_inputs if entry in allowed)


def _richer(problem: HasHiddenTerm, names: tuple[str, ...]) -> tuple[str, ...]:
    """All products of at most three of a few columns, if nobody chose the terms."""
    is_open = isinstance(problem, TableProblem) and not problem.source.prior.library and not problem.boundary
    if not is_open or len(names) > RICHER:
        return ()
    return ("1", *("*".join(chosen) for n in (1, 2, 3) for chosen in combinations_with_replacement(names, n)))


def _errors(problem: HasHiddenTerm, seen: Sequence[Observations], noise: Tensor | None) -> np.ndarray | None:
    """Standard deviation of every hidden input, zero for those nobody speaks of."""
    if problem.boundary or noise is None:
        return None
    fields = np.zeros(len(problem.fields) + len(problem.hidden.drivers))
    fields[: len(problem.fields)] = noise.numpy()
    return fields[list(problem.rate_equation.hidden_columns)]


def _observed(problem: HasHiddenTerm, seen: Sequence[Observations], columns: list[int]) -> list[np.ndarray] | None:
    """Measured hidden inputs of every trajectory in order of time; None in space."""
    if problem.boundary:
        return None
    tables = []
    for k, entry in enumerate(seen):
        times, order = entry.coordinates[:, 0].sort()
        values = torch.where(entry.seen, entry.values, torch.nan)[order]
        tables.append(torch.cat([values, problem.drivers(k, times)], dim=1).numpy()[:, columns])
    return tables


def _share(
    inputs: np.ndarray, errors: np.ndarray | None, seen: Sequence[Observations], problem: HasHiddenTerm
) -> float:
    """Noise as a share of what a column varies by, the largest of them; of its magnitude where only that is known."""
    if errors is not None:
        return float((errors / np.where(inputs.std(0) > 0, inputs.std(0), 1.0)).max())
    offset = problem.levels.offset
    shares = [
        float((entry.typical_sigma / (entry.values - offset).abs().nanmean(0).clamp(min=1e-300)).max())
        for entry in seen
        if entry.typical_sigma is not None
    ]
    return max(shares, default=0.0)


def _same_courses(
    problem: HasHiddenTerm, seen: Sequence[Observations], measured: MeasuredTerm, noise: Tensor | None
) -> list[str]:
    """Fields that follow the same course in time on all trajectories."""
    if measured.times is None or problem.boundary or len(seen) < 2 or len(problem.fields) < 2:
        return []
    same = []
    first = (measured.trajectory == 0).numpy()
    columns, times = problem.rate_equation.field_columns, measured.times.numpy()
    for c, column in enumerate(columns):
        values, spread = measured.inputs[:, column].numpy(), float(problem.levels.scale[c])
        allowed = max(1e-3 * spread, 0.0 if noise is None else _ALIKE * float(noise[c]))
        apart = []
        for k in range(1, len(seen)):
            rows = (measured.trajectory == k).numpy()
            both = (times[first] >= times[rows].min()) & (times[first] <= times[rows].max())
            other = np.interp(times[first][both], times[rows], values[rows])
            apart.append(float(np.sqrt(np.mean((values[first][both] - other) ** 2))) if both.any() else np.inf)
        if max(apart) <= allowed:
            same.append(problem.fields[c].name)
    return same


def _notes(problem: HasHiddenTerm) -> tuple[str, ...]:
    names = ", ".join(problem.multipliers if isinstance(problem, TableProblem) else problem.rate_equation.unknowns)
    if not names or set(problem.rate_equation.hidden_inputs) != set(problem.rate_equation.inputs):
        return ()
    return (
        f"the data determine the sum of the known and the hidden part only: {names} can be read off the formula if the "
        "hidden part has no such term of its own",
    )
