"""Units of formulas: whether a formula is dimensionally possible, and which units its constants must then carry."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy as sp

from sciml.core.errors import DataError
from sciml.core.units import base_powers
from sciml.discovery._algebra import parts, symbol_names

Dimension = tuple[tuple[str, Fraction], ...]
"""Exponents of base units, sorted, none of them zero; empty when dimensionless."""


def dimension(units: str) -> Dimension:
    """The base units of a text such as ``J/(mol K)``, ``m s-2``, ``1``; names that are not known are base units."""
    powers = base_powers(units)
    if powers is None:
        raise DataError(f"units {units!r} do not parse", expected="for example J/(mol K) or m s-2")
    return _normal({name: Fraction(power) for name, power in powers.items()})


def words(value: Dimension) -> str:
    """A dimension as text, ``1`` when it has none."""
    return " ".join(name if power == 1 else f"{name}^{power}" for name, power in value) or "1"


@dataclass(frozen=True)
class UnitsVerdict:
    """Whether a formula fits its units.

    Arguments:
        ok: whether it does.
        reason: why not.
        constants: units that each floating-point constant must carry for it; ``?`` where several would do. A formula
            that is possible only by such constants is weakly confirmed: read them.
    """

    ok: bool
    reason: str
    constants: Mapping[str, str]


class _Clash(Exception):
    pass


def check_units(
    expr: sp.Expr, units: Mapping[str, str], target: str, *, constants_carry_units: bool = True
) -> UnitsVerdict:
    """Whether `expr` can have the units `target`, given those of its symbols.

    Arguments:
        constants_carry_units: whether a fitted constant may have any units (they are reported); if not, all constants
            are pure numbers. Integers and rationals always are.
    """
    known = {name: dimension(text) for name, text in units.items()}
    missing = sorted(symbol_names(expr) - known.keys())
    if missing:
        raise DataError(f"the units of {missing[0]!r} are not given")
    carried: dict[str, str] = {}
    try:
        _require(expr, dimension(target), known, constants_carry_units, carried)
    except _Clash as clash:
        return UnitsVerdict(False, str(clash), {})
    return UnitsVerdict(True, "", carried)


def pi_groups(units: Mapping[str, str]) -> tuple[sp.Expr, ...]:
    """Independent dimensionless products of the quantities (Buckingham): the null space of the dimension matrix."""
    dims = {name: dict(dimension(text)) for name, text in units.items()}
    bases = sorted({base for value in dims.values() for base in value})
    matrix = sp.Matrix([[sp.Rational(dims[name].get(base, 0)) for name in dims] for base in bases])
    if not bases:
        return tuple(sp.Symbol(name) for name in dims)
    groups = []
    for vector in matrix.nullspace():
        scale = sp.ilcm(*(value.q for value in vector)) if len(vector) > 1 else 1
        groups.append(sp.Mul(*(sp.Symbol(n) ** (scale * e) for n, e in zip(dims, vector, strict=True))))
    return tuple(groups)


def _normal(total: Mapping[str, Fraction]) -> Dimension:
    return tuple(sorted((name, power) for name, power in total.items() if power))


def _times(a: Dimension, b: Dimension, power: Fraction = Fraction(1)) -> Dimension:
    total = dict(a)
    for name, exponent in b:
        total[name] = total.get(name, Fraction(0)) + power * exponent
    return _normal(total)


def _infer(
    node: Any, known: Mapping[str, Dimension], free: bool
) -> Dimension | None:  # Any: a sympy node, whose stubs do not know its parts
    """The dimension of a part; None where a constant leaves it open."""
    if isinstance(node, sp.Symbol):
        return known[node.name]
    if node.is_number:
        return None if free and node.has(sp.Float) else ()
    if node.is_Add:
        return next((inferred for part in parts(node) if (inferred := _infer(part, known, free)) is not None), None)
    if node.is_Mul:
        total: Dimension = ()
        for part in parts(node):
            if (inferred := _infer(part, known, free)) is None:
                return None
            total = _times(total, inferred)
        return total
    if isinstance(node, sp.Pow) and isinstance(node.exp, sp.Rational):
        base = _infer(node.base, known, free)
        return None if base is None else _times((), base, Fraction(int(node.exp.p), int(node.exp.q)))
    if isinstance(node, sp.Abs):
        return _infer(parts(node)[0], known, free)
    return ()


def _require(node: Any, wanted: Dimension, known: Mapping[str, Dimension], free: bool,
             carried: dict[str, str]) -> None:  # fmt: skip
    if node.is_number and free and node.has(sp.Float):
        carried[str(node)] = words(wanted)
    elif node.is_number or isinstance(node, sp.Symbol):
        actual = known[node.name] if isinstance(node, sp.Symbol) else ()
        if actual != wanted and not node.is_zero:
            raise _Clash(f"{node} has units {words(actual)} where {words(wanted)} are needed")
    elif node.is_Add:
        for part in parts(node):
            _require(part, wanted, known, free, carried)
    elif node.is_Mul:
        _require_product(node, wanted, known, free, carried)
    elif isinstance(node, sp.Pow) and isinstance(node.exp, sp.Rational):
        power = Fraction(int(node.exp.q), int(node.exp.p))
        _require(node.base, _times((), wanted, power), known, free, carried)
    elif isinstance(node, sp.Abs | sp.Max | sp.Min):
        for part in parts(node):
            _require(part, wanted, known, free, carried)
    else:
        if wanted:
            raise _Clash(f"{node} is dimensionless where {words(wanted)} are needed")
        for part in parts(node):
            if not isinstance(node, sp.sign):
                _require(part, (), known, free, carried)


def _require_product(node: Any, wanted: Dimension, known: Mapping[str, Dimension], free: bool,
                     carried: dict[str, str]) -> None:  # fmt: skip
    dims = [_infer(part, known, free) for part in parts(node)]
    open_parts = [part for part, inferred in zip(parts(node), dims, strict=True) if inferred is None]
    rest = wanted
    for part, inferred in zip(parts(node), dims, strict=True):
        if inferred is not None:
            _require(part, inferred, known, free, carried)
            rest = _times(rest, inferred, Fraction(-1))
    if len(open_parts) == 1:
        _require(open_parts[0], rest, known, free, carried)
    elif open_parts:
        carried.update({str(value): "?" for part in open_parts for value in part.atoms(sp.Float)})
    elif rest:
        raise _Clash(f"{node} has units {words(_times(wanted, rest, Fraction(-1)))} where {words(wanted)} are needed")
