"""Random fields: one function on every grid, the spectrum asked for."""

import math

import pytest
import torch

from sciml.core.errors import UserError
from sciml.core.rng import generator
from sciml.core.types import Axis, Grid
from sciml.reference import band_limited_field, resample


def make_grid(*size: int) -> Grid:
    names = "zyx"[-len(size) :]
    return Grid(tuple(Axis(name, n, 0.0, 2 * math.pi) for name, n in zip(names, size, strict=True)))


def spectrum(k: torch.Tensor) -> torch.Tensor:
    return torch.exp(-(k**2) / 4)


@pytest.mark.parametrize("size", [(24,), (24, 30), (10, 12, 11)])
def test_same_function_on_every_grid(size):
    coarse = band_limited_field(make_grid(*size), spectrum, 4, generator(7))
    twice = band_limited_field(make_grid(*(2 * n for n in size)), spectrum, 4, generator(7))
    torch.testing.assert_close(twice[(slice(None, None, 2),) * len(size)], coarse, rtol=0, atol=1e-13)
    torch.testing.assert_close(resample(twice, size), coarse, rtol=0, atol=1e-13)


def test_generator_is_left_in_the_same_state_on_every_grid():
    states = []
    for points in (16, 40):
        randomness = generator(1)
        band_limited_field(make_grid(points, points), spectrum, 5, randomness)
        states.append(randomness.get_state())
    assert torch.equal(*states)


def test_every_mode_has_the_variance_asked_for():
    """1500 draws: the sample variance of a complex Gaussian coefficient is known to 2.6 %, five sigma is 13 %."""
    band, draws, randomness = 3, 1500, generator(0)
    grid = make_grid(8, 8)
    fields = torch.stack([band_limited_field(grid, spectrum, band, randomness) for _ in range(draws)])
    measured = torch.fft.fft2(fields, norm="forward").abs().square().mean(0)
    modes = torch.fft.fftfreq(8, 1 / 8, dtype=torch.float64)
    k = (modes[:, None] ** 2 + modes[None, :] ** 2).sqrt()
    inside = (torch.maximum(modes[:, None].abs(), modes[None, :].abs()) <= band) & (k > 0)
    torch.testing.assert_close(
        measured[inside] / spectrum(k[inside]), torch.ones(inside.sum(), dtype=torch.float64), rtol=0.13, atol=0
    )
    assert measured[~inside].max() < 1e-28


def test_variance_is_homogeneous():
    randomness = generator(2)
    fields = torch.stack([band_limited_field(make_grid(12, 12), spectrum, 2, randomness) for _ in range(1000)])
    variance = fields.var(0)
    assert (variance / variance.mean() - 1).abs().max() < 0.25


def test_grid_that_cannot_hold_the_band_is_refused():
    with pytest.raises(UserError, match="more than 10 points"):
        band_limited_field(make_grid(10, 10), spectrum, 5, generator(0))
