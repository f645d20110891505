"""How fast a solution may vary along each axis, from its equation alone: what a plain network may be too smooth for.

Known functions (sources, values of conditions) are looked at along every axis, and their extrema counted: m periods
have an angular frequency of πm on an axis scaled to [-1, 1]. Along the others the terms of an equation say it: with
lengths L and frequencies k of the axes b known, c_a u_a⁽ᵐ⁾ balances the largest of its other terms at

    k_a = (L_a / 2) · (max |c_b| k_bⁿ / |c_a|)^(1/m),

with the typical magnitude of every field that a coefficient c holds.

A decay counts as a variation too; the numbers are orders of magnitude.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from sciml.core.expressions import Evaluator, Expression, columns
from sciml.core.plain_equations import field_and_order, multiplied_out
from sciml.core.scales import typical_scales
from sciml.core.statement import Statement

_LINE = 2001  # points along an axis, which resolve 500 periods
_AT = (0.231, 0.618, 0.844)  # of the other axes' extents
_LEAST = 1e-3  # of a known function's spread: smaller wiggles are rounding
_ROUNDS = 2  # a second one for rates that follow from others
_VANISHED = 1e-10  # of the largest term: a coefficient that is zero where it is looked at, but for rounding


def rates(statement: Statement) -> dict[str, float]:
    """Angular frequency along every axis, on axes scaled to [-1, 1]; π/2, half a period, where nothing says more."""
    known = dict.fromkeys(statement.names, math.pi / 2)
    for expression in _known_functions(statement):
        for name in statement.names:
            known[name] = max(known[name], _frequency(statement, expression, name))
    sizes = typical_scales(statement, {}).fields
    for _ in range(_ROUNDS):
        for equation in statement.plain_equations:
            for name, rate in _balanced(statement, equation, known, sizes).items():
                known[name] = max(known[name], rate)
    return known


def _known_functions(statement: Statement) -> list[Expression]:
    """Terms of equations without fields, and what conditions prescribe without them."""
    import sympy

    terms = [t for e in statement.plain_equations for t in sympy.Add.make_args(multiplied_out(e))]
    free = {*statement.names, *statement.numbers(), *(u.name for u in statement.unknowns)}
    sources = sympy.Add(*[t for t in terms if _names(t) <= free])
    values = [sympy.sympify(value) for value in statement.plain_values]
    return [e for e in (sources, *values) if e.free_symbols and _names(e) <= free]


def _frequency(statement: Statement, expression: Expression, name: str) -> float:
    """π times the periods of a known function along one axis."""
    if name not in _names(expression):
        return 0.0
    most = 0
    for share in _AT:
        unit = torch.full((_LINE, len(statement.names)), share, dtype=torch.float64)
        unit[:, statement.domain.index(name)] = torch.linspace(0, 1, _LINE, dtype=torch.float64)
        points = statement.domain.place(unit)
        values = Evaluator([expression])({**columns(points, statement.names), **_numbers(statement)}, points[:, 0])
        most = max(most, _extrema(values[:, 0]))
    return math.pi * most / 2


def _extrema(values: Tensor) -> int:
    """How often a curve turns round, but for what is small against its spread."""
    values = values[values.isfinite()]
    if len(values) < 3 or not (spread := float(values.max() - values.min())) > 0:
        return 0
    turns, rising, last = 0, 0, float(values[0])
    for value in values.tolist():
        if abs(value - last) < _LEAST * spread:
            continue
        way = 1 if value > last else -1
        turns += way == -rising
        rising, last = way, value
    return turns


def _names(expression: Expression) -> set[str]:
    return {symbol.name for symbol in expression.free_symbols}


def _numbers(statement: Statement) -> dict[str, float]:
    return {**{u.name: u.start for u in statement.unknowns}, **statement.numbers()}


def _balanced(
    statement: Statement, equation: Expression, known: Mapping[str, float], sizes: Mapping[str, float]
) -> dict[str, float]:
    """Where the terms of an equation with derivatives along one axis alone balance the others."""
    import sympy

    half = {axis.name: axis.extent / 2 for axis in statement.domain.axes}
    middle = statement.domain.place(torch.full((1, len(half)), 0.5, dtype=torch.float64))
    numbers = {**columns(middle, statement.names), **_numbers(statement)}
    terms: list[tuple[str, float]] = []
    for term in sympy.Add.make_args(multiplied_out(equation)):
        pairs = {s: pair for s in term.free_symbols if (pair := field_and_order(str(s)))}
        orders = {s: order for s, (_, order) in pairs.items()}
        coefficient = term.subs({s: sizes[name] for s, (name, _) in pairs.items()})
        if _names(coefficient) <= set(numbers) and orders:
            size = abs(float(Evaluator([coefficient])(numbers, middle[:, 0])[0, 0]))
            derivative = max(orders.values(), key=len)
            if math.isfinite(size):
                terms.append((derivative, size / math.prod(half[a] for a in derivative)))
    fastest: dict[str, float] = {}
    least = _VANISHED * max((size for _, size in terms), default=0.0)
    for derivative, size in terms:
        axis = derivative[:1]
        if not derivative or set(derivative) != {axis} or not size > least:
            continue
        others = [s * math.prod(known[b] for b in d) for d, s in terms if set(d) != {axis}]
        if others:
            rate = (max(others) / size) ** (1 / len(derivative))
            fastest[axis] = max(fastest.get(axis, 0.0), rate)
    return fastest
