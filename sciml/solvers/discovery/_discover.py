"""From observations to an equation: measure the hidden term, ask whether it can be named, name it, try the name.

1. a solver of the task `Discovery` (UPINN by default) measures the hidden term along the observed trajectories;
2. the identifiability report says whether the visited states can tell candidate terms apart; if not, that is all;
3. a `SymbolicEngine` looks for a formula of each component, the disagreement of independent fits taken for the error;
4. the leading formulas are put into the equation, which decides between them by the observations themselves;
5. the equation found is simulated from an initial condition that was not observed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from sciml.core import rng
from sciml.core.capabilities import HasHiddenTerm, HeldOut, Observations
from sciml.core.errors import UserError
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.solvers.discovery._confirm import CANDIDATES, Confirmed, Constant, confirm, exact_starts
from sciml.solvers.discovery._dimensions import UnitsVerdict, check_units
from sciml.solvers.discovery._engine import engine as find_engine
from sciml.solvers.discovery._equivalence import Match, compare
from sciml.solvers.discovery._front import SymbolicFront, format_expr, rounded
from sciml.solvers.discovery._identify import Identifiability, identify
from sciml.solvers.discovery._kept import Kept
from sciml.solvers.discovery._parse import parse_formula
from sciml.solvers.discovery._places import columns_of
from sciml.solvers.discovery._solver import DiscoverySolver
from sciml.solvers.discovery._spec import SearchSpec, SymbolicProblem
from sciml.solvers.discovery._table import TableProblem
from sciml.solvers.discovery._tree import evaluate
from sciml.tasks.discovery import (
    DiscoveryConfig,
    Measured,
    ObservationExamples,
    Visited,
    dense_places,
    forecast,
    hidden_errors,
    observe,
    true_values,
)
from sciml.train import Recipe

ROWS = 61
"""Places per trajectory that formulas are fitted to."""
HOPELESS = 50.0
"""Nat of description length beyond which a rival of the favourite is not tried on the observations."""
NOTHING = 0.1
"""A hidden part below this share of the known one may be none: zero is tried on the observations too."""
LEAST_ERROR = 0.005
"""Error assumed at least, as a share of a component's root mean square: networks that agree may be wrong together."""


@dataclass(frozen=True)
class Component:
    """The hidden part of one field's equation.

    Arguments:
        field: whose rate it belongs to.
        front: formulas by complexity and error.
        expr: the chosen one.
        sigma: error of the values it was fitted to, as estimated, root mean square over places.
        match: comparison with the truth, where that is known.
        misfit: mean squared misfit of the observations by the whole equation, in units of the noise where known.
        constants: the numbers of `expr` with their intervals, in the order of their text.
        nice: `expr` with shorter numbers, if the observations allow all of them at once.
        units: whether the formula fits the units of its inputs, where the problem has any.
    """

    field: str
    front: SymbolicFront
    expr: sp.Expr
    sigma: float | None
    match: Match | None
    misfit: float | None = None
    constants: tuple[Constant, ...] = ()
    nice: sp.Expr | None = None
    units: UnitsVerdict | None = None


@dataclass(frozen=True)
class Forecast:
    """The found equation from the held-out initial condition.

    Arguments:
        held: the truth.
        states: the simulation, ``time channel *space``.
        error: relative L2; infinite if the simulation broke down.
        ok: whether it reached the end.
    """

    held: HeldOut
    states: Tensor
    error: float
    ok: bool


