"""Function spaces, and the exact solutions along characteristics."""

import math

import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.functions import Functions, FunctionSpace
from sciml.reference import (
    ChebyshevSpace,
    GaussianSpace,
    Kernel,
    evaluate_series,
    gauss,
    legendre,
    legendre_integrals,
    legendre_series,
)

from .equations import LENGTH, LINE

NODES = 64
"""Of the series that travel times and their inverse are."""
_NEWTON = 12

SPACES: dict[str, FunctionSpace] = {
    "grf": GaussianSpace(LINE, Kernel("rbf", LENGTH)),
    "grf_long": GaussianSpace(LINE, Kernel("rbf", 2.5 * LENGTH)),
    "chebyshev": ChebyshevSpace(LINE, size=5, bound=1.0),
}


def fields(v: Functions, queries: Tensor) -> Tensor:
    """All four at queries (t, x), ``function query field``."""
    t, x = queries.unbind(1)
    behind = (x - t).clamp_min(0)
    nodes = ((gauss(NODES)[0] + 1) / 2)[:, None]
    at_nodes = v(nodes)
    return torch.stack(
        (
            v(torch.sin(math.pi * (x - t)).square()[:, None]),
            v(behind[:, None]) * behind,
            driven(1 + at_nodes / 10, t, x),
            carried(1 + (at_nodes + at_nodes.flip(1)) / 20, t, x),
        ),
        dim=2,
    )


def driven(velocity: Tensor, t: Tensor, x: Tensor) -> Tensor:
    """s₃: where a characteristic started at a point X, X²; where it came in at a time T, sin πT."""
    late = _times(velocity, x) - t  # travel time from x = 0 to where the characteristic started
    return torch.where(late >= 0, _places(velocity, late.clamp_min(0)).square(), torch.sin(-math.pi * late))


def carried(velocity: Tensor, t: Tensor, x: Tensor) -> Tensor:
    """s₄: the state at the start of the characteristic, after any number of turns."""
    period = _times(velocity, torch.ones(1, dtype=torch.float64))
    late = _times(velocity, x) - t
    return torch.sin(2 * math.pi * _places(velocity, late - period * torch.floor(late / period)))


def _times(velocity: Tensor, x: Tensor) -> Tensor:
    """τ(x) = ∫₀ˣ dx' / a from values of a at Gauss's nodes, ``function point``."""
    if not bool((velocity > 0).all()):
        raise UserError("a velocity is not positive, so that characteristics stop", got=float(velocity.min()))
    return legendre_series(1 / velocity) @ legendre_integrals(2 * x - 1, NODES).T / 2


def _places(velocity: Tensor, times: Tensor) -> Tensor:
    """x where τ(x) is a time, ``function point``: inverted at nodes by Newton's method, a series between."""
    slowness = legendre_series(1 / velocity)
    period = slowness[:, :1]  # the mean of P_k is zero for all but the first
    wanted = period * (gauss(NODES)[0] + 1) / 2
    x = wanted / period
    for _ in range(_NEWTON):
        z = 2 * x - 1
        excess = torch.einsum("fpk,fk->fp", legendre_integrals(z, NODES), slowness) / 2 - wanted
        x = (x - excess / torch.einsum("fpk,fk->fp", legendre(z, NODES), slowness)).clamp(0, 1)
    return evaluate_series(legendre_series(x), 2 * times / period - 1)
