"""What every engine's raw formulas go through: expand, refit the constants, drop terms that do nothing, score.

A term of a sum is dropped if its root mean square is below a share of the target's and, constants refitted, the
held-out loss does not rise by more than its own standard error. That removes the scale and offset nodes that engines
append. Simpler formulas that only lose a little are kept beside the full one; the criterion decides between them.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import sympy as sp

from sciml.discovery._algebra import replaced
from sciml.discovery._canonical import canonical
from sciml.discovery._front import Entry
from sciml.discovery._spec import SearchSpec, SymbolicProblem
from sciml.discovery._tree import evaluate

_MOST_TERMS = 12
_FLOOR = 1e-14  # of the target's variance: engines compute in float32
_NOISE = 0.3  # misfit of integrals, in units of the noise as it is estimated, below which it says nothing


class Candidate(NamedTuple):
    """A formula as an engine found it.

    Fields:
        expr: in the table's names.
        raw: as the engine wrote it.
        seed: of the search.
        engine_complexity: as the engine counts.
    """

    expr: sp.Expr
    raw: str
    seed: int
    engine_complexity: int = 0


class _Table(NamedTuple):
    values: dict[str, np.ndarray]
    problem: SymbolicProblem
    train: np.ndarray  # equations
    held: np.ndarray


def complexity(expr: sp.Expr) -> int:
    """Number of nodes of the sympy tree."""
    return sum(1 for _ in sp.preorder_traversal(expr))


def terms_of(expr: sp.Expr) -> tuple[sp.Expr, ...]:
    """The terms of the sum at the root."""
    return sp.Add.make_args(expr)


def expanded(expr: sp.Expr) -> sp.Expr:
    """Products multiplied out, functions left as they are, no constant that another one makes up for.

    The formula is not multiplied out where that makes too many terms.
    """
    below = {
        node: sp.Dummy() for node in expr.atoms(sp.Pow) if isinstance(node.base, sp.Add) and not _is_whole(node.exp)
    }
    result = sp.expand(replaced(expr, below), power_base=False, power_exp=False, log=False)
    result = replaced(result, {dummy: node for node, dummy in below.items()})
    return canonical(result if len(terms_of(result)) <= _MOST_TERMS else expr)


def _is_whole(exponent: sp.Expr) -> bool:
    return isinstance(exponent, sp.Integer) and int(exponent) > 0


def structure(expr: sp.Expr) -> sp.Expr:
    """The formula with all floating-point constants made one symbol."""
    return replaced(expr, {value: sp.Symbol("_C") for value in expr.atoms(sp.Float)})


def alike(first: sp.Expr, second: sp.Expr) -> bool:
    """Whether two formulas differ in their constants only."""
    return structure(first) == structure(second)


def process(candidates: Iterable[Candidate], problem: SymbolicProblem, spec: SearchSpec, engine: str) -> list[Entry]:
    """Refitted, pruned and scored entries, one per structure."""
    values = {name: problem.X[:, i] for i, name in enumerate(problem.names)}
    table = _Table(values, problem, *problem.split_equations(spec.held_out))
    entries: dict[sp.Expr, Entry] = {}
    for candidate in sorted(candidates, key=lambda c: (c.seed, c.engine_complexity, c.raw)):
        if _nests(candidate.expr, spec.no_nesting):
            continue
        for expr in _variants(expanded(candidate.expr), table, problem, spec, seen=entries):
            key = structure(expr)
            if key not in entries:
                entries[key] = _entry(expr, candidate, table, problem, spec, engine)
    return list(entries.values())


def refit(expr: sp.Expr, problem: SymbolicProblem) -> sp.Expr:
    """The formula with its constants fitted to all rows by least squares."""
    values = {name: problem.X[:, i] for i, name in enumerate(problem.names)}
    every = np.arange(len(problem.target))
    return _refit(expr, _Table(values, problem, every, every))


def _nests(expr: sp.Expr, banned: tuple[str, ...]) -> bool:
    kinds = tuple(getattr(sp, name) for name in banned if name != "sqrt" and hasattr(sp, name))
    return any(
        isinstance(inner, kinds) for node in expr.atoms(sp.Function) if isinstance(node, kinds)
        for inner in node.args[0].atoms(sp.Function)
    )  # fmt: skip


def _variants(
    expr: sp.Expr, table: _Table, problem: SymbolicProblem, spec: SearchSpec, seen: dict[sp.Expr, Entry]
) -> Iterator[sp.Expr]:
    """The formula, then the same with one term after another dropped; negligible ones at once."""
    target = np.sqrt(np.mean(problem.y**2))
    while expr.has(sp.Symbol) or expr.is_number:
        if structure(expr) in seen:
            return
        expr = _refit(expr, table)
        if expr.has(sp.zoo, sp.nan, sp.oo):
            return
        terms = terms_of(expr)
        sizes = [_rms(evaluate(term, table.values, problem.y)) for term in terms]
        if not np.isfinite(sizes).all():
            yield expr
            return
        if len(terms) == 1:
            yield expr
            return
        smallest = int(np.argmin(sizes))
        rest = _refit(sp.Add(*(term for i, term in enumerate(terms) if i != smallest)), table)
        if not (sizes[smallest] < spec.prune * target and not _worse(rest, expr, table, problem)):
            yield expr
        expr = rest


def _refit(expr: sp.Expr, table: _Table) -> sp.Expr:
    from scipy.optimize import least_squares  # takes a second to load, and only searches use it

    constants = sorted(expr.atoms(sp.Float), key=str)
    if not constants or len(constants) > len(table.train) // 2:
        return expr
    symbols = [sp.Symbol(f"_c{i}") for i in range(len(constants))]
    shape = replaced(expr, dict(zip(constants, symbols, strict=True)))
    y, goal = table.problem.y, table.problem.target[table.train]

    def fault(numbers: np.ndarray) -> np.ndarray:
        by_name = {s.name: n for s, n in zip(symbols, numbers, strict=True)}
        with np.errstate(all="ignore"):
            values = table.problem.seen_by(evaluate(shape, {**table.values, **by_name}, like=y))[table.train]
        return np.nan_to_num(values - goal, nan=1e100, posinf=1e100, neginf=-1e100)

    start = np.array([float(value) for value in constants])
    with np.errstate(all="ignore"):
        try:
            best = least_squares(fault, start, method="lm", x_scale="jac", max_nfev=40 * (len(start) + 1))
        except (ValueError, np.linalg.LinAlgError):
            return expr
        if not np.isfinite(best.x).all() or (best.fun**2).sum() > (fault(start) ** 2).sum():
            return expr
    return replaced(shape, {s: sp.Float(float(n)) for s, n in zip(symbols, best.x, strict=True)})


def _residual(expr: sp.Expr, table: _Table, rows: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        values = table.problem.seen_by(evaluate(expr, table.values, table.problem.y))
        return (values - table.problem.target)[rows]


def _worse(simple: sp.Expr, full: sp.Expr, table: _Table, problem: SymbolicProblem) -> bool:
    """Whether the held-out loss of `simple` is above that of `full` by more than the standard error of the rise."""
    rise = _residual(simple, table, table.held) ** 2 - _residual(full, table, table.held) ** 2
    independent = max(2.0, len(table.held) * problem.independent / len(problem.target))
    return not rise.mean() <= rise.std() / np.sqrt(independent) + _FLOOR * problem.target.var()


def _entry(
    expr: sp.Expr, candidate: Candidate, table: _Table, problem: SymbolicProblem, spec: SearchSpec, engine: str
) -> Entry:
    train = float(np.mean(_residual(expr, table, table.train) ** 2))
    held = float(np.mean(_residual(expr, table, table.held) ** 2))
    share = len(table.held) / len(problem.target)
    loss, rows = (1 - share) * train + share * held, problem.independent
    constants, nodes = len(expr.atoms(sp.Float)), complexity(expr)
    if problem.sigma is None or problem.weak is not None:
        spread = float(problem.target.var()) or 1.0
        least = 1e-12 * spread if problem.weak is None else max(_NOISE, 1e-15 * spread)
        misfit = rows * np.log(max(loss, least) / spread)
    else:
        misfit = rows * loss / (1.0 if np.ndim(problem.sigma) else float(problem.sigma) ** 2)
    alphabet = len(problem.names) + len(spec.operators) + 1
    return Entry(
        expr=expr,
        complexity=nodes,
        loss_train=train,
        loss_heldout=held,
        constants=constants,
        mdl=float(misfit / 2 + constants / 2 * np.log(rows) + nodes * np.log(alphabet)),
        bic=float(misfit + constants * np.log(rows)),
        engine=engine,
        seed=candidate.seed,
        raw=candidate.raw,
        engine_complexity=candidate.engine_complexity,
    )


def _rms(values: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.mean(np.square(values))))
