"""Driven equations: tables of time as functions that know where they have kinks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import ConfigError, UserError


@dataclass(frozen=True)
class Forcing:
    """A table of time as a function, for use in a right-hand side and for `jumps=` of `sciml.ode.solve`.

    Called with times ``row`` it returns values ``row *shape``, differentiable with respect to `values` and the times.
    Before the first and after the last knot it keeps the value there; `solve` refuses to go there if it knows.

    Arguments:
        times: knots, increasing, at least two.
        values: there, ``knot *shape``.
        kind: ``linear`` between knots, or ``hold`` the value of the last one.
    """

    times: Float[Tensor, " knot"]
    values: Float[Tensor, "knot ..."]
    kind: Literal["linear", "hold"] = "linear"

    def __post_init__(self) -> None:
        if self.kind not in ("linear", "hold"):
            raise ConfigError("unknown kind of forcing", got=repr(self.kind), expected="linear or hold")
        if self.times.ndim != 1 or len(self.times) < 2 or len(self.values) != len(self.times):
            raise UserError(
                "a table of forcing needs one value per time",
                got=f"times {tuple(self.times.shape)}, values {tuple(self.values.shape)}",
                expected="times (knot,) and values (knot, ...), at least two knots",
            )
        if not bool(self.times.isfinite().all()) or not bool((self.times.diff() > 0).all()):
            raise UserError("the times of a forcing must be finite and increase", fix="Sort them, drop repeated ones.")
        if not bool(self.values.isfinite().all()):
            raise UserError("the values of a forcing must be finite", fix="Drop the rows with gaps.")

    def __call__(self, time: Float[Tensor, " row"]) -> Float[Tensor, "row ..."]:
        """The values at some times."""
        knots = self.times.to(time)
        place = torch.searchsorted(knots, time.detach().contiguous(), right=True).sub(1)
        if self.kind == "hold":
            return self.values[place.clamp(0, len(knots) - 1)]
        place = place.clamp(0, len(knots) - 2)
        share = ((time - knots[place]) / (knots[place + 1] - knots[place])).clamp(0, 1)
        share = share.to(self.values.dtype).reshape(-1, *(1,) * (self.values.ndim - 1))
        return torch.lerp(self.values[place], self.values[place + 1], share.expand_as(self.values[place]))
