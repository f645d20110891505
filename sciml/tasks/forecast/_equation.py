"""What a forecast's solver learned, where that is an equation: coefficients with intervals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import xarray

from sciml import data
from sciml.train import Conclusion, Examples

_FEW = 20  # coefficients that are metrics too, for studies; a library of terms has hundreds


@dataclass(frozen=True)
class FoundCoefficient:
    """One coefficient of an equation.

    Arguments:
        name, term: its name, and what it multiplies.
        value, units: the number; units are empty where they do not follow from those of the data.
        low, high: its interval; None where none was asked for, or it cannot be told.
        note: what a reader must know, such as that it lies at a bound.
    """

    name: str
    term: str
    value: float
    units: str
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True)
class FoundEquation:
    """An equation that a forecasting solver fitted.

    Arguments:
        equations: one line per field.
        coefficients: of its terms, in their order.
        intervals: what the intervals are, in words; empty without them.
        notes: what a reader must know of the whole.
    """

    equations: tuple[str, ...]
    coefficients: tuple[FoundCoefficient, ...]
    intervals: str = ""
    notes: tuple[str, ...] = ()


class FindsEquation(ABC):
    """A forecasting solver whose module holds an equation."""

    @abstractmethod
    def equation(self, module: Any, examples: Examples[data.WindowBatch]) -> FoundEquation | None:
        """The fitted equation, with intervals from the training windows; None where it holds none.

        The module is that of the solver. Any: of a type of its own.
        """


def conclusion(equation: FoundEquation) -> Conclusion:
    """For the record, the page and the command line."""
    rows = [asdict(entry) for entry in equation.coefficients]
    details: dict[str, Any] = {  # Any: JSON
        "equations": list(equation.equations),
        "coefficients": rows,
        "intervals": equation.intervals,
        "notes": list(equation.notes),
    }
    words = (
        *equation.equations,
        *(_line(entry) for entry in equation.coefficients if entry.low is not None),
        *equation.notes,
    )
    few = equation.coefficients if len(equation.coefficients) <= _FEW else ()
    metrics = {f"coefficient/{entry.name}": entry.value for entry in few}
    return Conclusion(metrics, details, xarray.Dataset(), words)


def joined(parts: Sequence[Conclusion]) -> Conclusion:
    """Conclusions that speak of different things as one."""
    numbers = {key: value for part in parts for key, value in part.metrics.items()}
    details = {key: value for part in parts for key, value in part.details.items()}
    words = tuple(line for part in parts for line in part.words)
    return Conclusion(numbers, details, xarray.merge([part.arrays for part in parts]), words)


def _line(entry: FoundCoefficient) -> str:
    units = f" {entry.units}" if entry.units not in ("", "1") else ""
    note = f" ({entry.note})" if entry.note else ""
    return f"{entry.name} = {entry.value:.5g}{units}, 95 % interval {entry.low:.5g} to {entry.high:.5g}{note}"
