"""One discovery: measure, name, try, beside the baseline with the same symbolic step; a folder with what came out."""

import hashlib
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sympy as sp
import torch

from sciml.core import paths, registry
from sciml.core.capabilities import HasHiddenTerm
from sciml.core.config import override, read_json
from sciml.core.errors import DataError, UnsupportedError
from sciml.core.problem import Problem
from sciml.core.progress import Progress, SilentProgress
from sciml.solvers.discovery import (
    Component,
    Discovered,
    DiscoverySolver,
    Entry,
    Kept,
    SearchSpec,
    TableProblem,
    alike,
    discover,
    format_expr,
    full_equations,
    to_latex,
)
from sciml.solvers.discovery import engine as find_engine
from sciml.study._folder import choose_folder, sole_writer
from sciml.study._provenance import commit, hardware, versions
from sciml.tasks.discovery import DiscoveryConfig, observe
from sciml.train import Recipe

DISCOVERY, STEPS = "discovery.json", "steps"
BASELINE = "spline_derivative"


@dataclass(frozen=True)
class Discovery:
    """A finished discovery on disk.

    Arguments:
        folder: where its files are.
        found: what it found.
        baseline: what the baseline found with the same symbolic step; None where it does not apply.
    """

    folder: Path
    found: Discovered
    baseline: Discovered | None

    @property
    def equations(self) -> dict[str, str]:
        """The hidden part of every field as text; empty if the data do not determine it."""
        return self.found.equations()


def run_discovery(
    problem: Problem,
    *,
    solver: str = "upinn",
    engine: str = "operon",
    members: int | None = None,
    preset: str = "tiny",
    seed: int = 0,
    settings: tuple[str, ...] = (),
    search: SearchSpec | None = None,
    anyway: bool = False,
    compare: bool = True,
    out: Path = Path("runs"),
    progress: Progress | None = None,
) -> Discovery:
    """Find the hidden part of a problem's equation and write the folder.

    Finished steps (the fit, the formulas of each field) are kept in it until all are done. If the same is asked again
    after it was stopped, they are taken from there; other settings or other data start a folder of their own.

    Arguments:
        problem: one that `HasHiddenTerm`, registered or a table.
        solver, engine: what measures the hidden term, what names it.
        members: independent fits, if the solver has them; None for the recipe's.
        preset, seed, settings: as for a run.
        search: how formulas are looked for.
        anyway: look for formulas even where they are not identifiable.
        compare: whether the spline baseline is run too.
        out: folder under which ``<problem>/discover-…`` is made.
        progress: where to report.

    Raises: UserError for what the user can mend, NumericsError for a fit that ends in NaN.
    """
    progress = progress or SilentProgress()
    method = _method(solver)
    recipe = override(method.recipe(preset), list(settings))
    if members is not None and "members" in dict(recipe.model):
        recipe = override(recipe, [f"model.members={members}"])
    task = recipe.task
    find_engine(engine)
    assert isinstance(task, DiscoveryConfig)
    support = method.supports(problem)
    if not support.ok:
        raise UnsupportedError(
            f"solver {solver!r} cannot look for the hidden term of {problem.name!r}: {support.reason}"
        )
    options: dict[str, Any] = {"engine": engine, "task": task, "search": search, "seed": seed}
    asked = _digest(problem, task, recipe=recipe.model_dump(mode="json"), engine=engine, seed=seed,
                    search=None if search is None else search.model_dump(mode="json"))  # fmt: skip
    folder = _folder(out / problem.name, f"discover-{method.key}-{engine}-s{seed}", asked)
    steps, threads = folder / STEPS / asked, torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with sole_writer(folder):
            kept = Kept(paths.make_folder(steps) / method.key, progress.log)
            found = discover(problem, solver=method, recipe=recipe, anyway=anyway, kept=kept, log=progress.log,
                             **options)  # fmt: skip
            rival, baseline = _method(BASELINE), None
            if compare and rival.supports(problem).ok and method.key != BASELINE:
                baseline = discover(problem, solver=rival, anyway=anyway, kept=Kept(steps / rival.key), **options)
            _write(folder, found, baseline, recipe, preset, seed)
            shutil.rmtree(folder / STEPS)
    finally:
        torch.set_num_threads(threads)
    return Discovery(folder, found, baseline)


def _folder(parent: Path, stem: str, asked: str) -> Path:
    """The folder in which a discovery with the same settings was stopped, else a new one."""
    stopped = (path.parents[1] for path in sorted(parent.glob(f"{stem}*/{STEPS}/{asked}")))
    return next((folder for folder in stopped if not (folder / DISCOVERY).exists()), None) or choose_folder(
        parent, stem, False
    )


def _digest(problem: Problem, task: DiscoveryConfig, **settings: Any) -> str:
    """What decides the finished steps: problem, observations and settings."""
    assert isinstance(problem, HasHiddenTerm)
    told = {"problem": problem.name, "known": problem.known_formulas(), "library": problem.library, **settings}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for entry in observe(problem, task):
        digest.update(entry.coordinates.numpy().tobytes() + entry.values.numpy().tobytes())
    return digest.hexdigest()[:16]


