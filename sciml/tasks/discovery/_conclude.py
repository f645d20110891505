"""What follows from a measured hidden term: its name, and the trial of the equation with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import xarray
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.core.progress import Progress
from sciml.discovery import (
    Component,
    MeasuredTerm,
    Named,
    NamingConfig,
    Steps,
    Trial,
    alike,
    format_expr,
    full_equations,
    name_term,
    remarks,
    to_callable,
    to_latex,
    unknown_scalars,
)
from sciml.tasks.discovery._data import Measured, Visited, dense_places
from sciml.tasks.discovery._module import HiddenTermModule
from sciml.tasks.discovery._words import scalar_words
from sciml.train import Conclusion

ROWS = 61
"""Points per trajectory that formulas are fitted to, at least; in a plane of space and time as many as on a few curves.
Curves have four per observation, up to `MOST_ROWS`."""
MOST_ROWS = 401


def conclude(
    problem: HasHiddenTerm,
    module: HiddenTermModule,
    seen: Sequence[Observations],
    places: Visited,
    config: NamingConfig,
    folder: Path,
    progress: Progress,
) -> Conclusion:
    """Name the hidden term that a module measures.

    Arguments:
        problem, module: what was measured by what.
        seen: the observations.
        places: where the formulas are compared with the measured term.
        config: how formulas are looked for.
        folder: where finished searches are kept.
        progress: told what happens.
    """
    most = max(len(entry.values) for entry in seen)
    dense = dense_places(tuple(seen), 5 * ROWS // 3 if problem.boundary else min(MOST_ROWS, max(ROWS, 4 * most + 1)))
    with torch.no_grad():
        measured, table = module.measure(places), module.measure(dense)
    named = name_term(
        problem, seen, MeasuredTerm(dense.trajectory, *table, times=dense.coordinates[:, 0].double()), config,
        scalars=module.found_scalars(), steps=Steps(folder, progress.log), log=progress.log,
    )  # fmt: skip
    equations = full_equations(problem, named.formulas)
    details, arrays = _details(problem, named, config, equations), _arrays(problem, named, measured)
    return Conclusion(_metrics(named), details, arrays, tuple(equations) or (named.identifiability.words(),))


def _metrics(named: Named) -> dict[str, float]:
    metrics = {} if named.trial is None else {"named/forecast": named.trial.error}
    misfits = [component.misfit for component in named.components if component.misfit is not None]
    return metrics | ({"named/misfit": misfits[0]} if misfits else {})


def _details(
    problem: HasHiddenTerm, named: Named, config: NamingConfig, equations: list[str]
) -> dict[str, Any]:  # Any: JSON
    details = {
        "engine": config.engine,
        "full_equations": equations,
        **named.to_dict(),
        "scalars": unknown_scalars(problem, named),
        "scalar_words": scalar_words(problem, named),
    }
    details["identifiability"]["words"] = named.identifiability.words()
    for component in named.components:
        details["components"][component.field] |= _in_words(component)
    return details


def _in_words(component: Component) -> dict[str, Any]:  # Any: JSON
    """LaTeX, remarks, and which rows of the front have the form of the chosen formula."""
    rows = [i for i, entry in enumerate(component.front.entries) if alike(entry.expr, component.expr)]
    return {"latex": to_latex(component.expr), "remarks": remarks(component), "chosen_rows": rows}


def _arrays(problem: HasHiddenTerm, named: Named, measured: Measured) -> xarray.Dataset:
    """Values of the formulas along the trajectories, and the trial of the equation with them."""
    arrays: dict[str, Any] = {}
    equation = problem.rate_equation
    inputs = measured.inputs[:, equation.hidden_columns].numpy()
    for field, formula in zip(problem.fields, named.formulas, strict=False):
        values = to_callable(formula, equation.hidden_inputs)(inputs)
        arrays[f"formula_{field.name}"] = ("sample", values, {"units": field.units, "long_name": format_expr(formula)})
    return xarray.Dataset(arrays | ({} if named.trial is None else _trial(problem, named.trial)))


def _trial(problem: HasHiddenTerm, trial: Trial) -> dict[str, Any]:
    dims = ("held_time", *(f"held_{axis}" for axis in problem.boundary))
    arrays: dict[str, Any] = {"held_time": ("held_time", trial.held.times.double().numpy())}
    for axis, points in zip(problem.boundary, trial.held.points, strict=True):
        arrays[f"held_{axis}"] = (f"held_{axis}", points.numpy())
    for i, field in enumerate(problem.fields):
        for prefix, states, words in (("trial", trial.states, "by the equation that was found"),
                                      ("held", trial.held.states, "from a start that was not observed")):  # fmt: skip
            arrays[f"{prefix}_{field.name}"] = (dims, _column(states, i), {
                "units": field.units, "long_name": f"{field.long_name} {words}",
            })  # fmt: skip
    return arrays


def _column(states: Tensor, channel: int) -> Any:  # Any: a numpy array
    return states[:, channel].double().numpy()
