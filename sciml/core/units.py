"""A small table of units: whether a text names units, and how numbers are converted between two of them.

A text is a product of symbols with integer powers: ``m s-1``, ``m/s``, ``J/(mol K)``, ``W m**-2 K-1``, ``hPa``.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from sciml.core.errors import UserError

_Powers = dict[str, int]
"""Exponents of the base units, none of them zero."""


class Conversion(NamedTuple):
    """``wanted = factor * given + offset``."""

    factor: float
    offset: float = 0.0

    @property
    def changes(self) -> bool:
        """Whether it changes any number."""
        return self != (1.0, 0.0)


class _Unit(NamedTuple):
    """A unit as a multiple of base units; `zero` is where its scale starts, in base units (273.15 K for degC)."""

    factor: float
    powers: _Powers
    zero: float = 0.0


def _table() -> dict[str, _Unit]:
    units = {name: _Unit(1.0, {name: 1}) for name in ("m", "s", "K", "mol", "A", "cd", "psu")}
    units["g"] = _Unit(1e-3, {"kg": 1})
    derived = {
        "N": "kg m s-2", "J": "kg m2 s-2", "W": "kg m2 s-3", "Pa": "kg m-1 s-2", "Hz": "s-1", "C": "A s",
        "V": "kg m2 s-3 A-1", "T": "kg s-2 A-1",
    }  # fmt: skip
    for name, text in derived.items():
        units[name] = _Unit(1.0, _powers(text))
    scaled: dict[str, tuple[float, str]] = {
        "L": (1e-3, "m3"), "l": (1e-3, "m3"), "bar": (1e5, "kg m-1 s-2"), "eV": (1.602176634e-19, "kg m2 s-2"),
        "cal": (4.184, "kg m2 s-2"),
    }  # fmt: skip
    for name, (factor, text) in scaled.items():
        units[name] = _Unit(factor, _powers(text))
    return units


def _powers(text: str) -> _Powers:
    pairs = (re.fullmatch(r"([A-Za-z]+)(-?\d*)", word) for word in text.split())
    return {match[1]: int(match[2] or 1) for match in pairs if match}


_PREFIXED = _table()
"""Symbols that take the prefixes of the SI."""
_PREFIXES = {
    "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "c": 1e-2, "d": 1e-1, "h": 1e2, "k": 1e3, "M": 1e6, "G": 1e9,
}  # fmt: skip
_TIME: _Powers = {"s": 1}
_DEGREES = ("deg", "degree", "degrees", "°", "degree_north", "degree_east", "degrees_north", "degrees_east")
_PLAIN = {
    **{name: _Unit(60.0, _TIME) for name in ("min", "minute", "minutes")},
    **{name: _Unit(3600.0, _TIME) for name in ("h", "hr", "hour", "hours")},
    **{name: _Unit(86400.0, _TIME) for name in ("d", "day", "days")},
    **{name: _Unit(365.25 * 86400.0, _TIME) for name in ("yr", "year", "years")},
    **{name: _Unit(1.0, _TIME) for name in ("sec", "second", "seconds")},
    **{name: _Unit(1.0, {"m": 1}) for name in ("meter", "meters", "metre", "metres")},
    **{name: _Unit(1.0, {"K": 1}) for name in ("kelvin", "Kelvin")},
    **{name: _Unit(1.0, {"K": 1}, 273.15) for name in ("degC", "°C", "celsius", "Celsius", "deg_C")},
    **{name: _Unit(5 / 9, {"K": 1}, 459.67 * 5 / 9) for name in ("degF", "°F", "fahrenheit", "Fahrenheit")},
    **{name: _Unit(1.0, _powers("kg m-1 s-2")) for name in ("pascal", "Pascal")},
    "kilogram": _Unit(1.0, {"kg": 1}),
    "atm": _Unit(101325.0, _powers("kg m-1 s-2")),
    "rad": _Unit(1.0, {}),
    **dict.fromkeys(_DEGREES, _Unit(math.pi / 180, {})),
    "%": _Unit(1e-2, {}),
    "ppm": _Unit(1e-6, {}),
    "1": _Unit(1.0, {}),
}
"""Symbols that stand alone."""
_ONE = ("", "1", "-", "dimensionless", "none")


def plain_units(units: str) -> str:
    """Units without differences that mean nothing: space, and the names of the number one."""
    words = " ".join(units.split())
    return "1" if words.lower() in _ONE else words


def check_units(units: str, of: str) -> str:
    """`units` in plain form; UserError naming what they are units of if they are not in the table."""
    if _read(units) is None:
        raise UserError(
            f"the units of {of} cannot be read",
            got=repr(units),
            expected="a product of symbols with powers, for example m s-1, kg/m^3, hPa, degC, or 1 for a pure number",
            fix="State the units yourself: --units NAME=UNITS (units={...} in Python).",
        )
    return plain_units(units)


def conversion(given: str, wanted: str) -> Conversion | None:
    """How numbers in units `given` become numbers in units `wanted`; None where the table does not say."""
    if plain_units(given) == plain_units(wanted):
        return Conversion(1.0)
    first, second = _read(given), _read(wanted)
    if first is None or second is None or first.powers != second.powers:
        return None
    return Conversion(first.factor / second.factor, (first.zero - second.zero) / second.factor)


def base_powers(units: str) -> dict[str, int] | None:
    """Exponents of the base units of a text, none of them zero; a symbol that the table does not know is a base unit.

    None where the text is no product of symbols with powers.
    """
    factors = _factors(units)
    if factors is None:
        return None
    total: _Powers = {}
    for name, power in factors:
        unit = _symbol(name)
        _multiply(total, {name: 1} if unit is None else unit.powers, power)
    return {name: power for name, power in total.items() if power}


def product_of_units(parts: Sequence[tuple[str, int]]) -> str:
    """Units to integer powers multiplied, ``[("s", -1), ("km", 2)]`` to ``km2 s-1``; symbols stay as they are.

    Empty where one of them is no product of symbols with powers.
    """
    total: _Powers = {}
    for units, power in parts:
        factors = _factors(units)
        if factors is None:
            return ""
        for name, exponent in factors:
            total[name] = total.get(name, 0) + exponent * power
    ordered = sorted(total.items(), key=lambda entry: entry[1] < 0)
    return " ".join(f"{name}{power if power != 1 else ''}" for name, power in ordered if power) or "1"


def _read(units: str) -> _Unit | None:
    """A text as a multiple of base units; None if it cannot be read."""
    factors = _factors(units)
    if factors is None:
        return None
    total, factor = dict[str, int](), 1.0
    for name, power in factors:
        unit = _symbol(name)
        if unit is None:
            return None
        if unit.zero:  # a temperature with another zero has no powers
            return unit if len(factors) == 1 and power == 1 else None
        factor *= unit.factor**power
        _multiply(total, unit.powers, power)
    return _Unit(factor, {name: power for name, power in total.items() if power})


def _multiply(total: _Powers, powers: _Powers, power: int) -> None:
    for name, exponent in powers.items():
        total[name] = total.get(name, 0) + exponent * power


_SYMBOL = r"(?:[^\W\d]|[%°])+"
_TOKEN = re.compile(rf"[()/]|1(?![\d.eE])|{_SYMBOL}(?:\^?[+-]?\d+)?|\S")
_FACTOR = re.compile(rf"({_SYMBOL})\^?([+-]?\d*)")


def _factors(units: str) -> list[tuple[str, int]] | None:
    """Symbols and powers of a text; None if it is no product of them.

    A slash divides by the one symbol or bracket after it, ``J/(mol K)``, ``m/s/s``. What stands behind that is for its
    author to say: ``W/m2 K`` is not read.
    """
    words = plain_units(units).replace("**", "^")
    tokens = _TOKEN.findall(re.sub(r"[·*.]", " ", "" if words == "1" else words))
    product = _product(tokens)
    return None if tokens else product


def _product(tokens: list[str]) -> list[tuple[str, int]] | None:
    """Take a product off the front of `tokens`, up to a closing bracket."""
    factors: list[tuple[str, int]] = []
    divided = False
    while tokens and tokens[0] != ")":
        divides = tokens[0] == "/"
        if divided and not divides:
            return None
        if divides:
            tokens.pop(0)
            divided = True
        factor = _factor(tokens)
        if factor is None:
            return None
        factors += [(name, -power) for name, power in factor] if divides else factor
    return factors


def _factor(tokens: list[str]) -> list[tuple[str, int]] | None:
    """Take a symbol, a one or a product in brackets off the front of `tokens`."""
    token = tokens.pop(0) if tokens else ""
    if token == "(":
        inside = _product(tokens)
        return inside if tokens and tokens.pop(0) == ")" else None
    if token == "1":
        return []
    match = _FACTOR.fullmatch(token)
    return [(match[1], int(match[2] or 1))] if match else None


def _symbol(name: str) -> _Unit | None:
    if name in _PLAIN:
        return _PLAIN[name]
    if name in _PREFIXED:
        return _PREFIXED[name]
    prefix, rest = name[:1], name[1:]
    if prefix in _PREFIXES and rest in _PREFIXED:
        return _PREFIXED[rest]._replace(factor=_PREFIXES[prefix] * _PREFIXED[rest].factor)
    return None
