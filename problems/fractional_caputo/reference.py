"""Function spaces, and their fractional derivatives."""

from torch import Tensor

from sciml.core.functions import Functions, FunctionSpace
from sciml.reference import FractonomialSpace, GaussianSpace, Kernel, LegendreSpace, caputo

from .equations import FRACTION, LENGTH, LINE

SPACES: dict[str, FunctionSpace] = {
    "legendre": LegendreSpace(LINE, size=11, bound=1.0),
    "fractonomial": FractonomialSpace(LINE, order=FRACTION, size=11, bound=1.0),
    "grf": GaussianSpace(LINE, Kernel("rbf", LENGTH)),
}
"""Polynomials, poly-fractonomials (that start like x^0.9), and a Gaussian field."""


def derivatives(u: Functions, queries: Tensor) -> Tensor:
    """D^α u(y) at queries (y, α), ``function query``."""
    return caputo(u, queries[:, :1], queries[:, 1])