def _write(
    folder: Path, found: Discovered, baseline: Discovered | None, recipe: Recipe, preset: str, seed: int
) -> None:
    problem = found.problem
    record = {
        "schema": 1,
        "title": problem.title,
        "equation": problem.equation,
        "seed": seed,
        "preset": preset,
        "recipe": recipe.model_dump(mode="json"),
        "full_equations": full_equations(found) if found.components else [],
        **describe(found),
        "baseline": None if baseline is None else describe(baseline),
        "versions": versions(),
        "hardware": hardware(torch.device("cpu")),
        "git": commit(),
    }
    paths.write_text(folder / DISCOVERY, json.dumps(_finite(record), indent=1, allow_nan=False) + "\n")


def describe(found: Discovered) -> dict[str, Any]:
    """All of a `Discovered` as plain data, arrays included."""
    problem = found.problem
    columns = [problem.inputs.index(field.symbol) for field in problem.fields]  # type: ignore[attr-defined]
    chosen = [problem.inputs.index(name) for name in problem.hidden_inputs]  # type: ignore[attr-defined]
    true_hidden = None
    if found.errors:
        from sciml.tasks.discovery import true_values

        true_inputs, true = true_values(problem, found.places)
        assert true_inputs is not None and true is not None
        true_hidden, true_state = true.tolist(), true_inputs[:, columns].tolist()
    else:
        true_state = None
    values = {
        "fields": [vars(field) for field in problem.fields],
        "axes": list(problem.boundary),
        "hidden_inputs": list(problem.hidden_inputs),  # type: ignore[attr-defined]
        "trajectory": found.places.trajectory.tolist(),
        "coordinates": found.places.coordinates.tolist(),
        "state": found.measured.inputs[:, columns].tolist(),
        "inputs": found.measured.inputs[:, chosen].tolist(),
        "hidden": found.measured.hidden.tolist(),
        "spread": None if found.measured.spread is None else found.measured.spread.tolist(),
        "true_state": true_state,
        "true_hidden": true_hidden,
        "observed": [
            {"coordinates": entry.coordinates.tolist(), "values": entry.values.tolist()} for entry in found.seen
        ],
    }
    ahead = found.forecast
    trial = None
    if ahead is not None:
        trial = {
            "times": ahead.held.times.tolist(),
            "true": ahead.held.states.tolist(),
            "states": ahead.states.tolist(),
        }
    plain = found.to_dict()
    for component in found.components:
        entry = plain["components"][component.field]
        entry["latex"] = to_latex(component.expr)
        entry["remarks"] = remarks(component)
        entry["values"] = _values(found, component.expr)
        entry["pareto"] = [_row(e, component.expr) for e in component.front.entries]
    return plain | {"arrays": values, "trial": trial}


def _row(entry: Entry, chosen: Any) -> dict[str, Any]:
    """One formula of a front, for people."""
    return {
        "formula": format_expr(entry.expr),
        "latex": to_latex(entry.expr),
        "complexity": entry.complexity,
        "train": entry.loss_train,
        "held_out": entry.loss_heldout,
        "mdl": entry.mdl,
        "engine": entry.engine,
        "seed": entry.seed,
        "chosen": alike(entry.expr, chosen),
    }


def remarks(component: Component) -> list[str]:
    """What people should know of a formula: its numbers with their 95 % intervals, units, errors elsewhere."""
    lines = [f"constant {number.words()}" for number in component.constants]
    if component.nice is not None:
        lines.append(f"the observations cannot tell it from {format_expr(component.nice)}")
    if (verdict := component.units) is not None:
        carried = ", ".join(f"{float(sp.sympify(name)):.4g} in {unit}" for name, unit in verdict.constants.items())
        lines.append(f"units fit{', with ' + carried if carried else ''}" if verdict.ok else f"units: {verdict.reason}")
    if component.match is not None:
        same = "the same terms as the truth" if component.match.same else "other terms than the truth"
        here, wide = (f"{100 * error:.3g} %" for error in (component.match.error, component.match.wide_error))
        lines.append(f"{same}; error {here} where it was measured, {wide} on a box twice as wide")
    return lines


def read_discovery(folder: Path) -> dict[str, Any]:
    """The ``discovery.json`` of a folder. Raises DataError if there is none that is in order."""
    path = folder / DISCOVERY
    try:
        found = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{folder} holds no discovery: it has no {DISCOVERY}") from None
    if not isinstance(found, dict) or found.get("schema") != 1:
        raise DataError(f"{path} is not a discovery this version can read")
    return found


def scalars_of(found: Discovered) -> dict[str, float | None]:
    """Unknown scalars of a table's known part, read off the formulas."""
    if not isinstance(found.problem, TableProblem) or not found.components:
        return dict(found.scalars)
    return found.problem.split_scalars([component.expr for component in found.components])[0]


def _method(key: str) -> DiscoverySolver:
    method = registry.solver(key)
    if not isinstance(method, DiscoverySolver):
        fitting = [name for name, entry in registry.solvers().items() if isinstance(entry, DiscoverySolver)]
        raise UnsupportedError(f"solver {key!r} does not look for hidden terms",
                               expected=f"one of: {', '.join(fitting)}")  # fmt: skip
    return method


def _values(found: Discovered, expr: Any) -> list[float]:
    from sciml.solvers.discovery import to_callable

    names = found.problem.hidden_inputs  # type: ignore[attr-defined]
    chosen = [found.problem.inputs.index(name) for name in names]  # type: ignore[attr-defined]
    return to_callable(expr, names)(found.measured.inputs[:, chosen].numpy()).tolist()


def _finite(value: Any) -> Any:
    """Numbers that JSON cannot hold are None."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
