"""Fourier series on periodic grids: exact derivatives, dealiasing, resampling."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.core.rng import generator
from sciml.core.types import Axis, Grid
from sciml.reference import Fourier, band_limited_field, resample


def make_grid(*size: int) -> Grid:
    """A box whose sides differ, so that swapped axes do not go unnoticed."""
    names = "zyx"[-len(size) :]
    return Grid(
        tuple(Axis(name, n, 0.0, 2 * math.pi * (i + 1)) for i, (name, n) in enumerate(zip(names, size, strict=True)))
    )


def meshgrid(grid: Grid) -> tuple[torch.Tensor, ...]:
    return torch.meshgrid(*(axis.points() for axis in grid.axes), indexing="ij")


@pytest.mark.parametrize("size", [(16,), (15,), (16, 20), (15, 18), (8, 10, 9)])
def test_derivative_is_exact_for_resolved_modes(size):
    grid = make_grid(*size)
    fourier = Fourier(grid)
    for axis, x in enumerate(meshgrid(grid)):
        k = 3 * 2 * math.pi / grid.axes[axis].extent
        derivative = fourier.derivative(torch.sin(k * x + 0.3), axis)
        torch.testing.assert_close(derivative, k * torch.cos(k * x + 0.3), rtol=0, atol=1e-12)


def test_derivative_of_the_nyquist_mode_vanishes():
    grid = make_grid(16)
    wave = torch.cos(8 * grid.axes[0].points())
    assert Fourier(grid).derivative(wave, 0).abs().max() < 1e-13


def test_k_squared_is_the_laplacian():
    grid = make_grid(12, 16)
    fourier = Fourier(grid)
    y, x = meshgrid(grid)
    u = torch.sin(2 * y) * torch.cos(1.5 * x)
    torch.testing.assert_close(
        fourier.inverse(-fourier.k_squared * fourier.forward(u)), -(4 + 2.25) * u, rtol=0, atol=1e-12
    )


@given(st.lists(st.integers(3, 12), min_size=1, max_size=3), st.integers(0, 10))
@settings(max_examples=25, deadline=None)
def test_transform_round_trip(size, seed):
    u = torch.randn(2, *size, dtype=torch.float64, generator=generator(seed))
    fourier = Fourier(make_grid(*size))
    torch.testing.assert_close(fourier.inverse(fourier.forward(u)), u, rtol=0, atol=1e-13)


@pytest.mark.parametrize("size", [(24, 24), (20, 26)])
def test_products_of_resolved_modes_are_not_aliased(size):
    """The resolved part of a product equals that of the product taken on a grid twice as fine."""
    grid, fine = make_grid(*size), make_grid(*(2 * n for n in size))
    fourier = Fourier(grid)

    def truncate(u):
        return fourier.inverse(fourier.forward(u) * fourier.resolved)

    a, b = (truncate(torch.randn(size, dtype=torch.float64, generator=generator(0, i))) for i in range(2))
    exact = truncate(resample(resample(a, fine.size) * resample(b, fine.size), size))
    assert (truncate(a * b) - exact).abs().max() < 1e-13
    full = torch.randn(size, dtype=torch.float64, generator=generator(1))
    aliased = truncate(full * full) - truncate(resample(resample(full, fine.size) ** 2, size))
    assert aliased.abs().max() > 1e-3


def test_resolved_modes_form_a_disc_of_two_thirds():
    fourier = Fourier(Grid((Axis("y", 48, 0.0, 1.0), Axis("x", 48, 0.0, 1.0))))
    assert fourier.k_max < 2 * math.pi * 16 <= fourier.k_max + 2 * math.pi
    share = fourier.resolved[:, 1:-1].double().mean() * (46 / 2) / 24
    assert abs(float(share) - math.pi / 9) < 0.02


@pytest.mark.parametrize("size", [(24,), (24, 30), (12, 10, 14)])
def test_truncated_spectra_agree_on_the_resolved_modes(size):
    grid = make_grid(*size)
    full, truncated = Fourier(grid), Fourier(grid, truncate=True)
    columns = truncated.resolved.shape[-1]
    assert columns < full.resolved.shape[-1]
    assert not full.resolved[..., columns:].any()
    u_hat = full.forward(torch.randn(2, *size, dtype=torch.float64, generator=generator(5))) * full.resolved
    u = full.inverse(u_hat)
    torch.testing.assert_close(truncated.forward(u), u_hat[..., :columns], rtol=0, atol=1e-15)
    torch.testing.assert_close(truncated.inverse(u_hat[..., :columns]), u, rtol=0, atol=1e-14)
    for axis in range(len(size)):
        torch.testing.assert_close(truncated.derivative(u, axis), full.derivative(u, axis), rtol=0, atol=1e-13)


@given(st.integers(5, 16), st.integers(5, 16), st.integers(0, 12), st.integers(0, 12))
@settings(max_examples=25, deadline=None)
def test_resampling_to_a_finer_grid_and_back_is_exact(height, width, more_height, more_width):
    field = band_limited_field(make_grid(height, width), torch.ones_like, 2, generator(3))
    finer = resample(field[None], (height + more_height, width + more_width))
    torch.testing.assert_close(resample(finer, (height, width))[0], field, rtol=0, atol=1e-13)


def test_resampling_interpolates_exactly():
    coarse, fine = make_grid(10, 12), make_grid(21, 16)

    def function(grid):
        y, x = meshgrid(grid)
        return 1 + torch.cos(4 * y) * torch.sin(2 * x + 0.5)

    torch.testing.assert_close(resample(function(coarse), fine.size), function(fine), rtol=0, atol=1e-13)


def test_walls_are_refused():
    with pytest.raises(UserError, match="periodic along every axis"):
        Fourier(Grid((Axis("x", 8, 0.0, 1.0, boundary="wall"),)))
