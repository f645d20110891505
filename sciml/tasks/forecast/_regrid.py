"""Fields on coarser and finer grids of the same domain, as accurately as the points allow."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.types import Axis, Grid


def regrid(states: Float[Tensor, "..."], source: Grid, target: Grid) -> Float[Tensor, "..."]:
    """Values at the points of another grid, along the last axes, float64.

    A periodic axis goes by trigonometric interpolation: exact where the coarser grid resolves the field, cut off at its
    highest mode where not. On others values are means over cells: they are averaged where cells are whole multiples,
    and else, and towards finer cells, interpolated by a cubic spline through the centres.
    """
    values = states.double()
    for i, (old, new) in enumerate(zip(source.axes, target.axes, strict=True)):
        axis = i - len(source.axes)
        values = torch.movedim(torch.movedim(values, axis, -1) @ torch.from_numpy(_matrix(old, new)).T, -1, axis)
    return values


def _matrix(old: Axis, new: Axis) -> np.ndarray:
    if old.size == new.size:
        return np.eye(old.size)
    if old.periodic:
        kept = min(old.size, new.size)
        modes = np.fft.rfft(np.eye(old.size), axis=0)[: (kept - 1) // 2 + 1]
        return np.fft.irfft(modes, n=new.size, axis=0) * (new.size / old.size)
    if old.size % new.size == 0:
        return np.kron(np.eye(new.size), np.full((1, old.size // new.size), new.size / old.size))
    from scipy.interpolate import CubicSpline  # takes a second to load, and few grids need it

    spline = CubicSpline(old.points().numpy(), np.eye(old.size), axis=0)
    return spline(new.points().numpy())
