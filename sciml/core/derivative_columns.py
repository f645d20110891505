"""Derivatives of values on a regular grid along one axis, with the boundary conditions of the equation."""

import math
from collections.abc import Mapping
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.domain import Condition, Coordinate
from sciml.core.errors import UserError


def differentiate(
    values: Float[Tensor, "batch *space"],
    order: int,
    dim: int,
    axis: Coordinate,
    walls: Mapping[str, Condition],
) -> Float[Tensor, "batch *space"]:
    """The first or second derivative along an axis.

    Along a periodic axis by the Fourier series. Else by differences of fourth order on the inner points of a grid
    whose ends have given values: beyond a wall the solution is continued as odd about its value there, which is exact
    for an equation that has no curvature at the wall.

    Arguments:
        values: on the grid; a periodic axis without its upper end, another one without both ends.
        order: 1 or 2.
        dim: the dimension of the axis in `values`.
        axis: its ends, and whether it is periodic.
        walls: the conditions on its ends, by side.

    Raises: UserError for an axis that is neither periodic nor has a fixed number on both ends.
    """
    along = values.movedim(dim, -1)
    derivative = _fourier(along, order, axis) if axis.periodic else _differences(along, order, axis, walls)
    return derivative.movedim(-1, dim)


def _fourier(values: Tensor, order: int, axis: Coordinate) -> Tensor:
    size = values.shape[-1]
    factor = _wave_numbers(size, axis.extent, order).to(values.device)
    return torch.fft.irfft(torch.fft.rfft(values) * factor, n=size)


@lru_cache
def _wave_numbers(size: int, extent: float, order: int) -> Tensor:
    """``(i k)^order`` of every mode."""
    mode = torch.fft.rfftfreq(size, 1 / size, dtype=torch.float64)
    mode = mode.masked_fill(2 * mode.abs() == size, 0)  # a derivative of the Nyquist mode is not representable
    return (1j * mode * (2 * math.pi / extent)) ** order


def _differences(values: Tensor, order: int, axis: Coordinate, walls: Mapping[str, Condition]) -> Tensor:
    low, high = (_wall_value(walls.get(side), axis, side) for side in ("lower", "upper"))
    spacing = axis.extent / (values.shape[-1] + 1)
    ends = values.new_ones(*values.shape[:-1], 1)
    p = torch.cat([2 * low - values[..., :1], low * ends, values, high * ends, 2 * high - values[..., -1:]], dim=-1)
    if order == 1:
        return (p[..., :-4] - 8 * p[..., 1:-3] + 8 * p[..., 3:-1] - p[..., 4:]) / (12 * spacing)
    outer = -p[..., :-4] + 16 * p[..., 1:-3] - 30 * p[..., 2:-2] + 16 * p[..., 3:-1] - p[..., 4:]
    return outer / (12 * spacing * spacing)


def _wall_value(condition: Condition | None, axis: Coordinate, side: str) -> float:
    try:
        if condition is None or condition.order:
            raise TypeError
        return float(condition.value)
    except TypeError:
        raise UserError(
            f"an equation cannot be simulated with this condition at the {side} end of {axis.name!r}",
            got="no condition" if condition is None else f"{condition} = {condition.value}",
            expected="a periodic axis, or a fixed number on both ends",
        ) from None
