"""``about.json``: what a run's inputs and answers are, for whoever has its folder or its exported program alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sciml
from sciml.core import registry
from sciml.core.config import Config, parse, read_json
from sciml.core.errors import ConfigError, DataError
from sciml.core.problem import Problem
from sciml.core.recorded import Imported
from sciml.data import read_card
from sciml.discovery import TableProblem
from sciml.train import AnySolver, Context

ABOUT = "about.json"
LICENCE = "Apache-2.0"
"""Of the program; that of the data is the data's."""


class Quantity(Config):
    """A field or a parameter, in the order in which networks and programs take them."""

    name: str
    units: str
    long_name: str = ""
    mean: float | None = None
    """Of the training data; None where the solver keeps none."""
    std: float | None = None
    """Standard deviation of the training data."""
    low: float | None = None
    """Of the range a parameter was drawn from."""
    high: float | None = None
    """Of the range a parameter was drawn from."""


class AxisWords(Config):
    """An axis of the grid, in storage order."""

    name: str
    size: int
    lower: float
    upper: float
    boundary: str
    units: str


class Citation(Config):
    """Whom to cite, for what."""

    problem: str
    data: str
    solver: str
    program: str


class About(Config):
    """What a run is about."""

    program: str
    """Name and version of the program that wrote it."""
    problem: str
    title: str
    equation: str
    solver: str
    solver_title: str
    task: str
    preset: str
    dataset: str
    """Hash of the data."""
    data_title: str
    fields: tuple[Quantity, ...]
    """Channels of networks and programs, in their order."""
    parameters: tuple[Quantity, ...]
    """Physical parameters, in their order."""
    forcings: tuple[Quantity, ...] = ()
    """Fields that are given and not predicted, in their order."""
    axes: tuple[AxisWords, ...] = ()
    dt: float | None = None
    """Time between two frames, in `time_units`; None where a run has no frames."""
    time_units: str | None = None
    not_modelled: str = ""
    """What the data leaves out of the real world."""
    citation: Citation
    licence: dict[str, str]
    """Of the ``program`` and of the ``data`` (empty where nobody said)."""


def about(problem: Problem, solver: AnySolver, preset: str, dataset: str, context: Context) -> About:
    """Put together what is known of a run.

    Arguments:
        problem, solver, preset: of the run.
        dataset: hash of its data.
        context: what the module knows of the data; grid, statistics, time step and units are taken where it has them.
    """
    known = context.model_dump(mode="json")
    statistics = known.get("statistics", {})
    axes = known.get("grid", {}).get("axes", ())
    card = _card_words(problem)
    time_units = known.get("time_units")
    fields = [{"name": f.name, "units": f.units, "long_name": f.long_name} for f in problem.fields]
    parameters, forcings = (
        [{"name": p.name, "units": p.units, "long_name": p.long_name, "low": p.low, "high": p.high} for p in entries]
        for entries in (problem.parameters, problem.forcings)
    )
    return parse(
        About,
        {
            "program": f"sciml {sciml.__version__}",
            "problem": problem.name,
            "title": problem.title,
            "equation": problem.equation,
            "solver": solver.key,
            "solver_title": solver.title,
            "task": solver.task.key,
            "preset": preset,
            "dataset": dataset,
            "data_title": card["title"],
            "fields": _with_moments(fields, statistics, "field"),
            "parameters": _with_moments(parameters, statistics, "parameter"),
            "forcings": forcings,
            "axes": [{key: axis[key] for key in AxisWords.model_fields} for axis in axes],
            "dt": known.get("dt"),
            "time_units": time_units,
            "not_modelled": card["not_modelled"],
            "citation": {
                "problem": problem.citation,
                "data": card["citation"],
                "solver": solver.citation,
                "program": f"The sciml developers, sciml {sciml.__version__}",
            },
            "licence": {"program": LICENCE, "data": card["licence"]},
        },
        "this run",
    )


def read_about(folder: Path) -> About | None:
    """What a run folder says of itself; None for one of a version that did not write it yet.

    Raises: DataError for a file that is not in order.
    """
    try:
        return parse(About, read_json(folder / ABOUT), str(folder / ABOUT), stored=True)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ConfigError as error:
        raise DataError(error.what, fix=f"Remove {ABOUT}: it is made again where the problem is known.") from None


def _with_moments(quantities: list[dict[str, Any]], statistics: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The quantities with their mean and standard deviation, where the statistics have one of each per quantity."""
    values = {moment: statistics.get(f"{kind}_{moment}", {}).get("values", ()) for moment in ("mean", "std")}
    if any(len(numbers) != len(quantities) for numbers in values.values()):
        return quantities
    return [
        {**quantity, "mean": mean, "std": std}
        for quantity, mean, std in zip(quantities, values["mean"], values["std"], strict=True)
    ]


def _card_words(problem: Problem) -> dict[str, str]:
    """What the card of the data says for people; what is known without it, where it is not at hand."""
    if isinstance(problem, TableProblem):
        return {"title": problem.title, "licence": "", "citation": problem.citation, "not_modelled": ""}
    if isinstance(problem, Imported) and problem.folder is None:
        return {"title": problem.title, "licence": "", "citation": problem.citation, "not_modelled": ""}
    if not registry.card_path(problem).is_file():
        return {"title": problem.title, "licence": "", "citation": problem.citation, "not_modelled": ""}
    card = read_card(problem)
    return {
        "title": card.title,
        "licence": card.licence,
        "citation": card.citation,
        "not_modelled": card.not_modelled,
    }
