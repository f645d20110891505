"""How many conditions an equation needs along an axis, as far as its orders say, and how many it has."""

from __future__ import annotations

import itertools
import math
import random
from typing import TYPE_CHECKING

import numpy as np

from sciml.core.domain import Condition, EdgeCondition
from sciml.core.errors import UserError
from sciml.core.plain_equations import field_and_order, field_symbol

if TYPE_CHECKING:
    from sciml.core.expressions import Expression
    from sciml.core.statement import Statement


def check_count(statement: Statement) -> None:
    """Refuse fewer equations than fields, and fewer conditions than the orders of derivatives ask for.

    Along the only axis, along time, and for a single field along every axis of a box, the equations have as many free
    functions (numbers, where there is one axis) as the largest sum of orders in which every equation stands for another
    field; unknown numbers are free too. Nothing is said where a highest derivative has a factor that may vanish or
    another one that may be infinite, as at x = 0 in x u'' + u' = 0, and where the highest derivatives cannot be solved
    for, as in u' + v' = 1 with u' + v' + u = v, which holds one derivative and one algebraic equation: there fewer
    conditions do.

    Source: J. D. Pryce, A simple structural analysis method for DAEs, BIT 41, 2001, for the sum of orders and for the
    matrix that must be regular.

    Raises: UserError that says what is missing.
    """
    if len(statement.equations) < len(statement.fields):
        raise UserError(
            "there are fewer equations than fields, so that something may be anything",
            got=f"{len(statement.equations)} for {', '.join(statement.fields)}",
            expected=f"{len(statement.fields)} equations, or observations",
        )
    domain = statement.domain
    shaped = domain.shape.axes if domain.shape is not None else ()
    for axis in domain.axes:
        alone = len(domain.axes) == 1
        is_clock = alone or axis.name == domain.time
        if axis.periodic or axis.name in shaped or not (is_clock or len(statement.fields) == 1):
            continue
        needed = _orders_along(statement, axis.name)
        if needed is None or (not is_clock and needed < 2):  # of order one, whether a face takes a value is a matter of
            continue  # the signs of speeds
        needed += len(statement.unknowns) if alone else 0
        stated = sum(not _is_elsewhere(condition, axis.name) for condition in statement.conditions)
        if stated < needed:
            free = ("constants and unknown numbers" if statement.unknowns else "constants") if alone else "functions"
            raise UserError(
                f"the conditions leave the solution open along {axis.name}",
                got=f"{stated} for an equation with {needed} free {free}",
                expected=f"at least {needed} along {axis.name}, or observations",
                fix="Give the others: Condition(field, axis, side, value, order), initial(field, value, rate).",
            )


def _is_elsewhere(condition: object, axis: str) -> bool:
    """Whether a condition is on another axis. Those at points and on integrals may be on any."""
    if isinstance(condition, EdgeCondition):
        return True
    return isinstance(condition, Condition) and condition.axis != axis


def _orders_along(statement: Statement, axis: str) -> int | None:
    """The largest sum of orders; None where it says nothing of the number of conditions."""
    if len(statement.equations) != len(statement.fields) or len(statement.fields) > 6:
        return None
    rows: list[dict[str, int]] = []
    for expression in statement.plain_equations:
        symbols = {symbol.name for symbol in expression.free_symbols if field_and_order(symbol.name)}
        orders: dict[str, int] = {}
        for name, order in filter(None, map(field_and_order, symbols)):
            orders[name] = max(orders.get(name, 0), order.count(axis))
        if not all(
            _is_plain(expression, symbols, name, axis, top, statement.names) for name, top in orders.items() if top
        ):
            return None
        rows.append(orders)
    pairings = [
        names
        for names in itertools.permutations(statement.fields)
        if all(name in row for row, name in zip(rows, names, strict=True))
    ]
    if not pairings:
        return None
    best = max(pairings, key=lambda names: sum(row[name] for row, name in zip(rows, names, strict=True)))
    if not _is_solvable(statement, rows, best, axis):
        return None
    return sum(row[name] for row, name in zip(rows, best, strict=True))


def _is_solvable(statement: Statement, rows: list[dict[str, int]], pairing: tuple[str, ...], axis: str) -> bool:
    """Whether the equations, differentiated as often as need be, can be solved for the highest derivatives.

    Judged at three sets of numbers drawn for all symbols; derivatives along other axes count as wave numbers.
    """
    lowered = _lowered(rows, pairing)
    generator = random.Random(0)
    for _ in range(3):
        waves = {name: generator.uniform(0.5, 1.5) for name in statement.names}
        names = sorted({symbol.name for expression in statement.plain_equations for symbol in expression.free_symbols})
        values = {name: statement.parameters.get(name, generator.uniform(0.2, 0.8)) for name in names}
        matrix = np.zeros((len(rows), len(rows)))
        for i, expression in enumerate(statement.plain_equations):
            for symbol in expression.free_symbols:
                field, order = field_and_order(symbol.name) or ("", "")
                if field and order.count(axis) == lowered[i][field]:
                    factor = math.prod(waves[letter] for letter in order if letter != axis)
                    slope = _number(expression.diff(symbol), values)
                    matrix[i, statement.fields.index(field)] += factor * slope
        size = np.abs(matrix).max(axis=1, keepdims=True)
        if np.isfinite(matrix).all() and (size > 0).all() and abs(np.linalg.det(matrix / size)) > 1e-9:
            return True
    return False


def _lowered(rows: list[dict[str, int]], pairing: tuple[str, ...]) -> list[dict[str, int]]:
    """The order d_j - c_i of field j in equation i that leads.

    The c_i, how often equation i is differentiated, are the smallest numbers >= 0 with d_j - c_i >= the order of field
    j in equation i, equal where i and j are paired.
    """
    lifts = [0] * len(rows)
    while True:  # ends, as no pairing has a larger sum
        tops = {
            name: max(row[name] + lift for row, lift in zip(rows, lifts, strict=True) if name in row)
            for name in pairing
        }
        raised = [tops[name] - row[name] for name, row in zip(pairing, rows, strict=True)]
        if raised == lifts:
            return [{name: top - lift for name, top in tops.items()} for lift in lifts]
        lifts = raised


def _number(expression: Expression, values: dict[str, float]) -> float:
    """The expression's value; NaN if it is no real number."""
    number = expression.subs({symbol: values[symbol.name] for symbol in expression.free_symbols}).evalf()
    return float(number) if number.is_real else math.nan


def _is_plain(expression: Expression, symbols: set[str], name: str, axis: str, top: int, axes: tuple[str, ...]) -> bool:
    """Whether the highest derivative stands alone, times a constant, and nothing becomes infinite on the axis."""
    import sympy

    coordinate = sympy.Symbol(axis)
    if any(
        power.exp.could_extract_minus_sign() and power.base.has(coordinate) for power in expression.atoms(sympy.Pow)
    ) or any(function.has(coordinate) for function in expression.atoms(sympy.tan, sympy.log)):
        return False
    highest = [s for s in symbols if (parts := field_and_order(s)) and parts[0] == name and parts[1].count(axis) == top]
    if highest != [field_symbol(name, axis * top)]:
        return False
    slope = expression.diff(sympy.Symbol(highest[0]))
    return slope != 0 and not slope.free_symbols & {sympy.Symbol(other) for other in (*symbols, *axes)}
