"""Expressions as plain data, and their values: prefix lists instead of text to execute.

-0.9*x*y  <->  ["mul", -0.9, ["symbol", "x"], ["symbol", "y"]]
"""

import operator
from collections.abc import Callable, Mapping
from functools import cache, lru_cache, reduce
from operator import itemgetter
from typing import Any, Literal

import numpy as np
import sympy as sp

from sciml.core.errors import DataError
from sciml.core.formulas import realised
from sciml.discovery._algebra import parts

_NODES = {
    "add": sp.Add, "mul": sp.Mul, "pow": sp.Pow, "exp": sp.exp, "log": sp.log, "sin": sp.sin, "cos": sp.cos,
    "tan": sp.tan, "sinh": sp.sinh, "cosh": sp.cosh, "tanh": sp.tanh, "asin": sp.asin, "acos": sp.acos,
    "atan": sp.atan, "abs": sp.Abs, "sign": sp.sign, "max": sp.Max, "min": sp.Min,
}  # fmt: skip
_NAMES = {kind: name for name, kind in _NODES.items()}
_DEEPEST = 200


def to_tree(expr: sp.Expr) -> Any:  # Any: JSON
    """Nested lists and numbers that JSON can hold; floats keep all their bits."""
    expr = realised(expr)
    if isinstance(expr, sp.Symbol):
        return ["symbol", expr.name]
    if isinstance(expr, sp.Integer):
        return int(expr)
    if isinstance(expr, sp.Rational):
        return ["rational", int(expr.p), int(expr.q)]
    if expr.is_Float or isinstance(expr, sp.NumberSymbol):
        return float(expr)
    if expr.func not in _NAMES:
        raise DataError(f"an expression cannot be stored: it has a {expr.func.__name__}", got=expr)
    return [_NAMES[expr.func], *(to_tree(part) for part in parts(expr))]


def from_tree(tree: Any, depth: int = 0) -> sp.Expr:  # Any: JSON, not checked yet
    """The expression of `to_tree`. Raises DataError for anything else; nothing is evaluated as text."""
    if depth > _DEEPEST:
        raise DataError("a stored expression is nested too deeply")
    if isinstance(tree, bool) or not isinstance(tree, int | float | list):
        raise DataError("a stored expression holds something that is no number or node", got=repr(tree)[:60])
    if isinstance(tree, int):
        return sp.Integer(tree)
    if isinstance(tree, float):
        if not np.isfinite(tree):
            raise DataError("a stored expression holds a number that is not finite", got=tree)
        return sp.Float(tree)
    match tree:
        case ["symbol", str(name)] if name.isidentifier() and len(name) < 64:
            return sp.Symbol(name)
        case ["rational", int(p), int(q)] if q:
            return sp.Rational(p, q)
        case [str(kind), *parts] if kind in _NODES and parts:
            inner = [from_tree(part, depth + 1) for part in parts]
            if kind == "pow" and all(part.is_number for part in inner):
                inner = [part.evalf() for part in inner]  # or powers of large integers would be worked out
            try:
                return _NODES[kind](*inner)
            except (TypeError, ValueError) as error:
                raise DataError("a stored expression cannot be built", got=error) from None
    raise DataError("a stored expression has a node that is not known", got=repr(tree)[:60],
                    expected="one of: symbol, rational, " + ", ".join(_NODES))  # fmt: skip


def evaluate(
    expr: sp.Expr, values: Mapping[str, Any], like: Any = None
) -> Any:  # Any: arrays of NumPy or torch, or numbers
    """The value of an expression where its symbols have these values.

    Arguments:
        expr: made of the nodes above.
        values: arrays (numpy, or torch with gradients) of one shape, by name of the symbol.
        like: an array whose shape and kind a constant expression gets; by default that of the first value.

    Returns: an array of that shape; inf or NaN where the expression has no value. KeyError for a missing symbol.
    """
    like = next(iter(values.values())) if like is None else like
    if isinstance(like, np.ndarray):
        with np.errstate(all="ignore"):
            value = _program(expr, "numpy")(values)
        return value + np.zeros_like(like)
    import torch

    return _program(expr, "torch")(values) + torch.zeros_like(like)


_Program = Callable[[Mapping[str, Any]], Any]  # Any: arrays of NumPy or torch, or numbers


# a right-hand side asks for the same few formulas thousands of times, and walking sympy's tree costs more than they do
@lru_cache(maxsize=1024)
def _program(expr: sp.Expr, library: Literal["numpy", "torch"]) -> _Program:
    return _compiled(realised(expr), _NUMPY if library == "numpy" else _torch_operations())


_NUMPY: dict[str, Any] = {
    "pow": lambda a, b: np.power(a, b), "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "abs": np.abs, "sign": np.sign, "max": np.maximum, "min": np.minimum,
}  # fmt: skip


@cache
def _torch_operations() -> dict[str, Any]:
    import torch

    def tensor(function):  # functions of a bare number, which only constants folded by hand have
        return lambda a: function(a) if torch.is_tensor(a) else float(function(torch.tensor(float(a)).double()))

    names = ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "abs", "sign")
    functions: dict[str, Any] = {name: tensor(getattr(torch, name)) for name in names}
    pair = lambda function: lambda a, b: function(*torch.broadcast_tensors(torch.as_tensor(a), torch.as_tensor(b)))  # noqa: E731
    return functions | {"pow": lambda a, b: a**b, "max": pair(torch.maximum), "min": pair(torch.minimum)}


def _compiled(expr: Any, operations: Mapping[str, Any]) -> _Program:  # Any: a sympy node
    """The node as a function of the values of its symbols; sums and products go from left to right."""
    if isinstance(expr, sp.Symbol):
        return itemgetter(expr.name)
    if expr.is_number:
        number = float(expr) if expr.is_real else float("nan")
        return lambda values: number
    inner = [_compiled(part, operations) for part in parts(expr)]
    if expr.is_Add:
        return _folded(inner, operator.add)
    if expr.is_Mul:
        return _folded(inner, operator.mul)
    if isinstance(expr, sp.Pow) and isinstance(expr.exp, sp.Integer) and 0 < int(expr.exp) <= 4:
        base, times = inner[0], int(expr.exp)

        def power(values: Mapping[str, Any]) -> Any:  # as products, like the searches compute it
            factor = base(values)
            return reduce(operator.mul, [factor] * times)

        return power
    if expr.func not in _NAMES:
        raise DataError(f"an expression cannot be evaluated: it has a {expr.func.__name__}", got=expr)
    function = operations[_NAMES[expr.func]]
    if len(inner) == 1:
        (argument,) = inner
        return lambda values: function(argument(values))
    return _folded(inner, function)


def _folded(inner: list[_Program], function: Callable[[Any, Any], Any]) -> _Program:
    first, *rest = inner

    def fold(values: Mapping[str, Any]) -> Any:  # Any: arrays of NumPy or torch, or numbers
        value = first(values)
        for program in rest:
            value = function(value, program(values))
        return value

    return fold
