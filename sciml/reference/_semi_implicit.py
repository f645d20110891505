"""A semi-implicit Runge-Kutta method for systems ``û_t = L û + N(û)`` with a diagonal L."""

from typing import ClassVar, final

import torch
from jaxtyping import Complex, Inexact
from torch import Tensor

from sciml.reference._stepping import Tendency

_IMPLICIT = ((1 / 2,), (1 / 6, 1 / 2), (-1 / 2, 1 / 2, 1 / 2), (3 / 2, -3 / 2, 1 / 2, 1 / 2))
_EXPLICIT = ((1 / 2,), (11 / 18, 1 / 18), (5 / 6, -5 / 6, 1 / 2), (1 / 4, 7 / 4, 3 / 4, -7 / 4))


@final
class SemiImplicitRK3:
    """L by an implicit, N by an explicit Runge-Kutta method of the same stages, of order three; L-stable for L.

    Modes that L makes faster than the step are damped where `IFRK4` and `ETDRK4` carry them exactly. Its coefficients
    depend on the step by one division, so it suits states whose step changes often.

    Arguments:
        linear: L, real or complex, broadcastable over the state ``batch channel *mode`` with the batch in front.

    Reference: U. M. Ascher, S. J. Ruuth and R. J. Spiteri, Implicit-explicit Runge-Kutta methods for time-dependent
    partial differential equations, Appl. Numer. Math. 25 (1997) 151-167, doi:10.1016/S0168-9274(97)00056-1, their
    scheme (4, 4, 3).
    """

    order: ClassVar[int] = 3

    def __init__(self, linear: Inexact[Tensor, "row *rest"]) -> None:
        self._linear = linear

    def __call__(self, tendency: Tendency, y: Complex[Tensor, "batch *rest"], dt: Tensor) -> Tensor:
        """One step of every row with a positive `dt`; the others stay."""
        inverse = 1 / (1 - dt / 2 * self._linear)
        stiff, smooth, stage = [], [tendency(y)], y
        for implicit, explicit in zip(_IMPLICIT, _EXPLICIT, strict=True):
            known = y + dt * sum(a * n for a, n in zip(explicit, smooth, strict=True))
            if stiff:
                known = known + dt * sum(a * s for a, s in zip(implicit[:-1], stiff, strict=True))
            stage = inverse * known
            stiff.append(self._linear * stage)
            if len(smooth) < len(_EXPLICIT):
                smooth.append(tendency(stage))
        return torch.where(dt > 0, stage, y)
