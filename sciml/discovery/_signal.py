"""Measured inputs between their times."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.errors import DataError


@dataclass(frozen=True)
class Signal:
    """A measured quantity over time, of several trajectories.

    It is piecewise cubic, without overshoot at steps, and constant beyond its ends.

    Arguments:
        knots: the times of the measurements; infinite where a trajectory has fewer than another.
        powers: coefficients of (t − knot)³, …, 1 between knots.

    Reference: H. Akima, Journal of the ACM 17 (1970) 589-602, doi:10.1145/321607.321609, with modified weights.
    """

    knots: Float[Tensor, "trajectory knot"]
    powers: Float[Tensor, "trajectory 4 knot"]

    @classmethod
    def through(cls, tables: Sequence[tuple[Tensor, Tensor]], name: str) -> "Signal":
        """The signal through times and values of each trajectory, NaN where one is missing.

        Raises: DataError for fewer than two values.
        """
        from scipy.interpolate import Akima1DInterpolator  # takes a second to load, and few tables have inputs

        most = max(len(times) for times, _ in tables)
        knots = torch.full((len(tables), most), torch.inf, dtype=torch.float64)
        powers = torch.zeros(len(tables), 4, most, dtype=torch.float64)
        for k, (times, values) in enumerate(tables):
            here = values.isfinite()
            times, values, count = times[here], values[here], int(here.sum())
            if count < 2:
                raise DataError(f"the input {name!r} has too few values on a trajectory", got=count,
                                expected="at least 2")  # fmt: skip
            curve = Akima1DInterpolator(times.numpy(), values.numpy(), method="makima")
            knots[k, :count] = times
            powers[k, :, : count - 1] = torch.from_numpy(np.ascontiguousarray(curve.c))
            powers[k, 3, count - 1] = values[-1]  # constant from the last knot on
        return cls(knots, powers)

    def at(self, trajectory: Int[Tensor, " point"], times: Float[Tensor, " point"]) -> Float[Tensor, " point"]:
        """Values at any times of trajectories; -1 is the last one."""
        times, knots = times.double(), self.knots[trajectory]
        piece = torch.searchsorted(knots, times[:, None].contiguous(), right=True) - 1
        piece = piece.clamp(0, knots.shape[1] - 1)
        u = (times - knots.gather(1, piece)[:, 0]).clamp(min=0.0)
        a, b, c, d = self.powers[trajectory].gather(2, piece[:, None].expand(-1, 4, 1))[..., 0].unbind(1)
        return ((a * u + b) * u + c) * u + d
