"""Handwritten digits on 8 x 8 points: a small real set of pictures to classify."""

from dataclasses import dataclass

from torch import Tensor

from sciml.core.capabilities import Classifies
from sciml.core.problem import Field

from . import reference


@dataclass(frozen=True, kw_only=True)
class Digits(Classifies):
    """1797 pictures of handwritten digits, ten classes of nearly equal size.

    What to expect: a linear classifier errs on about 4 of 100 pictures, a nearest neighbour on 1 to 2, a small
    convolutional network on 1 to 2.
    """

    classes: tuple[str, ...] = tuple("0123456789")

    def samples(self) -> tuple[Tensor, Tensor]:
        """Pictures ``1797 1 8 8`` with values in [0, 1], float32, and labels, int64; always in the same order."""
        return reference.pictures()


PROBLEM = Digits(
    name="digits",
    title="Handwritten digits, 8 x 8",
    equation="x ∈ [0, 1]⁸ˣ⁸ ↦ class ∈ {0, …, 9}",
    fields=(Field("intensity", "x", "1", "share of inked points in a block of 4 x 4"),),
    boundary={},
    metrics=("accuracy", "nll", "evaluations"),
    solver="ode_net",
    citation="E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository "
    "(1998), doi:10.24432/C50P49",
)
