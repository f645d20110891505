"""Header cells as names and units, and the usual names of times."""

import re
import unicodedata

TIME_NAMES = ("time", "times", "datetime", "timestamp", "date", "year", "years", "month", "day", "days", "hour",
              "hours", "minute", "minutes", "second", "seconds", "zeit", "temps", "tiempo")  # fmt: skip
"""What a column of times may be called beside ``t``, in lower case."""
TIME_UNITS = {"year": "yr", "years": "yr", "day": "d", "days": "d", "hour": "h", "hours": "h", "minute": "min",
              "minutes": "min", "second": "s", "seconds": "s"}  # fmt: skip
"""Units that the name of such a column states."""
_BRACKETS = re.compile(r"(.+?)[\s_]*[(\[{]\s*([^()\[\]{}]*(?:\([^()]*\))?[^()\[\]{}]*)\s*[)\]}]")
_SLASH = re.compile(r"(.+?)\s+/\s+(\S+)")
_SPELT = {"°c": "degC", "ºc": "degC", "°f": "degF", "°": "deg", "#": "1", "-": "1"}


def split_header(cell: str) -> tuple[str, str]:
    """Name and units of ``T (K)``, ``T [K]``, ``T / K`` or ``T``; the units are empty where none are stated."""
    match = _BRACKETS.fullmatch(cell) or _SLASH.fullmatch(cell)
    name, units = (match[1], match[2].strip() or "1") if match else (cell, "")
    units = _SPELT.get(units.lower(), units).replace("µ", "u").replace("μ", "u")
    return name, units.replace("²", "^2").replace("³", "^3")


def as_name(text: str) -> str:
    """A name as formulas are read: compatibility forms unified (micro sign and mu), blanks and hyphens to ``_``."""
    return re.sub(r"[\s\-./]+", "_", unicodedata.normalize("NFKC", text.strip())).strip("_") or text
