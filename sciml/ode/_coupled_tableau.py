"""Coefficients of the fully implicit methods as data."""

import math
from dataclasses import dataclass

import numpy as np

from sciml.ode._tableau import Row, hermite


@dataclass(frozen=True, kw_only=True)
class CoupledTableau:
    """Coefficients of a fully implicit Runge-Kutta method.

    Arguments:
        a, b: the square matrix and the weights.
        dense: coefficients of θ, θ², ... of the weights of the slope at the start, those of the stages and the one at
            the end.
        error, gamma: the estimate is (I - γ h J)⁻¹ h (γ f(t, y) + Σ error_i k_i); None without one.
    """

    a: tuple[Row, ...]
    b: Row
    dense: tuple[Row, ...]
    error: Row | None = None
    gamma: float = 0.0

    @property
    def c(self) -> Row:
        """Nodes, the row sums of `a`."""
        return tuple(sum(row, 0.0) for row in self.a)

    @property
    def stages(self) -> int:
        """Number of stages."""
        return len(self.b)

    @property
    def closed(self) -> bool:
        """Whether the last stage is the new state."""
        return self.a[-1] == self.b


def _closing(a: tuple[Row, ...], b: Row) -> CoupledTableau:
    """A method whose dense output is the cubic through both ends with their slopes."""
    return CoupledTableau(a=a, b=b, dense=hermite((0.0, *b, 0.0)))


def _collocation(a: tuple[Row, ...], b: Row) -> tuple[Row, ...]:
    """The dense output of a collocation method, the integral of the polynomial through the slopes of its stages."""
    nodes = [sum(row) for row in a]
    inverse = np.linalg.inv(np.vander(nodes, increasing=True))
    rows = [tuple(float(v) / (p + 1) for p, v in enumerate(inverse[:, i])) for i in range(len(b))]
    nothing = (0.0,) * len(b)
    return (nothing, *rows, nothing)


IMPLICIT_EULER = _closing(((1.0,),), (1.0,))
IMPLICIT_MIDPOINT = _closing(((1 / 2,),), (1.0,))
TRAPEZOID = _closing(((0.0, 0.0), (1 / 2, 1 / 2)), (1 / 2, 1 / 2))

_3, _6, _15 = math.sqrt(3), math.sqrt(6), math.sqrt(15)
GAUSS4 = _closing(((1 / 4, 1 / 4 - _3 / 6), (1 / 4 + _3 / 6, 1 / 4)), (1 / 2, 1 / 2))
GAUSS6 = _closing(
    (
        (5 / 36, 2 / 9 - _15 / 15, 5 / 36 - _15 / 30),
        (5 / 36 + _15 / 24, 2 / 9, 5 / 36 - _15 / 24),
        (5 / 36 + _15 / 30, 2 / 9 + _15 / 15, 5 / 36),
    ),
    (5 / 18, 4 / 9, 5 / 18),
)
RADAU3 = _closing(((5 / 12, -1 / 12), (3 / 4, 1 / 4)), (3 / 4, 1 / 4))

_A5 = (
    ((88 - 7 * _6) / 360, (296 - 169 * _6) / 1800, (-2 + 3 * _6) / 225),
    ((296 + 169 * _6) / 1800, (88 + 7 * _6) / 360, (-2 - 3 * _6) / 225),
    ((16 - _6) / 36, (16 + _6) / 36, 1 / 9),
)
# 1/γ is the real eigenvalue of A⁻¹; the authors write the estimate with z = h A k, so its weights are e A here.
_GAMMA = 1 / (3 + 3 ** (2 / 3) - 3 ** (1 / 3))
_E = np.array([-13 - 7 * _6, -13 + 7 * _6, -1.0]) / 3
RADAU5 = CoupledTableau(
    a=_A5,
    b=_A5[2],
    dense=_collocation(_A5, _A5[2]),
    error=tuple(float(v) for v in _GAMMA * (_E @ np.array(_A5))),
    gamma=_GAMMA,
)

_S = 1 - math.sqrt(2) / 2
SDIRK2 = _closing(((_S, 0.0), (1 - _S, _S)), (1 - _S, _S))
