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

from sciml.core.errors import UnknownNameError, UserError

Expression = Any
"""A sympy expression or a number. Any: sympy is imported only where it is used, which its types would not allow."""

Environment = Mapping[str, Any]
"""Values of the symbols by name: tensors of one value per point, or single numbers. Any: operators work on both."""

_PLAIN: dict[str, Callable[[float], float]] = {
    **{
        name: getattr(math, name)
        for name in ("sin", "cos", "tan", "exp", "log", "sinh", "cosh", "tanh", "asin", "acos", "atan", "erf")
    },
    "Abs": abs,
    "sign": lambda value: math.copysign(1.0, value) if value else 0.0,
}
"""The same functions of one plain number, for SciPy's integrators, which call with one state at a time."""

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "exp": torch.exp,
    "log": torch.log,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "tanh": torch.tanh,
    "asin": torch.asin,
    "acos": torch.acos,
    "atan": torch.atan,
    "erf": torch.erf,
    "Abs": torch.abs,
    "sign": torch.sign,
}


_EXTREMES: dict[str, Callable[[Any, Any], Any]] = {
    "Max": lambda a, b: torch.maximum(*_both(a, b)) if _any_tensor(a, b) else max(a, b),
    "Min": lambda a, b: torch.minimum(*_both(a, b)) if _any_tensor(a, b) else min(a, b),
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
        columns = self.numbers(environment)
        return torch.stack(
            [
                c.to(like).expand_as(like) if isinstance(c, Tensor) else torch.full_like(like, c)  # no number of points
                for c in columns  # is read, so that an exported program takes any
            ],
            dim=1,
        )

    def numbers(self, environment: Environment) -> list[Any]:  # tensors or floats, as the environment's
        """The value of every expression as it comes: a plain number where all symbols are plain numbers."""
        known = dict(environment)
        for name, value in self._shared:
            known[name] = value(known)
        return [value(known) for value in self._final]


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
    parts = [_built(operand) for operand in expression.args]
    if expression.is_Add or expression.is_Mul:
        operation = add if expression.is_Add else mul
        return lambda known: reduce(operation, [operand(known) for operand in parts])
    kind = type(expression).__name__
    if kind in _EXTREMES:
        return lambda known: reduce(_EXTREMES[kind], [operand(known) for operand in parts])
    if kind not in _FUNCTIONS or len(parts) != 1:
        raise UnknownNameError("function in an expression", kind, _FUNCTIONS)
    function, argument = _applied(_FUNCTIONS[kind], _PLAIN[kind]), parts[0]
    return lambda known: function(argument(known))


def _any_tensor(a: Any, b: Any) -> bool:
    return isinstance(a, Tensor) or isinstance(b, Tensor)


def _both(a: Any, b: Any) -> list[Tensor]:
    """Both as tensors of one kind."""
    like = a if isinstance(a, Tensor) else b
    return [torch.as_tensor(value, dtype=like.dtype, device=like.device) for value in (a, b)]


def _applied(function: Callable[[Tensor], Tensor], plain: Callable[[float], float]) -> Callable[[Any], Any]:
    """A function of tensors and of plain numbers."""
    return lambda value: function(value) if isinstance(value, Tensor) else plain(value)


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
        exponential = _applied(torch.exp, math.exp)
        return lambda known: exponential(rate * outer(known))
    outer = _built(exponent)
    return lambda known: inner(known) ** outer(known)


def _number(expression: Expression) -> float:
    value = complex(expression)
    if value.imag or not math.isfinite(value.real):
        raise UserError("an expression holds a constant that is not a finite real number", got=expression)
    return value.real
