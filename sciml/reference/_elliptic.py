"""Steady diffusion with a variable coefficient on a square lattice, by finite volumes."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError


def steady_diffusion(
    coefficient: Float[Tensor, "batch y x"], source: Float[Tensor, "batch y x"], spacing: tuple[float, float]
) -> Float[Tensor, "batch y x"]:
    """u with -∇·(a ∇u) = f and u = 0 on the boundary, float64.

    Unknowns are at the nodes of a lattice with its ends, a volume around each inner one. The flux through the face
    between two nodes is that of two half cells in series, so a is averaged harmonically; it is exact in one dimension
    for any a that is constant around nodes. Order 2 for smooth a, between 1 and 2 where a jumps across cells.

    Arguments:
        coefficient: a > 0 at the nodes.
        source: f at the nodes.
        spacing: distances of nodes along y and x.

    Raises: UserError for a coefficient that is not positive.

    Reference: S. V. Patankar, Numerical Heat Transfer and Fluid Flow (1980), section 4.2-3.
    """
    if not bool((coefficient > 0).all()):
        raise UserError("the coefficient of diffusion is not positive", got=float(coefficient.min()))
    batch, rows, columns = coefficient.shape
    if min(rows, columns) < 3:
        raise UserError("a lattice needs an inner node", got=f"{rows} x {columns} nodes")
    from scipy.linalg import solveh_banded

    solution = torch.zeros(batch, rows, columns, dtype=torch.float64)
    a, f = coefficient.double().cpu().numpy(), source.double().cpu().numpy()
    for i in range(batch):
        inner = solveh_banded(_bands(a[i], spacing), f[i, 1:-1, 1:-1].ravel(), lower=True, check_finite=False)
        solution[i, 1:-1, 1:-1] = torch.from_numpy(inner).view(rows - 2, columns - 2)
    return solution.to(coefficient.device)


def _bands(a: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """The lower bands of the symmetric matrix, as SciPy stores them; unknowns row by row."""
    along_y = 2 * a[:-1, 1:-1] * a[1:, 1:-1] / (a[:-1, 1:-1] + a[1:, 1:-1]) / spacing[0] ** 2
    along_x = 2 * a[1:-1, :-1] * a[1:-1, 1:] / (a[1:-1, :-1] + a[1:-1, 1:]) / spacing[1] ** 2
    width = a.shape[1] - 2
    bands = np.zeros((width + 1, (a.shape[0] - 2) * width))
    bands[0] = (along_y[:-1] + along_y[1:] + along_x[:, :-1] + along_x[:, 1:]).ravel()
    right = -along_x[:, 1:]
    right[:, -1] = 0.0  # the neighbour is the boundary, not the first node of the next row
    bands[1] += right.ravel()
    bands[width, : -width or None] += -along_y[1:-1].ravel()
    return bands


def interpolate(
    values: Float[Tensor, "batch *lattice"], unit: Float[Tensor, "point dim"]
) -> Float[Tensor, "batch point"]:
    """Multilinear interpolation of values on a lattice of the unit box, its ends included; exact at the nodes.

    Arguments:
        values: on the lattice, the axes in the order of the columns of `unit`.
        unit: points in [0, 1].
    """
    sizes = values.shape[1:]
    result = values.new_zeros(len(values), len(unit))
    places = unit.to(values.dtype) * (torch.tensor(sizes, dtype=values.dtype) - 1)
    places = torch.where((places - places.round()).abs() < 1e-9 * max(sizes), places.round(), places)
    low = torch.minimum(places.floor(), torch.tensor(sizes, dtype=values.dtype) - 2).clamp_min(0)
    share = places - low
    for corner in range(2 ** len(sizes)):
        upper = [(corner >> axis) & 1 for axis in range(len(sizes))]
        weight = torch.stack([share[:, i] if up else 1 - share[:, i] for i, up in enumerate(upper)]).prod(0)
        index = tuple((low[:, i].long() + up).clamp_max(sizes[i] - 1) for i, up in enumerate(upper))
        result += weight * values[(slice(None), *index)]
    return result