@dataclass(frozen=True)
class Discovered:
    """Everything that was found.

    Arguments:
        problem, solver, engine: who did what.
        seen: the observations.
        places, measured: the hidden term along the trajectories.
        identifiability: the report that precedes any formula.
        components: formulas; empty if none may be looked for.
        forecast: of the equation with those formulas, where there is an initial condition to try.
        errors: of the measured term and the state against the truth, where known (see `sciml.train.Discovery`).
        scalars: unknown scalars of the known part, fitted to the observations where there are formulas.
        intervals: of those, then.
        seconds: wall time by stage.
    """

    problem: Problem
    solver: str
    engine: str
    seen: tuple[Observations, ...]
    places: Visited
    measured: Measured
    identifiability: Identifiability
    components: tuple[Component, ...] = ()
    forecast: Forecast | None = None
    errors: dict[str, float] = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Constant] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def equations(self, digits: int = 4) -> dict[str, str]:
        """The hidden part of every field as text."""
        return {component.field: format_expr(component.expr, digits) for component in self.components}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: all but the arrays."""
        return {
            "problem": self.problem.name,
            "solver": self.solver,
            "engine": self.engine,
            "identifiability": self.identifiability.to_dict(),
            "equations": self.equations(),
            "components": {
                c.field: {
                    "front": c.front.to_dict(),
                    "chosen": format_expr(c.expr, 6),
                    "sigma": c.sigma,
                    "misfit": c.misfit,
                    "match": None if c.match is None else vars(c.match),
                    "constants": [vars(number) for number in c.constants],
                    "nice": None if c.nice is None else format_expr(c.nice),
                    "units": None if c.units is None else vars(c.units),
                }
                for c in self.components
            },
            "forecast": None if self.forecast is None else {"relative_l2": self.forecast.error, "ok": self.forecast.ok},
            "errors": self.errors,
            "scalars": self.scalars,
            "intervals": {name: vars(number) for name, number in self.intervals.items()},
            "seconds": self.seconds,
        }


def discover(
    problem: Problem,
    *,
    solver: DiscoverySolver,
    engine: str = "operon",
    preset: str = "tiny",
    recipe: Recipe | None = None,
    task: DiscoveryConfig | None = None,
    search: SearchSpec | None = None,
    seed: int = 0,
    anyway: bool = False,
    kept: Kept | None = None,
    log: Callable[[str], None] = lambda words: None,
) -> Discovered:
    """Find the hidden part of a problem's equation.

    Arguments:
        problem: one that `HasHiddenTerm`.
        solver: what measures the hidden term.
        engine: what looks for formulas.
        preset: the solver's recipe; `recipe` replaces it.
        task: what is observed.
        search: how formulas are looked for.
        seed: of the networks.
        anyway: look for formulas even where they are not identifiable.
        kept: where finished steps are kept, and taken from; None for nowhere.
        log: told what happens.

    Raises: UserError for what does not fit together, NumericsError if a fit ends in NaN.
    """
    import time

    support = solver.supports(problem)
    if not support.ok or not isinstance(problem, HasHiddenTerm):
        raise UserError(f"solver {solver.key!r} cannot look for the hidden term of {problem.name!r}: {support.reason}")
    machine, started = find_engine(engine), time.perf_counter()
    usable = machine.available()
    if not usable.ok:  # before minutes of training
        machine.fit(SymbolicProblem(np.ones((8, 1)), np.arange(8.0), ("x",)))
    recipe, task = recipe or solver.recipe(preset), task or DiscoveryConfig()
    seen = observe(problem, task)
    log(f"{len(seen)} trajectories, {sum(len(e.values) for e in seen)} observations; {solver.title} measures")
    rng.seed_everything(rng.derive(seed, "discover", solver.key))
    module: Any = solver.make(problem, recipe.model, seen, rng.derive(seed, "discover", solver.key))

    def fit() -> None:
        solver.fit(module, ObservationExamples(seen))

    kept.fitted(module, fit) if kept else fit()
    seconds = {"measure": time.perf_counter() - started}
    places = dense_places(seen, task.dense)
    with torch.no_grad():
        measured = module.measure(places)
        dense = dense_places(seen, ROWS if not problem.boundary else 5 * ROWS // 3)
        table = module.measure(dense)
    errors = _errors(problem, places, measured)
    inputs = _hidden_inputs(problem, table)
    notes = _notes(problem)
    report = identify(
        inputs, problem.hidden_inputs, problem.library, curves=len(seen), space=len(problem.boundary),
        noise=_noise(seen), notes=notes,
    )  # fmt: skip
    log(report.words())
    scalars = module.found_scalars()
    if not report.identifiable and not anyway:
        return Discovered(problem, solver.key, engine, seen, places, measured, report, errors=errors,
                          scalars=scalars, seconds=seconds)  # fmt: skip
    started = time.perf_counter()
    observations = sum(len(entry.values) for entry in seen)
    if search is None:  # sparse regression adds up the terms of its library, whatever they are made of
        search = SearchSpec(library=problem.library) if engine == "sparse" else SearchSpec(operators=problem.operators)
    components = tuple(
        _name(problem, index, inputs, table, observations, search, engine, kept) for index in range(len(problem.fields))
    )
    seconds["search"] = time.perf_counter() - started
    started = time.perf_counter()
    firsts = torch.stack([table.inputs[dense.trajectory == k][0] for k in range(len(seen))])
    components, decided = _confirmed(problem, seen, firsts, components, inputs, table, search, scalars)
    scalars = {name: number.value for name, number in decided.scalars.items()}
    seconds["confirm"] = time.perf_counter() - started
    ahead = try_formulas(problem, [c.expr for c in components], scalars)
    return Discovered(
        problem, solver.key, engine, seen, places, measured, report, components, ahead, errors, scalars,
        dict(decided.scalars), seconds,
    )  # fmt: skip


def try_formulas(problem: Problem, formulas: Sequence[sp.Expr], scalars: dict[str, float]) -> Forecast | None:
    """Simulate the held-out trajectory with formulas for the hidden part; None if there is none to try."""
    assert isinstance(problem, HasHiddenTerm)
    held = problem.held_out()
    if held is None:
        return None
    which = {name: problem.inputs.index(name) for name in problem.hidden_inputs}

    def hidden(inputs: Tensor) -> Tensor:
        values = {name: inputs[:, column] for name, column in which.items()}
        return torch.stack([evaluate(expr, values, inputs[:, 0]) for expr in formulas], dim=1)

    given = {name: torch.tensor(value, dtype=torch.float64) for name, value in scalars.items()}
    solved = forecast(problem, hidden, held, given)
    ok = int(solved.status[0]) == Status.OK
    error = float((solved.states[0] - held.states).norm() / held.states.norm()) if ok else float("inf")
    return Forecast(held, solved.states[0], error, ok)


def full_equations(found: Discovered, digits: int = 4) -> list[str]:
    """``x' = known + (hidden)`` per field; unknown scalars of a table's known part are read off the formulas."""
    problem = found.problem
    assert isinstance(problem, HasHiddenTerm)
    formulas = [component.expr for component in found.components]
    known = [parse_formula(text) for text in problem.known_formulas()]
    if isinstance(problem, TableProblem) and formulas:
        scalars, rest = problem.split_scalars(formulas)
        for name, shapes in problem.multipliers.items():
            if (value := scalars[name]) is not None:
                known = [told + value * shape for told, shape in zip(known, shapes, strict=True)]
        formulas = list(rest)
    lines = []
    for i, expr in enumerate(formulas):
        symbol = problem.fields[i].symbol  # type: ignore[attr-defined]
        left = f"{symbol}_t" if problem.boundary else f"{symbol}'"  # type: ignore[attr-defined]
        told = str(rounded(known[i], digits)) if known else "known"
        lines.append(f"{left} = {told} + ({format_expr(expr, digits)})")
    return lines


def _name(
    problem: Problem, index: int, inputs: np.ndarray, table: Measured, observations: int, search: SearchSpec,
    engine: str, kept: Kept | None,
) -> Component:  # fmt: skip
    assert isinstance(problem, HasHiddenTerm)
    target = table.hidden[:, index].numpy()
    size = float(np.sqrt(np.mean(target**2)))
    sigma = None
    if table.spread is not None and size > 0:
        spread = table.spread[:, index].numpy()
        sigma = np.sqrt((spread**2 + np.mean(spread**2)) / 2 + (LEAST_ERROR * size) ** 2)
    asked = SymbolicProblem(inputs, target, problem.hidden_inputs, sigma=sigma, effective=observations)
    name = problem.fields[index].name

    def find() -> SymbolicFront:
        return find_engine(engine).fit(asked, search)

    front = kept.front(name, find) if kept else find()
    expr = front.best().expr
    match = _match(problem, index, expr, inputs)
    error = None if sigma is None else float(np.sqrt(np.mean(sigma**2)))
    return Component(name, front, expr, error, match)


def _confirmed(
    problem: Problem, seen: tuple[Observations, ...], firsts: Tensor, components: tuple[Component, ...],
    inputs: np.ndarray, table: Measured, search: SearchSpec, scalars: dict[str, float],
) -> tuple[tuple[Component, ...], Confirmed]:  # fmt: skip
    """The components with the formulas that the observations prefer, constants fitted to them."""
    assert isinstance(problem, HasHiddenTerm)
    columns = [problem.inputs.index(entry.symbol) for entry in problem.fields]
    starts = exact_starts(problem, seen, firsts[:, columns])
    options = [_leading(component.front) for component in components]
    given = {name: table.inputs.new_full((len(inputs),), value) for name, value in scalars.items()}
    told = problem.known(table.inputs.new_zeros(len(inputs)), table.inputs, given)
    for rival, hidden, known in zip(options, table.hidden.unbind(1), told.unbind(1), strict=True):
        if hidden.norm() < NOTHING * known.norm():
            rival.append(sp.Integer(0))
    alphabet = len(problem.hidden_inputs) + len(search.operators) + 1
    decided = confirm(problem, seen, starts, options, alphabet, scalars)
    found = []
    for index, (component, expr) in enumerate(zip(components, decided.formulas, strict=True)):
        nice = None if decided.nice is None else decided.nice[index]
        found.append(
            replace(
                component, expr=expr, match=_match(problem, index, expr, inputs), misfit=decided.misfit,
                constants=decided.constants[index], nice=None if nice == expr else nice,
                units=_units(problem, index, expr),
            )
        )  # fmt: skip
    return tuple(found), decided


def _units(problem: Problem, index: int, expr: sp.Expr) -> UnitsVerdict | None:
    """Whether a formula fits the units of the inputs and the rate; None where all are pure numbers."""
    assert isinstance(problem, HasHiddenTerm)
    along = problem.coordinate_units
    fields = [entry.units for entry in problem.fields]
    if {*fields, *along.values()} <= {"1"}:
        return None
    axes, units = list(problem.boundary), {}
    for name, column in zip(problem.inputs, columns_of(problem), strict=True):
        per = "" if not column.order else f" / ({along.get(axes[column.axis - 1], '1')})" * column.order
        units[name] = f"({fields[column.channel]}){per}"
    return check_units(expr, units, f"({fields[index]}) / ({along.get('t', '1')})")


def _leading(front: SymbolicFront) -> list[sp.Expr]:
    """The favourite, the next simpler formulas on the front, and the best of the more complex ones.

    Simpler ones are tried since what speaks against them may be the correlated error of the measured values alone; but
    none whose description is longer than the favourite's by more than `HOPELESS`.
    """
    favourite = front.best("mdl")
    at = front.entries.index(favourite)
    hopeful = [entry.mdl <= favourite.mdl + HOPELESS for entry in front.entries]
    simpler = [entry for entry, fine in zip(front.entries[:at], hopeful, strict=False) if fine][::-1][: CANDIDATES - 1]
    later = [entry for entry, fine in zip(front.entries[at + 1 :], hopeful[at + 1 :], strict=True) if fine]
    richer = sorted(later, key=lambda entry: entry.mdl)[:1]
    return [entry.expr for entry in (favourite, *simpler, *richer)]


def _match(problem: HasHiddenTerm, index: int, expr: sp.Expr, inputs: np.ndarray) -> Match | None:
    truths = problem.hidden_formulas()
    if not truths:
        return None
    return compare(expr, parse_formula(truths[index], problem.hidden_inputs), inputs, problem.hidden_inputs)


def _hidden_inputs(problem: HasHiddenTerm, table: Measured) -> np.ndarray:
    return table.inputs[:, [problem.inputs.index(name) for name in problem.hidden_inputs]].numpy()


def _errors(problem: Problem, places: Visited, measured: Measured) -> dict[str, float]:
    inputs, hidden = true_values(problem, places)
    if inputs is None or hidden is None:
        return {}
    found = hidden_errors(problem, measured.hidden, hidden)
    columns = [problem.inputs.index(entry.symbol) for entry in problem.fields]  # type: ignore[attr-defined]
    state = measured.inputs[:, columns] - inputs[:, columns]
    return {**found, "state/relative_l2": float(state.norm() / inputs[:, columns].norm())}


def _noise(seen: Sequence[Observations]) -> float:
    """Noise as a share of the values' magnitude, the largest over fields; zero where it is not known."""
    shares = [
        float((entry.sigma / entry.values.abs().mean(0).clamp(min=1e-300)).max())
        for entry in seen
        if entry.sigma is not None
    ]
    return max(shares, default=0.0)


def _notes(problem: HasHiddenTerm) -> tuple[str, ...]:
    names = ", ".join(problem.multipliers if isinstance(problem, TableProblem) else problem.unknowns)
    if not names or set(problem.hidden_inputs) != set(problem.inputs):
        return ()
    return (
        f"the data determine the sum of the known and the hidden part only: {names} can be read off the formula if the "
        "hidden part has no such term of its own",
    )
