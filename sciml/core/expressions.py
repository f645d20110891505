"""Evaluating sympy expressions with tensors: the walk of a tree, no generated code.

Whatever is computed here can be differentiated by autograd, traced and moved to any device.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add, mul
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.domain import Expression
from sciml.core.errors import UnknownNameError, UserError

Environment = Mapping[str, Any]
"""Values of the symbols by name: tensors of one value per point, or single numbers."""

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "exp": torch.exp,
    "log": torch.log,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "tanh": torch.tanh,
    "atan": torch.atan,
    "erf": torch.erf,
    "Abs": torch.abs,
    "sign": torch.sign,
}


class Evaluator:
    """Several expressions with their common parts computed once.

    Arguments:
        expressions: of plain symbols, without unevaluated derivatives.

    Raises: UnknownNameError for a function that tensors do not have.
    """

    def __init__(self, expressions: Sequence[Expression]) -> None:
        import sympy

        wanted = [sympy.sympify(expression) for expression in expressions]
        self.symbols = frozenset(symbol.name for expression in wanted for symbol in expression.free_symbols)
        shared, final = sympy.cse(wanted, symbols=sympy.numbered_symbols("_shared"))
        self._shared = [(symbol.name, _built(expression)) for symbol, expression in shared]
        self._final = [_built(expression) for expression in final]

    def __call__(self, environment: Environment, like: Float[Tensor, " point"]) -> Float[Tensor, "point value"]:
        """The value of every expression at every point, of the dtype and device of `like`."""
        known = dict(environment)
        for name, value in self._shared:
            known[name] = value(known)
        columns = [value(known) for value in self._final]
        return torch.stack(
            [
                c.to(like).expand(len(like)) if isinstance(c, Tensor) else like.new_full((len(like),), c)
                for c in columns
            ],
            dim=1,
        )


def columns(points: Float[Tensor, "point dim"], names: Sequence[str]) -> dict[str, Float[Tensor, " point"]]:
    """The coordinates of points by the names of the axes."""
    return dict(zip(names, points.unbind(1), strict=True))


def _built(expression: Expression) -> Callable[[Environment], Any]:
    if expression.is_Symbol:
        name = expression.name
        return lambda known: known[name]
    if expression.is_number:
        number = _number(expression)
        return lambda known: number
    if expression.is_Pow:
        return _power(*expression.args)
    parts = [_built(part) for part in expression.args]
    if expression.is_Add or expression.is_Mul:
        operation = add if expression.is_Add else mul
        return lambda known: reduce(operation, [part(known) for part in parts])
    kind = type(expression).__name__
    if kind not in _FUNCTIONS or len(parts) != 1:
        raise UnknownNameError("function in an expression", kind, _FUNCTIONS)
    function, argument = _FUNCTIONS[kind], parts[0]
    return lambda known: function(torch.as_tensor(argument(known)))


def _power(base: Expression, exponent: Expression) -> Callable[[Environment], Any]:
    inner = _built(base)
    if exponent == 2:
        return lambda known: (value := inner(known)) * value
    if exponent == -1:
        return lambda known: 1 / inner(known)
    if exponent.is_number:
        power = int(exponent) if exponent.is_Integer else _number(exponent)
        return lambda known: inner(known) ** power
    if base.is_number and base.is_positive:
        outer, rate = _built(exponent), math.log(_number(base))
        return lambda known: torch.exp(rate * torch.as_tensor(outer(known)))
    outer = _built(exponent)
    return lambda known: inner(known) ** outer(known)


def _number(expression: Expression) -> float:
    value = complex(expression)
    if value.imag or not math.isfinite(value.real):
        raise UserError("an expression holds a constant that is not a finite real number", got=expression)
    return value.real
