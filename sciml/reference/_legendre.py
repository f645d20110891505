"""Legendre series on an interval: smooth functions by their values at Gauss's nodes, to rounding."""

import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.domain import Domain
from sciml.core.errors import UserError


@cache
def gauss(size: int) -> tuple[Float[Tensor, " node"], Float[Tensor, " node"]]:
    """Nodes and weights of Gauss's quadrature on [-1, 1], exact for polynomials up to degree 2 size - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(size)
    return torch.from_numpy(nodes), torch.from_numpy(weights)


def legendre(z: Float[Tensor, "*shape"], size: int) -> Float[Tensor, "*shape mode"]:
    """P_k(z) for k < size, by (k + 1) P_{k+1} = (2k + 1) z P_k - k P_{k-1}."""
    columns = [torch.ones_like(z), z]
    for k in range(1, size - 1):
        columns.append(((2 * k + 1) * z * columns[k] - k * columns[k - 1]) / (k + 1))
    return torch.stack(columns[:size], dim=-1)


def legendre_integrals(z: Float[Tensor, "*shape"], size: int) -> Float[Tensor, "*shape mode"]:
    """∫_{-1}^z P_k for k < size: (P_{k+1} - P_{k-1}) / (2k + 1), and z + 1 for the first."""
    values = legendre(z, size + 1)
    odd = 2 * torch.arange(1, size, dtype=z.dtype) + 1
    return torch.cat(((z + 1)[..., None], (values[..., 2:] - values[..., : size - 1]) / odd), dim=-1)


def legendre_slopes(z: Float[Tensor, "*shape"], size: int) -> Float[Tensor, "*shape mode"]:
    """P_k'(z) for k < size, by P'_{k+1} = P'_{k-1} + (2k + 1) P_k."""
    values = legendre(z, size)
    columns = [torch.zeros_like(z), torch.ones_like(z)]
    for k in range(1, size - 1):
        columns.append(columns[k - 1] + (2 * k + 1) * values[..., k])
    return torch.stack(columns[:size], dim=-1)


def legendre_series(values: Float[Tensor, "*batch node"]) -> Float[Tensor, "*batch mode"]:
    """Coefficients of the polynomial that has these values at Gauss's nodes: c_k = (2k + 1)/2 Σ_j w_j f_j P_k(z_j)."""
    nodes, weights = gauss(values.shape[-1])
    scale = torch.arange(len(nodes), dtype=torch.float64) + 0.5
    return (values * weights) @ legendre(nodes, len(nodes)) * scale


def evaluate_series(
    coefficients: Float[Tensor, "row mode"], z: Float[Tensor, "row point"]
) -> Float[Tensor, "row point"]:
    """Σ_k c_k P_k(z) at points of each row's own, by Clenshaw's recurrence."""
    above, beyond = torch.zeros_like(z), torch.zeros_like(z)
    for k in range(coefficients.shape[1] - 1, 0, -1):
        factor, next_factor = (2 * k + 1) / (k + 1), (k + 1) / (k + 2)
        above, beyond = coefficients[:, k, None] + factor * z * above - next_factor * beyond, above
    return coefficients[:, :1] + z * above - 0.5 * beyond


def one_axis(domain: Domain) -> None:
    """Raise UserError for a domain that is not an interval."""
    if len(domain.axes) != 1:
        raise UserError("this function space is on an interval", got=f"axes {', '.join(domain.names)}")


def check_size(name: str, size: object, least: int = 1) -> None:
    """Raise UserError for what is no whole number of terms."""
    if isinstance(size, bool) or not isinstance(size, int) or size < least:
        raise UserError(f"{name} of a function space is no such number", got=repr(size),
                        expected=f"a whole number from {least}")  # fmt: skip


def check_positive(name: str, value: object) -> None:
    """Raise UserError for what is no positive number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise UserError(f"{name} of a function space is not positive", got=repr(value),
                        expected="a positive number")  # fmt: skip


def unit_points(domain: Domain, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point dim"]:
    """Points of a domain in units of it, float64."""
    return (points.double() - domain.lower) / domain.extent
