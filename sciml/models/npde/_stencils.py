"""Finite differences along one axis: central stencils of orders 2 to 8, and what stands beyond the boundary."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

Boundary = Literal["periodic", "neumann", "dirichlet", "zero"]
"""Beyond the edge: the other end; the mirror image (no flux through the wall); the mirror image with the other sign (0
at the wall); zeros (0 at the first point outside, the padding of convolutions)."""

_FIRST = {
    2: (1 / 2,),
    4: (2 / 3, -1 / 12),
    6: (3 / 4, -3 / 20, 1 / 60),
    8: (4 / 5, -1 / 5, 4 / 105, -1 / 280),
}
_SECOND = {
    2: (-2.0, 1.0),
    4: (-5 / 2, 4 / 3, -1 / 12),
    6: (-49 / 18, 3 / 2, -3 / 20, 1 / 90),
    8: (-205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560),
}


def stencil(order: int, accuracy: int) -> tuple[float, ...]:
    """Weights of the first or second derivative on unit spacing, from left to right."""
    if order == 1:
        right = _FIRST[accuracy]
        return (*(-w for w in reversed(right)), 0.0, *right)
    middle, *right = _SECOND[accuracy]
    return (*reversed(right), middle, *right)


def padded(values: Inexact[Tensor, "*shape"], dim: int, width: int, boundary: Boundary) -> Inexact[Tensor, "*wider"]:
    """The values with `width` points more on both sides along a dimension."""
    size = values.shape[dim]
    low, high = values.narrow(dim, 0, width), values.narrow(dim, size - width, width)
    if boundary == "periodic":
        return torch.cat((high, values, low), dim)
    if boundary == "zero":
        none = torch.zeros_like(low)
        return torch.cat((none, values, none), dim)
    sign = 1 if boundary == "neumann" else -1
    return torch.cat((sign * low.flip(dim), values, sign * high.flip(dim)), dim)


def applied(wide: Inexact[Tensor, "*wider"], dim: int, weights: tuple[float, ...]) -> Inexact[Tensor, "*shape"]:
    """A stencil at every point of values that were padded by half its width."""
    size = wide.shape[dim] - len(weights) + 1
    parts = [w * wide.narrow(dim, i, size) for i, w in enumerate(weights) if w]
    return torch.stack(parts).sum(0) if len(parts) > 3 else sum(parts[1:], parts[0])


def derivative(
    values: Inexact[Tensor, "*shape"], dim: int, order: int, *, spacing: float, accuracy: int, boundary: Boundary
) -> Inexact[Tensor, "*shape"]:
    """The first or second derivative along a dimension."""
    weights = tuple(w / spacing**order for w in stencil(order, accuracy))
    return applied(padded(values, dim, len(weights) // 2, boundary), dim, weights)


def second_derivative_matrix(size: int, *, spacing: float, accuracy: int, boundary: Boundary) -> Float[Tensor, "n n"]:
    """The second derivative as a matrix, which is symmetric under all boundary conditions; float64."""
    eye = torch.eye(size, dtype=torch.float64)
    return derivative(eye, 1, 2, spacing=spacing, accuracy=accuracy, boundary=boundary).T


def kernel_matrix(size: int, *, spacing: float, length: float, kernel: str, periodic: bool) -> Float[Tensor, "n n"]:
    """K of a non-local term times the spacing, with rows that sum to 1 far from a boundary; float64."""
    place = torch.arange(size, dtype=torch.float64) * spacing
    distance = (place[:, None] - place).abs()
    if periodic:
        distance = torch.minimum(distance, size * spacing - distance)
    if kernel == "gaussian":
        return torch.exp(-(distance**2) / (2 * length**2)) * spacing / (length * math.sqrt(2 * math.pi))
    return torch.exp(-distance / length) * spacing / (2 * length)
