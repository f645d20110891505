"""From a measured hidden term to an equation: ask whether it can be named, name it, try the name.

1. the identifiability report says whether the visited states can tell candidate terms apart; if not, that is all;
2. a `SymbolicEngine` looks for a formula of each component, the disagreement of independent fits taken for the error;
3. the leading formulas are put into the equation, which decides between them by the observations themselves;
4. the equation found is simulated from an initial condition that was not observed.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.core.config import Config
from sciml.core.errors import DataError, UnsupportedError
from sciml.core.formulas import parse_formula
from sciml.discovery._algebra import symbol_names
from sciml.discovery._complete import try_formulas
from sciml.discovery._confirm import CANDIDATES, Confirmed, confirm
from sciml.discovery._dimensions import UnitsVerdict, check_units
from sciml.discovery._engines import engine as find_engine
from sciml.discovery._equivalence import Match, compare
from sciml.discovery._front import Entry, SymbolicFront
from sciml.discovery._gate import CLEAR, inputs_of, report_on, unexplained
from sciml.discovery._identify import Identifiability
from sciml.discovery._named import Component, MeasuredTerm, Named
from sciml.discovery._observed_course import exact_starts, first_scalars, scalars_at
from sciml.discovery._shapes import SHAPES, WAVES
from sciml.discovery._smooth import Smoothed, smooth
from sciml.discovery._spec import SearchSpec, SymbolicProblem
from sciml.discovery._steps import Steps
from sciml.discovery._table_problem import TableProblem
from sciml.discovery._weak import weak_form

HOPELESS = 0.5
"""Share of the worst formula's error from which on one simpler than the favourite is not tried on the observations."""
NOTHING = 0.1
"""A hidden part below this share of the known one may be none: zero is tried on the observations too."""
SPARSE = 0.5
"""Spacing of observations, in lengths on which values are alike, from which on smooth curves are poor."""
SETTLED = 1.5
"""Misfit, in units of the noise, up to which a favourite leaves nothing to explain."""
POOR = 3.0
"""Misfit of the observations, in units of the noise, from which on a formula is not the law."""
_USED = ("add", "sub", "mul", *SHAPES, *WAVES)
DIFFERENT = 0.1
"""Share of its size by which a formula must differ outside of what was observed to be another one."""
LEAST_ERROR = 0.005
"""Error assumed at least, as a share of a component's root mean square: networks that agree may be wrong together."""


class NamingConfig(Config):
    """How a measured hidden term is named."""

    engine: Literal["none", "operon", "sparse", "auto", "pysr"] = "none"
    """What looks for formulas; ``none`` leaves it at measuring."""
    anyway: bool = False
    """Whether formulas are looked for even where the data do not determine them."""
    search: SearchSpec | None = None
    """How formulas are looked for; None for the problem's operators, or its library for ``sparse``."""


def name_term(
    problem: HasHiddenTerm,
    seen: Sequence[Observations],
    measured: MeasuredTerm,
    config: NamingConfig,
    *,
    scalars: Mapping[str, float] | None = None,
    steps: Steps | None = None,
    log: Callable[[str], None] = lambda words: None,
) -> Named:
    """Name a measured hidden term.

    Arguments:
        problem: gives the known part, candidate terms and, for scoring only, the truth.
        seen: the observations, which decide between formulas.
        measured: the hidden term along the trajectories.
        config: with which engine.
        scalars: the unknown scalars of the known part as the method found them; None for the problem's first guesses.
        steps: where finished searches are kept, and taken from; None for nowhere.
        log: told what happens.

    Raises: EngineUnavailable for an engine that cannot run here, UserError for a bad table.
    """
    inputs = measured.inputs[:, problem.rate_equation.hidden_columns].numpy()
    first = first_scalars(problem, len(seen))
    numbers = first | {name: value for name, value in (scalars or {}).items() if name in first}
    curves = _curves_of(problem, seen)
    noise = None if curves is None else curves.noise
    report = report_on(problem, seen, measured, noise)
    log(report.words())
    if not report.identifiable and not config.anyway:
        return Named(report, scalars=numbers, advice=_advice(problem, curves))
    started = time.perf_counter()
    search = config.search or _usual_search(problem, config.engine, report)
    components = tuple(
        _name(problem, seen, index, inputs, measured, noise, search, config.engine, steps)
        if is_hidden
        else _nothing(problem, index, search)
        for index, is_hidden in enumerate(problem.is_hidden.tolist())
    )
    seconds = {"search": time.perf_counter() - started}
    report = unexplained(report, components)
    if not report.identifiable and not config.anyway:
        log(report.words())
        return Named(report, scalars=numbers, seconds=seconds, advice=_advice(problem, curves))
    if problem.boundary and problem.held_out() is None:
        log("there is no grid to solve the equation on, so the observations do not decide between formulas")
        return Named(report, components, None, numbers, {}, seconds)
    started = time.perf_counter()
    firsts = torch.stack([measured.inputs[measured.trajectory == k][0] for k in range(len(seen))])
    components, decided = _confirmed(problem, seen, firsts, components, inputs, measured, search, numbers, noise)
    numbers = {name: number.value for name, number in decided.scalars.items()}
    seconds["confirm"] = time.perf_counter() - started
    trial = try_formulas(problem, [c.expr for c in components], numbers)
    named = Named(report, components, trial, numbers, dict(decided.scalars), seconds)
    return replace(named, advice=_advice(problem, curves, named))


