"""The flow in the cavity by Newton's method: polynomials for the smooth lid, finite differences for the plain one."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.polynomial import Chebyshev, Polynomial
from torch import Tensor

ORDER, CELLS = 32, 128
"""Polynomials per axis for the smooth lid; cells per axis for the plain one."""
_TOLERANCE = 1e-11  # of Newton's step


def smooth(points: Tensor, reynolds: float, *, order: int = ORDER) -> Tensor:
    """ψ at points ``point 2``, float64.

    ψ = y² (y - 1) lid(x) + Σ c_ij B_i(x) B_j(y) with B_i(s) = s² (1 - s)² T_i(2 s - 1) meets all conditions; the
    equation is collocated at the zeros of the next Chebyshev polynomial.
    """
    coefficients, basis, (lift_x, lift_y) = _polynomials(reynolds, order)
    x, y = points.double().numpy().T
    values = ((_table(basis, x, 0) @ coefficients) * _table(basis, y, 0)).sum(1) + lift_x(x) * lift_y(y)
    return torch.from_numpy(values)[:, None]


def plain(points: Tensor, reynolds: float, *, cells: int = CELLS) -> Tensor:
    """ψ at points ``point 2``, float64: second-order differences, extrapolated from two grids, joined by splines."""
    from scipy.interpolate import RectBivariateSpline  # takes a second to load

    line = np.linspace(0, 1, cells // 2 + 1)
    x, y = points.double().numpy().T
    psi = (4 * _differences(reynolds, cells)[::2, ::2] - _differences(reynolds, cells // 2)) / 3
    return torch.from_numpy(RectBivariateSpline(line, line, psi, kx=5, ky=5).ev(x, y))[:, None]


@lru_cache(maxsize=4)
def _polynomials(reynolds: float, order: int) -> Any:
    lid = Polynomial([0, 0, 16, -32, 16])
    lift_y = Polynomial([0, 0, -1, 1])
    bubble = Polynomial([0, 0, 1, -2, 1]).convert(kind=Chebyshev, domain=[0, 1])
    basis = [bubble * Chebyshev.basis(i, domain=[0, 1]) for i in range(order)]
    nodes = 0.5 - 0.5 * np.cos(np.pi * (np.arange(order) + 0.5) / order)
    along = [_table(basis, nodes, k) for k in range(5)]
    lifts_x, lifts_y = ([p.deriv(k)(nodes) if k else p(nodes) for k in range(5)] for p in (lid, lift_y))

    def derivative(c: np.ndarray, i: int, j: int) -> np.ndarray:
        return along[i] @ c @ along[j].T + np.outer(lifts_x[i], lifts_y[j])

    def part(i: int, j: int) -> np.ndarray:
        return np.kron(along[i], along[j])

    third_x, third_y = part(3, 0) + part(1, 2), part(2, 1) + part(0, 3)
    fourth = (part(4, 0) + 2 * part(2, 2) + part(0, 4)) / reynolds
    c = np.zeros((order, order))
    for _ in range(30):
        psi_x, psi_y = derivative(c, 1, 0).ravel(), derivative(c, 0, 1).ravel()
        turn_x = (derivative(c, 3, 0) + derivative(c, 1, 2)).ravel()
        turn_y = (derivative(c, 2, 1) + derivative(c, 0, 3)).ravel()
        decay = (derivative(c, 4, 0) + 2 * derivative(c, 2, 2) + derivative(c, 0, 4)).ravel() / reynolds
        residual = psi_y * turn_x - psi_x * turn_y - decay
        slope = turn_x[:, None] * part(0, 1) + psi_y[:, None] * third_x
        slope -= turn_y[:, None] * part(1, 0) + psi_x[:, None] * third_y + fourth
        step = np.linalg.solve(slope, -residual).reshape(order, order)
        c += step
        if np.abs(step).max() < _TOLERANCE * max(1.0, np.abs(c).max()):
            break
    return c, basis, (lid, lift_y)


def _table(basis: list[Chebyshev], s: np.ndarray, order: int) -> np.ndarray:
    return np.stack([(p.deriv(order) if order else p)(s) for p in basis], axis=1)


@lru_cache(maxsize=4)
def _differences(reynolds: float, cells: int) -> np.ndarray:
    """ψ on the lattice; ghost points beyond the walls carry the condition on the slope."""
    from scipy.sparse import csr_matrix, diags, identity, kron  # take a second to load
    from scipy.sparse.linalg import spsolve

    n, h = cells - 1, 1 / cells
    one = identity(n, format="csr")
    first = diags([-1.0, 1.0], [-1, 1], shape=(n, n)) / (2 * h)
    second = diags([1.0, -2.0, 1.0], [-1, 0, 1], shape=(n, n)) / h**2
    third, fourth = (csr_matrix(_with_ghosts(offsets, n)) for offsets in ((-1, 2, 0, -2, 1), (1, -4, 6, -4, 1)))
    third, fourth = third / (2 * h**3), fourth / h**4
    top = np.zeros((n, n))
    top[:, -1] = 2 * h  # what the lid adds to the ghost points above it
    lid_third, lid_fourth = top.ravel() / (2 * h**3), top.ravel() / h**4
    dx, dy = kron(first, one, "csr"), kron(one, first, "csr")
    turn_x = kron(third, one, "csr") + kron(first, second, "csr")
    turn_y = kron(second, first, "csr") + kron(one, third, "csr")
    decay = (kron(fourth, one, "csr") + 2 * kron(second, second, "csr") + kron(one, fourth, "csr")) / reynolds
    psi = np.zeros(n * n)
    for _ in range(30):
        psi_x, psi_y, of_x, of_y = dx @ psi, dy @ psi, turn_x @ psi, turn_y @ psi + lid_third
        residual = psi_y * of_x - psi_x * of_y - decay @ psi - lid_fourth / reynolds
        slope = diags(of_x) @ dy + diags(psi_y) @ turn_x - diags(of_y) @ dx - diags(psi_x) @ turn_y - decay
        step = spsolve(slope.tocsc(), -residual)
        psi += step
        if np.abs(step).max() < _TOLERANCE:
            break
    return np.pad(psi.reshape(n, n), 1)


def _with_ghosts(offsets: tuple[int, ...], n: int) -> np.ndarray:
    """A stencil of five points on interior points, ψ = 0 on walls and equal on both sides of them."""
    matrix = np.zeros((n, n))
    for row in range(n):
        for shift, weight in zip(range(-2, 3), offsets, strict=True):
            column = row + shift
            if column == -2:
                column = 0
            elif column == n + 1:
                column = n - 1
            if 0 <= column < n:
                matrix[row, column] += weight
    return matrix


GHIA_U = (
    (0.0547, -0.03717), (0.0625, -0.04192), (0.0703, -0.04775), (0.1016, -0.06434), (0.1719, -0.10150),
    (0.2813, -0.15662), (0.4531, -0.21090), (0.5000, -0.20581), (0.6172, -0.13641), (0.7344, 0.00332),
    (0.8516, 0.23151), (0.9531, 0.68717), (0.9609, 0.73722), (0.9688, 0.78871), (0.9766, 0.84123),
)  # fmt: skip
"""(y, u) on the vertical line through the centre at Re = 100, table I of Ghia, Ghia and Shin (1982)."""
GHIA_V = (
    (0.0625, 0.09233), (0.0703, 0.10091), (0.0781, 0.10890), (0.0938, 0.12317), (0.1563, 0.16077),
    (0.2266, 0.17507), (0.2344, 0.17527), (0.5000, 0.05454), (0.8047, -0.24533), (0.8594, -0.22445),
    (0.9063, -0.16914), (0.9453, -0.10313), (0.9531, -0.08864), (0.9609, -0.07391), (0.9688, -0.05906),
)  # fmt: skip
"""(x, v) on the horizontal line through the centre, table II."""
