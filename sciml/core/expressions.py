"""Evaluating sympy expressions with tensors: the walk of a tree, no generated code.

Whatever is computed here can be differentiated by autograd, traced and moved to any device.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add, and_, ge, gt, le, lt, mul, or_
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
    "Heaviside": lambda value: 0.5 * (1 + (math.copysign(1.0, value) if value else 0.0)),
    "DiracDelta": lambda value: 0.0,  # what differentiating a kink leaves at a point, which no sample meets
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
    "Heaviside": lambda value: 0.5 * (1 + torch.sign(value)),
    "DiracDelta": torch.zeros_like,
}

_RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "StrictLessThan": lt,
    "LessThan": le,
    "StrictGreaterThan": gt,
    "GreaterThan": ge,
}

ROUGH = ("Abs", "sign", "Heaviside", "DiracDelta", "Max", "Min", "Piecewise")
"""Functions with a kink or a jump."""


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

    def numbers(self, environment: Environment) -> list[Any]:  # Any: tensors or floats, as the environment's
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
    kind = type(expression).__name__
    if kind == "Piecewise":
        return _piecewise(expression)
    if kind in ("Heaviside", "DiracDelta"):  # sympy gives them a second argument, the value at zero or an order
        expression = expression.func(expression.args[0])
        parts = [_built(expression.args[0])]
    else:
        parts = [_built(operand) for operand in expression.args]
    if expression.is_Add or expression.is_Mul:
        operation = add if expression.is_Add else mul
        return lambda known: reduce(operation, [operand(known) for operand in parts])
    if kind in _RELATIONS:
        return lambda known: _RELATIONS[kind](*[operand(known) for operand in parts])
    if kind in _EXTREMES:
        return lambda known: reduce(_EXTREMES[kind], [operand(known) for operand in parts])
    if kind not in _FUNCTIONS or len(parts) != 1:
        raise UnknownNameError("function in an expression", kind, {*_FUNCTIONS, *_EXTREMES, "Piecewise"})
    function, argument = _applied(_FUNCTIONS[kind], _PLAIN[kind]), parts[0]
    return lambda known: function(argument(known))


def is_rough(expression: Expression) -> bool:
    """Whether an expression has kinks or jumps."""
    import sympy

    return any(type(part).__name__ in ROUGH for part in sympy.preorder_traversal(sympy.sympify(expression)))


def _piecewise(expression: Expression) -> Callable[[Environment], Any]:
    """The first piece whose condition holds; NaN where none does."""
    pieces = [(_built(value), _condition(condition)) for value, condition in expression.args]

    def chosen(known: Environment) -> Any:
        result: Any = math.nan
        for value, condition in reversed(pieces):
            holds, here = condition(known), value(known)
            if isinstance(holds, Tensor):
                here, result = (
                    torch.as_tensor(v, dtype=_dtype(here, result), device=holds.device) for v in (here, result)
                )
                result = torch.where(holds, here, result)
            else:
                result = here if holds else result
        return result

    return chosen


def _condition(condition: Expression) -> Callable[[Environment], Any]:
    """A relation, or what ``and``, ``or`` and ``not`` make of several."""
    kind = type(condition).__name__
    if kind in ("BooleanTrue", "BooleanFalse"):
        return lambda known: bool(condition)
    parts = [_condition(part) for part in condition.args] if kind in ("And", "Or", "Not") else []
    if kind == "Not":
        return lambda known: ~value if isinstance(value := parts[0](known), Tensor) else not value
    if parts:
        join = and_ if kind == "And" else or_
        return lambda known: reduce(join, [part(known) for part in parts])
    return _built(condition)


def _dtype(*values: Any) -> torch.dtype:
    return next((value.dtype for value in values if isinstance(value, Tensor)), torch.float64)


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