def _curves_of(problem: HasHiddenTerm, seen: Sequence[Observations]) -> Smoothed | None:
    """Smooth curves through the observations, which say what their noise is; None in space and for too few of them."""
    if problem.boundary:
        return None
    try:
        return smooth(problem, seen)
    except DataError:
        return None


def _advice(problem: HasHiddenTerm, curves: Smoothed | None, named: Named | None = None) -> str:
    """What may be relied on of the equations that were found, if some were, and whether a surrogate would pay."""
    if curves is None:
        return ""
    lines, components = [], () if named is None else named.components
    if close := [c.field for c in components if c.is_approximate]:
        lines.append(
            f"the formula for {', '.join(close)} is an approximation where values were observed, and not the law: the "
            "residuals of the equation are more than noise. Try other operators (exp, abs, sqrt, pow), another engine "
            "(auto), a library of your own, or a column that was not measured"
        )
    sparse, c = (float(value) for value in curves.spacings.max(0))
    if sparse > SPARSE:
        lines.append(
            f"there are {1 / sparse:.1f} points per length on which {problem.fields[int(c)].symbol} is alike, too few "
            "for smooth curves: a surrogate that knows the equation (--solver upinn) would pay"
        )
    elif lines:
        lines.append("A surrogate (--solver upinn) measures the hidden part without a formula")
    elif any(c.rivals for c in components):
        lines.append(
            "the points are dense and nothing but noise is left, but other formulas leave no more: the remarks on each "
            "formula say which, and where a measurement would decide"
        )
    elif components:
        lines.append(
            "the points are dense and nothing but noise is left where values were observed; beyond that the formula is "
            "an extrapolation. A surrogate (--solver upinn) would find the same"
        )
    return ". ".join(lines)


def require_engine(key: str, problem: HasHiddenTerm | None = None) -> None:
    """Raise EngineUnavailable, before minutes of training, for an engine that cannot run here.

    Raises UnsupportedError for one that would leave operators unused that were chosen for a problem.
    """
    if problem is not None:
        _require_used(problem, key)
    machine = find_engine(key)
    if not machine.available().ok:
        machine.fit(SymbolicProblem(np.ones((8, 1)), np.arange(8.0), ("x",)))


def _require_used(problem: HasHiddenTerm, engine: str) -> None:
    """Raise UnsupportedError for operators chosen for a table that an engine would leave unused."""
    prior = problem.source.prior if isinstance(problem, TableProblem) else None
    if prior is None or not prior.operators or engine != "sparse":
        return
    idle = list(prior.operators) if prior.library else [o for o in prior.operators if o not in _USED]
    if idle:
        why = "the terms of the library are the only ones" if prior.library else "sparse regression has no such terms"
        raise UnsupportedError(f"the engine 'sparse' does nothing with the operators {', '.join(idle)}: {why}",
                               expected=f"some of: {', '.join(_USED)}, without a library",
                               fix="Write terms with them into the library, or choose the engine auto.")  # fmt: skip


