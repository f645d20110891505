"""Fractional derivatives of functions on an interval."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.functions import Functions, FunctionSpace
from sciml.reference._legendre import gauss, legendre_series, legendre_slopes, unit_points
from sciml.reference._polynomial_spaces import FractonomialSpace

_NODES = 56
"""Of the series of a smooth function, and of the quadrature of its derivative. More lose digits: the slope of a series
of N terms amplifies rounding by N²."""


def caputo(
    functions: Functions, points: Float[Tensor, "point 1"], orders: Float[Tensor, " point"]
) -> Float[Tensor, "function point"]:
    """Caputo's derivative from the lower end a of the interval, of an order of every point's own, float64.

        D^α u(x) = 1 / Γ(1 - α) ∫_a^x (x - τ)^(-α) u'(τ) dτ,   0 < α < 1

    Poly-fractonomials are differentiated power by power, D^α ξ^p = Γ(p+1)/Γ(p+1-α) ξ^(p-α). For other functions u' is
    that of a Legendre series of 56 terms and the integral Gauss-Jacobi quadrature: 1e-9 for polynomials of lower
    degree, 1e-8 for Gaussian fields of an RBF kernel longer than a tenth of the interval.

    Raises: UserError for an order outside of (0, 1), or functions with a pointwise map.

    Reference: I. Podlubny, Fractional Differential Equations (1999), section 2.4.1.
    """
    if not bool(((orders > 0) & (orders < 1)).all()):
        bad = float(orders[(orders <= 0) | (orders >= 1)][0])
        raise UserError("the order of a fractional derivative is not between 0 and 1", got=bad)
    if functions.transform is not None:
        raise UserError("functions with a pointwise map have no fractional derivative here")
    space, orders = functions.space, orders.double()
    unit = unit_points(space.domain, points)[:, 0]
    modes = _of_powers(space, unit, orders) if isinstance(space, FractonomialSpace) else _of_series(space, unit, orders)
    return functions.coefficients @ (modes * float(space.domain.extent) ** -orders[:, None]).T


def _of_powers(
    space: FractonomialSpace, unit: Float[Tensor, " point"], orders: Float[Tensor, " point"]
) -> Float[Tensor, "point mode"]:
    exponents = space.exponents
    ratio = torch.lgamma(exponents + 1) - torch.lgamma(exponents + 1 - orders[:, None])  # exponent + 1 - α > 0
    left = exponents - orders[:, None]
    left = torch.where(left.abs() < 1e-12, 0.0, left)  # or rounding would make 0^0 infinite at the lower end
    return (ratio.exp() * unit[:, None] ** left) @ space.powers.T


def _of_series(
    space: FunctionSpace, unit: Float[Tensor, " point"], orders: Float[Tensor, " point"]
) -> Float[Tensor, "point mode"]:
    """x^(1-α) / Γ(1-α) ∫₀¹ (1 - s)^(-α) φ'(x s) ds, order after order."""
    from scipy.special import roots_jacobi

    nodes = space.domain.place((gauss(_NODES)[0][:, None] + 1) / 2)
    series = legendre_series(space.modes(nodes).T)  # mode term
    result = torch.empty(len(unit), len(series), dtype=torch.float64)
    for order in orders.unique().tolist():
        here = orders == order
        z, weights = roots_jacobi(_NODES, -order, 0.0)
        s = torch.from_numpy(np.asarray((z + 1) / 2))
        slopes = 2 * legendre_slopes(2 * unit[here, None] * s - 1, _NODES) @ series.T  # point node mode
        integral = torch.einsum("pnm,n->pm", slopes, torch.from_numpy(weights)) * 2 ** (order - 1)
        result[here] = unit[here, None] ** (1 - order) / math.gamma(1 - order) * integral
    return result
