"""The reference: Fourier collocation on 32² points and DOP853 of SciPy at tolerances of 1e-11, with its dense output.

The plumes' Fourier coefficients fall below 1e-10 within these modes, so that values and derivatives between the points
of the grid are those of the series.
"""

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from sciml.core.types import Axis, Grid
from sciml.reference import Fourier

from .equations import END, hidden, initial, known

SIZE, STEP = 32, 0.01
"""Points per axis; longest step, a third of what is stable, so that the dense output has no noise in short waves."""
_CHUNK = 4096


@cache
def fourier(size: int) -> Fourier:
    """The transform on a grid of size² points of the unit square, y before x."""
    return Fourier(Grid((Axis("y", size, 0.0, 1.0), Axis("x", size, 0.0, 1.0))))


def points(size: int = SIZE) -> Tensor:
    """The grid's points along one axis."""
    return torch.arange(size, dtype=torch.float64) / size


def spread(c: Tensor) -> Tensor:
    """``(c, c_x, c_y, c_xx, c_yy)`` of fields ``… y x`` on the grid, ``… y x 5``."""
    transform = fourier(c.shape[-1])
    c_hat, (along_y, along_x) = transform.forward(c), transform.ik
    slopes = [c_hat * factor for factor in (along_x, along_y, along_x**2, along_y**2)]
    return torch.stack([c, *(transform.inverse(slope) for slope in slopes)], dim=-1)


@cache
def _solution(plumes: tuple[tuple[float, float, float], ...], size: int) -> Any:
    y, x = torch.meshgrid(points(size), points(size), indexing="ij")

    def rate(_: float, state: np.ndarray) -> np.ndarray:
        inputs = spread(torch.from_numpy(state).view(size, size))
        return (known(inputs) + hidden(inputs)).flatten().numpy()

    start = initial(y, x, plumes).flatten().numpy()
    solved = solve_ivp(rate, (0.0, END), start, "DOP853", dense_output=True, rtol=1e-11, atol=1e-11, max_step=STEP)
    assert solved.success
    return solved.sol


def fields(times: Tensor, plumes: tuple[tuple[float, float, float], ...], size: int = SIZE) -> Tensor:
    """``time y x`` on the grid, float64."""
    found = _solution(plumes, size)(times.double().numpy())
    return torch.from_numpy(found.T.copy()).view(len(times), size, size)


def inputs(coordinates: Tensor, plumes: tuple[tuple[float, float, float], ...], size: int = SIZE) -> Tensor:
    """``(c, c_x, c_y, c_xx, c_yy)`` at places ``(t, y, x)``, ``point 5``, by summing the Fourier series there."""
    times, rows = torch.unique(coordinates[:, 0].double(), return_inverse=True)
    c_hat = torch.fft.fft2(fields(times, plumes, size), norm="forward")
    k = 2 * math.pi * torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
    k[size // 2] = 0  # its odd derivatives are not representable
    found = []
    for place, row in zip(coordinates.double().split(_CHUNK), rows.split(_CHUNK), strict=True):
        waves_y, waves_x = (torch.exp(1j * k * at[:, None]) for at in (place[:, 1], place[:, 2]))
        parts = []
        for by_y, by_x in ((0, 0), (0, 1), (1, 0), (0, 2), (2, 0)):
            left, right = waves_y * (1j * k) ** by_y, waves_x * (1j * k) ** by_x
            parts.append(torch.einsum("pk,pkl,pl->p", left, c_hat[row], right).real)
        found.append(torch.stack(parts, dim=1))
    return torch.cat(found)