def _usual_search(problem: HasHiddenTerm, engine: str, report: Identifiability) -> SearchSpec:
    """Sparse regression adds up the terms of its library, whatever they are made of."""
    library = report.terms if report.identifiable else problem.hidden.library
    if engine == "sparse":
        return SearchSpec(library=library, shapes=_shapes_of(problem))
    if engine == "auto":
        return SearchSpec(operators=problem.hidden.operators, library=library, shapes=_shapes_of(problem))
    return SearchSpec(operators=problem.hidden.operators)


def _shapes_of(problem: HasHiddenTerm) -> tuple[str, ...]:
    """What terms beside products may be made of: anything where nobody chose, else what was chosen."""
    if not isinstance(problem, TableProblem) or problem.boundary or problem.source.prior.library:
        return ()
    asked = problem.source.prior.operators
    return tuple(name for name in (*SHAPES, *WAVES) if name in asked) if asked else SHAPES


def _name(
    problem: HasHiddenTerm, seen: Sequence[Observations], index: int, inputs: np.ndarray, table: MeasuredTerm,
    noise: Tensor | None, search: SearchSpec, engine: str, steps: Steps | None,
) -> Component:  # fmt: skip
    target = table.hidden[:, index].numpy()
    size = float(np.sqrt(np.mean(target**2)))
    sigma = None
    if table.spread is not None and size > 0:
        spread = table.spread[:, index].numpy()
        sigma = np.sqrt((spread**2 + np.mean(spread**2)) / 2 + (LEAST_ERROR * size) ** 2)
    name, every = problem.fields[index].name, problem.rate_equation.hidden_inputs
    chosen = inputs_of(problem, name)
    if len(chosen) < len(every):
        library = tuple(
            term for term in search.library if symbol_names(parse_formula(term, spelling=chosen)) <= set(chosen)
        )
        search = search.model_copy(update={"library": library})
    columns = [every.index(entry) for entry in chosen]
    weak = None if noise is None else weak_form(problem, seen, table, index, noise)
    observations = sum(len(entry.values) for entry in seen)
    units = input_units(problem, index)
    asked = SymbolicProblem(
        inputs[:, columns], target, chosen, sigma=sigma, effective=observations, weak=weak,
        units=() if units is None else (*(units[0][entry] for entry in chosen), units[1]),
    )  # fmt: skip

    def find() -> SymbolicFront:
        return find_engine(engine).fit(asked, search)

    front = steps.front(name, find) if steps else find()
    expr = front.best().expr
    match = _match(problem, index, expr, inputs)
    error = None if sigma is None else float(np.sqrt(np.mean(sigma**2)))
    return Component(name, front, expr, error, match, explained=_explained(front, asked))


def _explained(front: SymbolicFront, asked: SymbolicProblem) -> float | None:
    """Share of what is hidden that the favourite explains; None where it is noise that is left, or nobody knows."""
    loss, share = front.best(), 0.2
    left = (1 - share) * loss.loss_train + share * loss.loss_heldout
    if asked.weak is None or left <= CLEAR:
        return None
    return 1 - left / float(np.mean(asked.target**2))


def _nothing(problem: HasHiddenTerm, index: int, search: SearchSpec) -> Component:
    """The hidden part of an equation that is complete: none."""
    names = problem.rate_equation.hidden_inputs
    zero = Entry(sp.Integer(0), 1, 0.0, 0.0, 0, 0.0, 0.0, "none", search.seeds[0], "0")
    return Component(problem.fields[index].name, SymbolicFront(names, (zero,)), zero.expr, None, None)


