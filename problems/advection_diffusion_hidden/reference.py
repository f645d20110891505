"""The reference: Fourier collocation on 32² points and DOP853 of SciPy at tolerances of 1e-11, with its dense output.

The plumes' Fourier coefficients fall below 1e-10 within these modes, so that values and derivatives between the points
of the grid are those of the series.
"""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from sciml.core.expressions import Evaluator
from sciml.core.rate_equation import RateEquation
from sciml.reference import DenseTrajectories

from .equations import END, STARTS, Plumes, initial_plumes, statement

SIZE, STEP = 32, 0.01
"""Points per axis; longest step, a third of what is stable, so that the dense output has no noise in short waves."""
_CHUNK = 4096


def points(size: int = SIZE) -> Tensor:
    """The grid's points along one axis."""
    return torch.arange(size, dtype=torch.float64) / size


@cache
def _trajectories(size: int) -> DenseTrajectories:
    """By plumes, as flattened fields on a grid of size² points."""
    equation = RateEquation(statement(STARTS[0]))
    y, x = (axis.flatten() for axis in torch.meshgrid(points(size), points(size), indexing="ij"))

    def rate(state: np.ndarray) -> np.ndarray:
        columns = equation.table(torch.from_numpy(state).view(1, 1, size, size)).view(size * size, -1)
        hidden = equation.hidden(columns)
        assert hidden is not None
        return (equation.known(y.new_zeros(len(y)), columns) + hidden).flatten().numpy()

    def start(plumes: Plumes) -> np.ndarray:
        return Evaluator([initial_plumes(plumes)])({"x": x, "y": y}, x)[:, 0].numpy()

    return DenseTrajectories(rate, start, END, rtol=1e-11, atol=1e-11, max_step=STEP)


def fields(times: Tensor, plumes: Plumes, size: int = SIZE) -> Tensor:
    """``time y x`` on the grid, float64."""
    return _trajectories(size).states(plumes, times).view(len(times), size, size)


def values(coordinates: Tensor, plumes: Plumes, size: int = SIZE) -> Tensor:
    """c at ``(t, y, x)``, ``point 1``, by summing the Fourier series there; differentiable in space."""
    times, rows = torch.unique(coordinates.detach()[:, 0].double(), return_inverse=True)
    c_hat = torch.fft.fft2(fields(times, plumes, size), norm="forward")
    k = 2 * math.pi * torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
    k[size // 2] = 0  # its odd derivatives are not representable
    sums = []
    for block, row in zip(coordinates.double().split(_CHUNK), rows.split(_CHUNK), strict=True):
        waves_y, waves_x = (torch.exp(1j * k * at[:, None]) for at in (block[:, 1], block[:, 2]))
        sums.append(torch.einsum("pk,pkl,pl->p", waves_y, c_hat[row], waves_x).real)
    return torch.cat(sums)[:, None]
