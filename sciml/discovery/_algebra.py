"""sympy's trees with types: the parts of an expression are expressions, which sympy only says of ``Basic``."""

from collections.abc import Mapping
from typing import TypeVar, cast

import sympy as sp

X = TypeVar("X", bound=sp.Expr)


def parts(expr: sp.Expr) -> tuple[sp.Expr, ...]:
    """What a sum, product, power or function is made of."""
    return cast("tuple[sp.Expr, ...]", expr.args)


def symbol_names(expr: sp.Expr) -> set[str]:
    """Names of the symbols that occur."""
    return {symbol.name for symbol in cast("set[sp.Symbol]", expr.free_symbols)}


def replaced(expr: sp.Expr, values: Mapping[X, sp.Expr]) -> sp.Expr:
    """The expression with some of its parts exchanged, exactly as they stand."""
    return cast(sp.Expr, expr.xreplace(dict(values)))