def _confirmed(
    problem: HasHiddenTerm, seen: Sequence[Observations], firsts: Tensor, components: tuple[Component, ...],
    inputs: np.ndarray, table: MeasuredTerm, search: SearchSpec, scalars: dict[str, float], noise: Tensor | None,
) -> tuple[tuple[Component, ...], Confirmed]:  # fmt: skip
    """The components with the formulas that the observations prefer, constants fitted to them."""
    columns = problem.rate_equation.field_columns
    starts = exact_starts(problem, seen, firsts[:, columns])
    options = [_leading(component.front) for component in components]
    values = {name: table.inputs.new_full((len(inputs),), value) for name, value in scalars.items()}
    unknowns = scalars_at(values, table.trajectory)
    known_rates = problem.rate_equation.known(table.inputs.new_zeros(len(inputs)), table.inputs, unknowns)
    for formulas, hidden, known in zip(options, table.hidden.unbind(1), known_rates.unbind(1), strict=True):
        if hidden.norm() < NOTHING * known.norm() and sp.Integer(0) not in formulas:
            formulas.append(sp.Integer(0))
    alphabet = len(problem.rate_equation.hidden_inputs) + len(search.operators) + 1
    decided = confirm(problem, seen, starts, options, alphabet, scalars, noise)
    confirmed = []
    for index, (component, expr) in enumerate(zip(components, decided.formulas, strict=True)):
        nice = None if decided.nice is None else decided.nice[index]
        confirmed.append(
            replace(
                component, expr=expr, match=_match(problem, index, expr, inputs), misfit=decided.misfit,
                constants=decided.constants[index], nice=None if nice == expr else nice,
                units=formula_units(problem, index, expr), rivals=_apart(problem, decided.rivals[index], expr, inputs),
                is_approximate=bool(options[index]) and (decided.misfit > POOR or index in decided.trends),
            )
        )  # fmt: skip
    return tuple(confirmed), decided


def _apart(
    problem: HasHiddenTerm, rivals: Sequence[sp.Expr], expr: sp.Expr, inputs: np.ndarray
) -> tuple[tuple[sp.Expr, float], ...]:
    """The rivals that differ from a formula on a box twice as wide as the observations, and by how much."""
    names = problem.rate_equation.hidden_inputs
    apart = [(rival, compare(rival, expr, inputs, names).wide_error) for rival in rivals]
    return tuple((rival, error) for rival, error in apart if error > DIFFERENT)


def formula_units(problem: HasHiddenTerm, index: int, expr: sp.Expr) -> UnitsVerdict | None:
    """Whether a formula fits the units of the inputs and the rate; None where all are pure numbers."""
    units = input_units(problem, index)
    return None if units is None else check_units(expr, *units)


def input_units(problem: HasHiddenTerm, index: int) -> tuple[dict[str, str], str] | None:
    """Units of the inputs by name and of a field's rate; None where all are pure numbers."""
    equation = problem.rate_equation
    along = equation.coordinate_units
    fields = [entry.units for entry in (*problem.fields, *problem.hidden.drivers)]
    if {*fields, *along.values()} <= {"1"}:
        return None
    units = {}
    for name, column in zip(equation.inputs, equation.columns, strict=True):
        per = f" / ({along[equation.axes[column.axis]]})" * column.order
        units[name] = f"({fields[column.channel]}){per}"
    return units, f"({fields[index]}) / ({along[equation.axes[0]]})"


def _leading(front: SymbolicFront) -> list[sp.Expr]:
    """The favourite, simpler formulas on the front that explain something, the best richer one, and rivals.

    What speaks against simpler ones may be errors of the curves alone, which fitting to the observations does not
    have, however many nat that makes: none is left out for its description length.
    """
    favourite = front.best("mdl")
    at = front.entries.index(favourite)
    worst = max(entry.loss_heldout + entry.loss_train for entry in front.entries)
    hopeful = [e for e in front.entries[:at] if e.loss_heldout + e.loss_train < HOPELESS * worst or at == 1]
    richer = sorted(front.entries[at + 1 :], key=lambda entry: entry.mdl)[:1]
    is_settled = max(favourite.loss_train, favourite.loss_heldout) <= SETTLED  # what is longer cannot win then
    rivals = [one for one in front.rivals if not is_settled or one.complexity <= favourite.complexity]
    return [entry.expr for entry in (favourite, *hopeful[::-1][: CANDIDATES - 1], *richer, *rivals)]


def _match(problem: HasHiddenTerm, index: int, expr: sp.Expr, inputs: np.ndarray) -> Match | None:
    equation = problem.rate_equation
    if equation.hidden_terms is None:
        return None
    return compare(expr, equation.hidden_terms[index], inputs, equation.hidden_inputs)
