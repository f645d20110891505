"""Numbers in words: what a reader sees instead of ``nan`` and ``1.9e-01``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping


def format_number(value: int | float | None, digits: int = 3) -> str:
    """Three significant digits; ``–`` for None (not measured), ``not finite`` for NaN and infinities."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not finite"
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if -3 <= int(exponent) < 5:
        return f"{value:,.{max(0, digits - 1 - int(exponent))}f}"
    return f"{mantissa}·10{superscript(int(exponent))}"


def format_power(value: int | float) -> str:
    """A tolerance: ``10⁻³``, with a mantissa only where it is not 1."""
    mantissa, exponent = f"{value:.1e}".split("e")
    power = f"10{superscript(int(exponent))}"
    return power if mantissa == "1.0" else f"{mantissa.removesuffix('.0')}·{power}"


def superscript(exponent: int) -> str:
    """An integer in raised digits, for powers of ten."""
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def format_count(value: int | float | None) -> str:
    """A count with a unit prefix: ``512``, ``48.2 k``, ``1.30 M``, ``2.10 G``."""
    if value is None or not math.isfinite(value):
        return format_number(value)
    for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{format_number(value / size)}\N{NO-BREAK SPACE}{prefix}"
    return f"{value:,.0f}"


def format_seconds(value: int | float | None) -> str:
    """A duration: ``3.1 ms``, ``42.0 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if value is None or not math.isfinite(value):
        return format_number(value)
    if value < 1e-3:
        return f"{format_number(value * 1e6)}\N{NO-BREAK SPACE}µs" if value else "0\N{NO-BREAK SPACE}s"
    if value < 1:
        return f"{format_number(value * 1e3)}\N{NO-BREAK SPACE}ms"
    if value < 120:
        return f"{format_number(value)}\N{NO-BREAK SPACE}s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def format_bytes(value: int | float | None) -> str:
    """An amount of memory: ``512 B``, ``48.2 kB``, ``1.30 MB``."""
    return (
        f"{format_count(value)}B" if value is not None and value >= 1e3 else f"{format_count(value)}\N{NO-BREAK SPACE}B"
    )


def best_of(values: Mapping[str, float | None], loss: Callable[[float], float] = float) -> str | None:
    """Key of the best value: finite, and ahead in the digits shown; None when fewer than two were measured.

    Arguments:
        values: None where nothing was measured.
        loss: how bad a value is; by default less is better.
    """
    measured = {key: value for key, value in values.items() if value is not None}
    finite = {key: value for key, value in measured.items() if math.isfinite(value)}
    if not finite or len(measured) < 2:
        return None
    best = min(finite, key=lambda key: loss(finite[key]))
    level = [key for key in finite if format_number(finite[key]) == format_number(finite[best])]
    return best if len(level) == 1 else None
