"""Measured inputs between their times."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import DataError


@dataclass(frozen=True)
class Signal:
    """A measured quantity over time: piecewise cubic, without overshoot at steps, constant beyond its ends.

    Arguments:
        knots: the times of the measurements.
        powers: coefficients of (t − knot)³, …, 1 between knots.
        last: the value at and beyond the last knot.

    Reference: H. Akima, Journal of the ACM 17 (1970) 589-602, doi:10.1145/321607.321609, with modified weights.
    """

    knots: Float[Tensor, " knot"]
    powers: Float[Tensor, "4 piece"]
    last: float

    @classmethod
    def through(cls, times: Tensor, values: Tensor, name: str) -> "Signal":
        """The signal through the values that are not missing. Raises DataError for fewer than two."""
        from scipy.interpolate import Akima1DInterpolator  # takes a second to load, and few tables have inputs

        here = values.isfinite()
        if int(here.sum()) < 2:
            raise DataError(f"the input {name!r} has too few values on a trajectory", got=int(here.sum()),
                            expected="at least 2")  # fmt: skip
        knots, values = times[here], values[here]
        curve = Akima1DInterpolator(knots.numpy(), values.numpy(), method="makima")
        return cls(knots, torch.from_numpy(np.ascontiguousarray(curve.c)), float(values[-1]))

    def at(self, times: Float[Tensor, " point"]) -> Float[Tensor, " point"]:
        """Values at any times."""
        times = times.double()
        piece = (torch.searchsorted(self.knots, times.contiguous(), right=True) - 1).clamp(0, len(self.knots) - 2)
        u = (times - self.knots[piece]).clamp(min=0.0)
        a, b, c, d = self.powers[:, piece]
        return torch.where(times >= self.knots[-1], self.last, ((a * u + b) * u + c) * u + d)
