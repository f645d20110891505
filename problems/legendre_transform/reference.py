"""Function spaces, and the transform by Gauss's quadrature."""

from torch import Tensor

from sciml.core.functions import Functions, FunctionSpace
from sciml.reference import ChebyshevSpace, GaussianSpace, Kernel, LegendreSpace, gauss, legendre

from .equations import LENGTH, LINE

NODES = 120
"""Of the quadrature: exact for polynomials up to degree 239; for the Gaussian fields its error is rounding."""
SPACES: dict[str, FunctionSpace] = {
    "grf": GaussianSpace(LINE, Kernel("rbf", LENGTH)),
    "grf_short": GaussianSpace(LINE, Kernel("rbf", LENGTH / 2)),
    "grf_long": GaussianSpace(LINE, Kernel("rbf", 2.5 * LENGTH)),
    "chebyshev": ChebyshevSpace(LINE, size=20, bound=1.0),
    "legendre": LegendreSpace(LINE, size=20, bound=1.0),
}


def coefficients(f: Functions, queries: Tensor) -> Tensor:
    """Jₙ at numbers n, ``function query``."""
    nodes, weights = gauss(NODES)
    polynomials = legendre(nodes, 20)
    return (f(nodes[:, None]) * weights @ polynomials)[:, queries[:, 0].round().long()]
