"""Exponential Runge-Kutta methods for stiff semilinear systems ``û_t = L û + N(û)`` with a diagonal L.

Both solve the linear part exactly, so that the time step is bounded by the nonlinear part alone, and both have order
four. A method is an object that holds L and keeps what depends on the time step; `integrate` calls it with N.
"""

import cmath
import math
from collections.abc import Callable
from typing import ClassVar, final

import torch
from jaxtyping import Complex, Inexact
from torch import Tensor

from sciml.reference._semi_implicit import SemiImplicitRK3
from sciml.reference._stepping import Tendency

_POINTS = 32
"""Points of the contour: a function that is analytic around a circle of radius one is averaged to 1e-15."""
_RADIUS = 1.0


@final
class IFRK4:
    """The classical Runge-Kutta method for ``v = exp(−L t) û`` (integrating factor).

        k1 = N(û),  k2 = N(e½ (û + h/2 k1)),  k3 = N(e½ û + h/2 k2),  k4 = N(e û + h e½ k3)
        û' = e û + h/6 (e k1 + 2 e½ (k2 + k3) + k4),  e = exp(h L), e½ = exp(h L / 2)

    The cheapest of its order where h L is of order one on the modes that matter. Fixed points of the equation are
    not fixed points of the method, so for stiff L with a forcing `ETDRK4` is more accurate at equal steps.

    Arguments:
        linear: L, real or complex, broadcastable over the state ``batch channel *mode`` with the batch in front.

    Reference: J. P. Boyd, Chebyshev and Fourier Spectral Methods, 2nd ed., Dover (2001), chapter 14.
    """

    order: ClassVar[int] = 4

    def __init__(self, linear: Inexact[Tensor, "row *rest"]) -> None:
        self._kept = _Kept(linear, _integrating_factors)

    def __call__(self, tendency: Tendency, y: Complex[Tensor, "batch *rest"], dt: Tensor) -> Tensor:
        """One step of every row with a positive `dt`; the others stay."""
        full, half = self._kept(dt)
        k1 = tendency(y)
        k2 = tendency(half * (y + dt / 2 * k1))
        k3 = tendency(half * y + dt / 2 * k2)
        k4 = tendency(full * y + dt * half * k3)
        return torch.where(dt > 0, full * y + dt / 6 * (full * k1 + 2 * half * (k2 + k3) + k4), y)


@final
class ETDRK4:
    """Exponential time differencing with four stages; its coefficients are means over circles around h L.

        a = e½ û + q N(û),  b = e½ û + q N(a),  c = e½ a + q (2 N(b) − N(û))
        û' = e û + f1 N(û) + 2 f2 (N(a) + N(b)) + f3 N(c)

    The formulas of q, f1, f2 and f3 cancel to nothing where h L is small; as contour integrals they do not. Fixed
    points of the equation are kept exactly.

    Arguments:
        linear: L, real or complex, broadcastable over the state ``batch channel *mode`` with the batch in front.

    Reference: A.-K. Kassam and L. N. Trefethen, Fourth-order time-stepping for stiff PDEs, SIAM J. Sci. Comput. 26
    (2005) 1214-1233, doi:10.1137/S1064827502410633; S. M. Cox and P. C. Matthews, J. Comput. Phys. 176 (2002) 430-455.
    """

    order: ClassVar[int] = 4

    def __init__(self, linear: Inexact[Tensor, "row *rest"]) -> None:
        self._kept = _Kept(linear, _etd_coefficients)

    def __call__(self, tendency: Tendency, y: Complex[Tensor, "batch *rest"], dt: Tensor) -> Tensor:
        """One step of every row with a positive `dt`; the others stay."""
        full, half, q, f1, f2, f3 = self._kept(dt)
        at_y = tendency(y)
        half_y = half * y
        a = half_y + q * at_y
        at_a = tendency(a)
        at_b = tendency(half_y + q * at_a)
        at_c = tendency(half * a + q * (2 * at_b - at_y))
        return torch.where(dt > 0, full * y + f1 * at_y + 2 * f2 * (at_a + at_b) + f3 * at_c, y)


ExponentialMethod = type[IFRK4] | type[ETDRK4] | type[SemiImplicitRK3]
"""A method as `evolve_semilinear` takes it: made of L, called with N."""


class _Kept:
    """Coefficients of every row for the last positive step it took; they are made again where the step changed."""

    def __init__(self, linear: Tensor, make: Callable[[Tensor, Tensor], tuple[Tensor, ...]]) -> None:
        self._linear, self._make = linear, make
        self._dt: Tensor | None = None
        self._coefficients: tuple[Tensor, ...] = ()

    def __call__(self, dt: Tensor) -> tuple[Tensor, ...]:
        if self._dt is None:
            self._dt = dt.clone()
            self._coefficients = self._make(self._linear.expand(len(dt), *self._linear.shape[1:]), dt)
            return self._coefficients
        changed = ((dt != self._dt) & (dt > 0)).flatten()
        if bool(changed.any()):
            linear = self._linear.expand(len(dt), *self._linear.shape[1:])[changed]
            for kept, fresh in zip(self._coefficients, self._make(linear, dt[changed]), strict=True):
                kept[changed] = fresh
            self._dt[changed] = dt[changed]
        return self._coefficients


def _integrating_factors(linear: Tensor, dt: Tensor) -> tuple[Tensor, ...]:
    return torch.exp(dt * linear), torch.exp(dt / 2 * linear)


def _etd_coefficients(linear: Tensor, dt: Tensor) -> tuple[Tensor, ...]:
    """e, e½, q, f1, f2, f3 of equations (2.5) of Kassam and Trefethen, each times h where that is in the formula."""
    z = dt * linear
    # The functions are real on the real axis, so there the mean over the upper half circle is the real part of it.
    points = _POINTS if z.is_complex() else _POINTS // 2
    span = 2 * math.pi if z.is_complex() else math.pi
    sums = [torch.zeros_like(z) for _ in range(4)]
    for index in range(points):
        r = z + _RADIUS * cmath.exp(1j * span * (index + 0.5) / points)
        e, r3 = torch.exp(r), r**3
        values = (
            (torch.exp(r / 2) - 1) / r,
            (-4 - r + e * (4 - 3 * r + r**2)) / r3,
            (2 + r + e * (r - 2)) / r3,
            (-4 - 3 * r - r**2 + e * (4 - r)) / r3,
        )
        for total, value in zip(sums, values, strict=True):
            total += value if z.is_complex() else value.real
    return torch.exp(z), torch.exp(z / 2), *(dt * total / points for total in sums)
