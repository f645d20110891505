"""The equation with formulas for its hidden part: as text, and simulated from a start that was not observed."""

from collections.abc import Callable, Sequence

import sympy as sp
import torch
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm
from sciml.core.status import Status
from sciml.discovery._front import format_expr, rounded
from sciml.discovery._named import Named, Trial
from sciml.discovery._simulate import forecast, relative_error
from sciml.discovery._table_problem import TableProblem
from sciml.discovery._tree import evaluate


def try_formulas(problem: HasHiddenTerm, formulas: Sequence[sp.Expr], scalars: dict[str, float]) -> Trial | None:
    """Simulate the held-out trajectory with formulas for the hidden part; None if there is none to try."""
    held = problem.held_out()
    if held is None:
        return None
    hidden = hidden_function(problem, formulas)
    tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in scalars.items()}
    solved = forecast(problem, hidden, held, tensors)
    ok = int(solved.status[0]) == Status.OK
    error = relative_error(problem, solved.states[0], held.states) if ok else float("inf")
    return Trial(held, solved.states[0], error, ok)


def hidden_function(problem: HasHiddenTerm, formulas: Sequence[sp.Expr]) -> Callable[[Tensor], Tensor]:
    """Formulas for the hidden part as a function ``point input -> point channel``."""
    equation = problem.rate_equation
    which = dict(zip(equation.hidden_inputs, equation.hidden_columns, strict=True))

    def hidden(inputs: Tensor) -> Tensor:
        values = {name: inputs[:, column] for name, column in which.items()}
        return torch.stack([evaluate(expr, values, inputs[:, 0]) for expr in formulas], dim=1)

    return hidden


def full_equations(problem: HasHiddenTerm, formulas: Sequence[sp.Expr], digits: int = 4) -> list[str]:
    """``x' = known + (hidden)`` per field; unknown scalars of a table's known part are read off the formulas.

    Numbers get as many digits more as the offset of the fields takes: at 300 K ± 20 K a rate of 35.12 − 0.1198 T would
    be rounded to a twentieth of its range.
    """
    levels = problem.levels
    digits += max(0, int((levels.offset.abs() / levels.scale).max().clamp(min=1.0).log10()))
    known = list(problem.rate_equation.known_terms)
    if isinstance(problem, TableProblem) and formulas:
        scalars, rest = problem.split_scalars(formulas)
        for name, shapes in problem.multipliers.items():
            if (value := scalars[name]) is not None:
                known = [shown + value * shape for shown, shape in zip(known, shapes, strict=True)]
        formulas = list(rest)
    lines = []
    for i, expr in enumerate(formulas):
        symbol = problem.fields[i].symbol
        left = f"{symbol}_t" if problem.boundary else f"{symbol}'"
        hidden = "" if problem.fields[i].name in problem.hidden.complete else f" + ({format_expr(expr, digits)})"
        lines.append(f"{left} = {rounded(known[i], digits)}{hidden}")
    return lines


def unknown_scalars(problem: HasHiddenTerm, named: Named) -> dict[str, float | None]:
    """The unknown scalars of the known part: fitted with the formulas, or read off them for a table.

    None for a scalar of a table whose term no formula has.
    """
    if not isinstance(problem, TableProblem) or not named.components:
        return dict(named.scalars)
    return {**named.scalars, **problem.split_scalars(named.formulas)[0]}
