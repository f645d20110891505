"""Signals over time, and what is asked of them."""

from abc import abstractmethod
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.problem import Field, Problem

SequenceTarget = Literal["signal", "value", "class"]
"""What is asked of a sequence: a value at every time, which may depend on the past alone (system identification,
forecasting); one value; or one of several classes."""


class Sequences(NamedTuple):
    """Signals and what they should be answered with.

    Fields:
        signals: ``sample time signal``.
        targets: for `signal` ``sample time field``, for `value` ``sample field``, for `class` the index of a class,
            int64, ``sample``.
    """

    signals: Float[Tensor, "sample time signal"]
    targets: Tensor


class HasSequences(Problem):
    """Offers series with targets or labels, at any sampling rate.

    The `fields` are what is asked for; for classes, which have no units, they are the signals again.
    """

    signals: tuple[Field, ...]
    """What is given at every time, in channel order."""
    target: SequenceTarget
    """What is asked for."""
    classes: tuple[str, ...] = ()
    """Names of the classes; a label is an index into them. Empty unless they are the target."""
    forecasts: tuple[str, ...] = ()
    """In a forecast the signal that each field is, some time ahead; empty for other targets. The last value of that
    signal is what a forecast is compared with."""
    uneven: bool = False
    """Whether the times are not equidistant, which few solvers can read."""

    def collection(self, times: Float[Tensor, " time"], count: int) -> Sequences | None:
        """All sequences there are, where these are a fixed set, always in the same order; else None.

        Splits are then cut from it, so that none is in two of them. `count` is how many the card asks for: a problem
        that has sets of several sizes takes the smallest one that holds so many.
        """
        return None

    @abstractmethod
    def sequences(self, count: int, times: Float[Tensor, " time"], generator: torch.Generator) -> Sequences:
        """`count` independent sequences, float64, at equidistant `times` from zero on.

        The number and distance of the times are the card's. Classes should be about equally frequent. A forecast is a
        `signal` target that is the signal itself, some time ahead; `forecasts` says so.
        """
