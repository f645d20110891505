"""Jumps in equations: sympy differentiates them to zero or to a delta function, and no sample meets either."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from sciml.core.errors import UserError
from sciml.core.expressions import Evaluator, Expression, columns, is_rough
from sciml.core.plain_equations import field_and_order

if TYPE_CHECKING:
    from sciml.core.statement import Statement

_LINES, _CELLS, _HALVINGS = 3, 400, 45  # along which a jump is looked for; pieces of each; until rounding
_JUMP = 1e-6  # of the largest value
_FLUX = "For a flux such as (k u_x)_x make it a field of its own: q = k u_x in one equation, q_x in the other"


def check_jumps(statement: Statement) -> None:
    """Refuse equations in which the derivative of a jump is lost.

    (k u_x)_x with a k that jumps is k u_xx for sympy, whose solution has a continuous slope instead of a continuous
    flux; so a second derivative has no coefficient that jumps along its axis.

    Raises: UserError that says where, and for delta functions.
    """
    import sympy

    for number, equation in enumerate(statement.plain_equations, 1):
        if not is_rough(equation):
            continue
        if deltas := sorted(str(part) for part in equation.atoms(sympy.DiracDelta)):
            raise UserError(f"equation {number} holds a delta function, which no point of the training meets",
                            got=deltas[0], fix=f"{_FLUX}; make a source at a point a narrow bump.")  # fmt: skip
        for symbol in sorted(equation.free_symbols, key=str):
            field, order = field_and_order(symbol.name) or ("", "")
            for axis in sorted({name for name in order if order.count(name) > 1}):
                coefficient = equation.diff(symbol)
                if is_rough(coefficient) and _jumps(statement, coefficient, axis):
                    raise UserError(f"the coefficient of {field}_{order} in equation {number} jumps along {axis}",
                                    got=str(coefficient)[:100], expected="a continuous one",
                                    fix=f"{_FLUX}. What is no flux is divided by its coefficient.")  # fmt: skip


def _jumps(statement: Statement, coefficient: Expression, axis: str) -> bool:
    """Whether an expression jumps along an axis: halving cells, a slope goes to nothing and a jump stays.

    Fields and unknown numbers go through all values on the way.
    """
    evaluator, index = Evaluator([coefficient]), statement.domain.index(axis)

    def at(unit: torch.Tensor) -> torch.Tensor:
        points = statement.domain.place(unit)
        ramp = torch.tan(math.pi * (0.99 * unit[:, index] - 0.495))
        known = {**dict.fromkeys(evaluator.symbols, ramp), **statement.parameters}
        return evaluator({**known, **columns(points, statement.names)}, points[:, 0])[:, 0]

    lower = torch.rand(_LINES, len(statement.names), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lower = lower.repeat_interleave(_CELLS, dim=0)
    lower[:, index] = torch.arange(_CELLS, dtype=torch.float64).repeat(_LINES) / _CELLS
    upper = lower.clone()
    upper[:, index] += 1 / _CELLS
    largest = float(at(lower).abs().max())
    for _ in range(_HALVINGS):
        middle = (lower + upper) / 2
        below = (at(middle) - at(lower)).abs() >= (at(upper) - at(middle)).abs()
        lower, upper = torch.where(below[:, None], lower, middle), torch.where(below[:, None], middle, upper)
    return float((at(upper) - at(lower)).abs().max()) > _JUMP * largest
