"""Dates and times of day as numbers."""

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

from sciml.core.errors import DataError

SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "day": 86400.0, "yr": 365.25 * 86400.0, "ms": 1e-3}
"""Units in which dates can be counted."""
_FORMS = ("%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y-%m", "%b %d, %Y", "%d %b %Y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f")
_AMBIGUOUS = ("%d/%m/%Y", "%m/%d/%Y")


def from_dates(
    path: Path, cells: Sequence[str], lines: Sequence[int], where: str, units: str
) -> tuple[list[float], str, str]:
    """Times since the first date, their units, and a word about them.

    Arguments:
        path: named in errors.
        cells: ISO dates, dates with a time of day, or times of day.
        lines: where they stand.
        where: what `lines` counts.
        units: in which to count; ``1`` for days between mere dates and seconds else.

    Raises: DataError for what is no date, for one that may be read in two ways, and for units that are none of time.
    """
    readers = [reader for reader in (_iso, *map(_by_form, _clocked())) if reader(cells[0]) is not None]
    dates: list[datetime.datetime] = []
    for reader in readers:
        read = [reader(cell) for cell in cells]
        dates = [date for date in read if date is not None]
        if len(dates) == len(cells):
            break
    if len(dates) < len(cells):
        bad = next(i for i, cell in enumerate(cells) if not readers or readers[0](cell) is None)
        raise DataError(f"{path}, {where} {lines[bad]}: the time is neither a number nor a date", got=repr(cells[bad]),
                        expected="for example 2024-03-01 08:15:00")  # fmt: skip
    _refuse_ambiguous(path, cells)
    if units == "1":
        units = "d" if all(date.time() == datetime.time() for date in dates) else "s"
    if units not in SECONDS:
        raise DataError(f"{path}: dates cannot be counted in {units!r}", expected=f"one of: {', '.join(SECONDS)}")
    first = min(dates)
    values = [(date - first).total_seconds() / SECONDS[units] for date in dates]
    return values, units, f"times are counted in {units} from {cells[dates.index(first)]}"


def _iso(cell: str) -> datetime.datetime | None:
    """An ISO date or time of day; without a time zone, moments with one in UTC."""
    try:
        moment = datetime.datetime.fromisoformat(cell)
        return moment if moment.tzinfo is None else moment.astimezone(datetime.UTC).replace(tzinfo=None)
    except ValueError:
        try:
            return datetime.datetime.combine(datetime.date(1970, 1, 1), datetime.time.fromisoformat(cell))
        except ValueError:
            return None


def _clocked() -> list[str]:
    return [form + clock for form in _FORMS for clock in _CLOCKS]


def _by_form(form: str) -> Callable[[str], datetime.datetime | None]:
    def read(cell: str) -> datetime.datetime | None:
        try:
            return datetime.datetime.strptime(cell, form)
        except ValueError:
            return None

    return read


def _refuse_ambiguous(path: Path, cells: Sequence[str]) -> None:
    for clock in _CLOCKS:
        both = [[_by_form(form + clock)(cell) for cell in cells] for form in _AMBIGUOUS]
        if all(None not in dates for dates in both) and both[0] != both[1]:
            raise DataError(f"{path}: {cells[0]!r} may be read with the day or with the month first",
                            fix="Write dates as year-month-day.")  # fmt: skip
