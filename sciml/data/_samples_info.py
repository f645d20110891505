"""Describing and checking data that is made in memory: labelled samples, densities, stochastic paths, points."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sciml.core import rng
from sciml.core.capabilities import Classifies, Diffuses, HasDensity, HasHiddenTerm, HasResidual
from sciml.core.errors import UserError
from sciml.core.problem import Problem
from sciml.core.rng import generator
from sciml.data._card import CollocationCard, ObservationsCard, PathsCard, PresetCard, SamplesCard, read_card
from sciml.data._check import Check
from sciml.data._layout import SPLITS
from sciml.data._samples import (
    as_channels,
    checked_samples,
    density_splits,
    labelled_splits,
    sample_statistics,
    samples_digest,
)
from sciml.data._statistics import Statistics

STORED = "nowhere: it is made in memory where it is used"


def samples_info(problem: Problem, preset: str) -> dict[str, Any]:
    """Sizes, classes and statistics of a preset without trajectories as plain data; nothing is written.

    Raises: ConfigError for a faulty card, UnknownNameError for an unknown preset, UserError for faulty samples.
    """
    about, card = read_card(problem), _table(problem, preset)
    found: dict[str, Any] = {
        "problem": problem.name,
        "preset": preset,
        "title": about.title,
        "licence": about.licence,
        "citation": about.citation,
        "digest": samples_digest(problem, card),
        "stored": STORED,
    }
    if isinstance(card, ObservationsCard):
        assert isinstance(problem, HasHiddenTerm)
        return found | {"observed": vars(problem.plan), "fields": {f.name: {"units": f.units} for f in problem.fields}}
    found["seed"] = card.seed
    if isinstance(card, PathsCard):
        assert isinstance(problem, Diffuses)
        times = problem.times()
        span = {"first": float(times[0]), "last": float(times[-1]), "number": len(times), "units": about.time_units}
        start = dict(zip([field.name for field in problem.fields], problem.start().tolist(), strict=True))
        return found | {"paths": card.paths.model_dump(), "step": card.step, "times": span, "start": start}
    if isinstance(card, CollocationCard):
        return found | card.model_dump(exclude={"seed", "cost"}) | {"cases": _cases(problem)}
    found["samples"] = card.samples.model_dump()
    if isinstance(problem, Classifies):
        splits = labelled_splits(problem, card)
        counts = {name: torch.bincount(split.labels, minlength=len(problem.classes)) for name, split in splits.items()}
        channels = as_channels(problem, splits["train"].features)
        found |= {
            "available": len(checked_samples(problem).labels),
            "shape": list(splits["train"].features.shape[1:]),
            "classes": {
                name: dict(zip(problem.classes, count.tolist(), strict=True)) for name, count in counts.items()
            },
            "fields": _fields(problem, sample_statistics(channels)),
        }
    if isinstance(problem, HasDensity):
        drawn = {shape: density_splits(problem, shape, card)["train"] for shape in problem.shapes}
        found["shapes"] = {
            shape: {
                "log density": "known" if problem.log_density(shape, points[:1]) is not None else "not known",
                "fields": _fields(problem, sample_statistics(points)),
            }
            for shape, points in drawn.items()
        }
    return found


def verify_samples(problem: Problem, preset: str) -> list[Check]:
    """Check contents, splits and that making them again gives the same bits; faults are failed checks.

    Raises: ConfigError for a faulty card, UnknownNameError for an unknown preset.
    """
    card = _table(problem, preset)
    checks = [Check("files", True, "none, the data is made in memory where it is used")]
    if isinstance(card, PathsCard):
        return [*checks, *_guarded("coefficients", lambda: _coefficients(problem))]
    if isinstance(card, ObservationsCard):
        return [*checks, *_guarded("observations", lambda: _observed(problem))]
    if isinstance(card, CollocationCard):
        assert isinstance(problem, HasResidual)
        for case in problem.cases:
            checks += _guarded(f"case {case}", lambda case=case: _solution(problem, case))
        return checks
    if isinstance(problem, Classifies):
        checks += _guarded("samples", lambda: _labelled(problem, card))
    if isinstance(problem, HasDensity):
        for shape in problem.shapes:
            checks += _guarded(f"density {shape}", lambda shape=shape: _density(problem, shape, card))
    return checks


def _table(problem: Problem, preset: str) -> SamplesCard | PathsCard | CollocationCard | ObservationsCard:
    card = read_card(problem).preset(preset)
    assert not isinstance(card, PresetCard), "asked only of a problem that has samples"
    return card


def _fields(problem: Problem, statistics: Statistics) -> dict[str, dict[str, Any]]:
    return {
        field.name: {"units": field.units, "mean": float(mean), "std": float(std)}
        for field, mean, std in zip(problem.fields, statistics.field_mean, statistics.field_std, strict=True)
    }


def _guarded(name: str, check: Callable[[], list[Check]]) -> list[Check]:
    """What `check` finds; a fault of the data or the card is a failed check."""
    try:
        return check()
    except UserError as error:
        return [Check(name, False, str(error))]


def _labelled(problem: Problem, card: SamplesCard) -> list[Check]:
    splits, again = labelled_splits(problem, card), labelled_splits(problem, card)
    assert isinstance(problem, Classifies)
    count, classes = len(checked_samples(problem).labels), len(problem.classes)
    shares = {name: torch.bincount(split.labels, minlength=classes) for name, split in splits.items()}
    absent = [
        f"{name} has none of {label!r}"
        for name, share in shares.items()
        for label, n in zip(problem.classes, share.tolist(), strict=True)
        if not n
    ]
    same = all(torch.equal(*pair) for name in SPLITS for pair in zip(splits[name], again[name], strict=True))
    used = sum(len(split.labels) for split in splits.values())
    return [
        Check("samples", True, f"{count}, finite, labels within the {classes} classes; {used} in the splits"),
        Check("classes", not absent, "; ".join(absent) or "every class in every split"),
        Check("reproduced", same, "made twice, the same bits" if same else "made twice, not the same"),
    ]


def _density(problem: Problem, shape: str, card: SamplesCard) -> list[Check]:
    assert isinstance(problem, HasDensity)
    splits, again = density_splits(problem, shape, card), density_splits(problem, shape, card)
    same = all(torch.equal(splits[name], again[name]) for name in SPLITS)
    apart = not any(
        _shared(splits[a], splits[b]) for a, b in (("train", "valid"), ("train", "test"), ("valid", "test"))
    )
    known = problem.log_density(shape, splits["test"].double())
    finite = known is None or bool(known.isfinite().all())
    words = "density not known" if known is None else f"mean log density {float(known.mean()):.3f}"
    return [
        Check(f"{shape}: draws", apart, f"{sum(map(len, splits.values()))}, finite, none in two splits; {words}"),
        Check(f"{shape}: density", finite, "finite at every test point, where it is known"),
        Check(f"{shape}: reproduced", same, "made twice, the same bits" if same else "made twice, not the same"),
    ]


def _observed(problem: Problem) -> list[Check]:
    assert isinstance(problem, HasHiddenTerm)
    seen, again = (problem.observations(problem.plan, rng.generator(0, problem.name, "verify")) for _ in range(2))
    same = all(torch.equal(a.values, b.values) for a, b in zip(seen, again, strict=True))
    finite = all(bool(entry.values.isfinite().all()) for entry in seen)
    points = sum(len(entry.values) for entry in seen)
    return [
        Check("observations", finite, f"{points} values per field, {len(seen)} trajectories"),
        Check("reproduced", same, "made twice, the same bits" if same else "made twice, not the same"),
    ]


def _coefficients(problem: Problem) -> list[Check]:
    assert isinstance(problem, Diffuses)
    times, start = problem.times(), problem.start()
    rising = len(times) > 1 and bool((times.diff() > 0).all())
    fits = start.shape == (len(problem.fields),)
    checks = [Check("times", rising, f"{len(times)}, increasing"), Check("start", fits, "one value per field")]
    if not (rising and fits):
        return checks
    params = {entry.name: torch.full((2,), entry.low, dtype=torch.float64) for entry in problem.parameters}
    state = start.double().expand(2, -1)
    for name, function in (("drift", problem.drift), ("diffusion", problem.diffusion)):
        value = function(times[:1].double().expand(2), state, params)
        good = value.shape == state.shape and bool(value.isfinite().all())
        checks.append(Check(name, good, "finite at the start, one value per field"))
    return checks


def _cases(problem: Problem) -> dict[str, dict[str, Any]]:
    """Axes, fields and numbers of every setting of a differential equation."""
    assert isinstance(problem, HasResidual)
    found = {}
    for case in problem.cases:
        statement = problem.statement(case)
        found[case] = {
            "axes": {axis.name: [axis.lower, axis.upper] for axis in statement.domain.axes},
            "fields": list(statement.fields),
            "parameters": dict(statement.parameters),
            "to be found": [unknown.name for unknown in statement.unknowns],
        }
    return found


def _solution(problem: Problem, case: str) -> list[Check]:
    """Whether the reference is finite and fulfils the conditions that fix a value."""
    assert isinstance(problem, HasResidual)
    statement = problem.statement(case)
    unit = torch.rand(64, len(statement.names), generator=generator(0, "verify"), dtype=torch.float64)
    values = problem.reference(statement.domain.place(unit), case)
    good = values.shape == (64, len(statement.fields)) and values.dtype == torch.float64
    checks = [Check(f"{case}: reference", good and bool(values.isfinite().all()), "finite, one column per field")]
    for i, condition in enumerate(statement.conditions):
        if condition.order or statement.singular_corners or not good:
            continue
        points = statement.domain.face(unit, condition.axis, condition.side)
        found = problem.reference(points, case)[:, statement.fields.index(condition.field)]
        worst = float((found - statement.value(i, points)).abs().max())
        checks.append(Check(f"{case}: {condition}", worst < 1e-6, f"missed by {worst:.1e} at most"))
    return checks


def _shared(first: Tensor, second: Tensor) -> bool:
    """Whether any row is in both."""
    return bool({tuple(row) for row in first.tolist()} & {tuple(row) for row in second.tolist()})
