"""Handwritten digits read point by point, as a signal of 64 values."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import HasSequences, Sequences, SequenceTarget
from sciml.core.problem import Field

from . import reference

INTENSITY = Field("intensity", "x", "1", "share of inked points in a block of 4 x 4", least=0.0, most=1.0)


@dataclass(frozen=True, kw_only=True)
class SequentialDigits(HasSequences):
    """1797 pictures of 8 x 8 points, row by row from the upper left, one point per unit of time.

    What to expect: neighbours in a column are eight values apart, and what tells a digit may lie sixty values back. A
    linear classifier of the whole picture errs on about 4 of 100. The published benchmark has 70,000 pictures of 784
    points; this is a small one, and its errors say nothing of that.
    """

    signals: tuple[Field, ...] = (INTENSITY,)
    target: SequenceTarget = "class"
    classes: tuple[str, ...] = tuple("0123456789")

    def collection(self, times: Tensor, count: int) -> Sequences:
        """All of them, each value held for one unit of time."""
        values, labels = reference.digits()
        place = times.floor().long().clamp(0, values.shape[1] - 1)
        return Sequences(values[:, place, None], labels)

    def sequences(self, count: int, times: Tensor, generator: torch.Generator) -> Sequences:
        """Some of them, none twice."""
        every = self.collection(times, count)
        rows = torch.randperm(len(every.signals), generator=generator)[:count]
        return Sequences(every.signals[rows], every.targets[rows])


PROBLEM = SequentialDigits(
    name="sequential_digits",
    title="Handwritten digits, point by point",
    equation="x(t) ∈ [0, 1], t = 0 … 63 ↦ class ∈ {0, …, 9}",
    fields=(INTENSITY,),
    boundary={},
    metrics=("accuracy", "nll"),
    solver="lssl",
    citation="E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository "
    "(1998), doi:10.24432/C50P49; pictures as sequences after Q. V. Le, N. Jaitly, G. E. Hinton, arXiv:1504.00941",
)
