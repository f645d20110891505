"""Spherical harmonics: orthonormal, exact both ways, the Laplacian's eigenfunctions, equal to other people's."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from sciml.core.errors import UserError
from sciml.reference import SphericalHarmonics, sphere_grid

GRIDS = [(10, 16, 32, "gauss"), (10, 16, 32, "uniform"), (15, 16, 31, "uniform"), (21, 32, 64, "gauss")]


def random_modes(on, *batch, seed=0, lowest=0):
    top = on.truncation + 1
    modes = torch.randn(*batch, top, top, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))
    modes = modes * ((on.degree >= on.degree.T) & (on.degree >= lowest))
    modes[..., 0] = modes[..., 0].real.to(modes)
    return modes


def both_signs(modes):
    """Σ |f_lm|² over all m."""
    return 2 * modes.abs().square().sum() - modes[:, 0].abs().square().sum()


@pytest.mark.parametrize(("top", "latitudes", "longitudes", "nodes"), GRIDS)
def test_scalars_and_vectors_survive_the_round_trip(top, latitudes, longitudes, nodes):
    on = SphericalHarmonics(top, latitudes, longitudes, nodes=nodes)
    modes = random_modes(on, 2, 3)
    torch.testing.assert_close(on.forward(on.inverse(modes)), modes, rtol=0, atol=1e-13)
    curl, divergence = random_modes(on, 2, lowest=1), random_modes(on, 2, seed=1, lowest=1)
    again = on.forward_vector(on.inverse_vector(curl, divergence))
    torch.testing.assert_close(again, (curl, divergence), rtol=0, atol=1e-12)


@pytest.mark.parametrize("nodes", ["gauss", "uniform"])
def test_they_are_those_of_scipy_and_orthonormal(nodes):
    """SciPy's have the norm 1 over the sphere's area 4π and the sign (−1)^m."""
    on = SphericalHarmonics(6, 14, 28, nodes=nodes)
    colatitude, longitude = math.pi / 2 - on.latitude[:, None].numpy(), on.longitude.numpy()
    degrees = [(n, m) for n in range(7) for m in range(n + 1)]
    values = []
    for n, m in degrees:
        one = torch.zeros(7, 7, dtype=torch.complex128)
        one[n, m] = 1 if m == 0 else 0.5
        exact = (-1) ** m * math.sqrt(4 * math.pi) * sph_harm_y(n, m, colatitude, longitude).real
        values.append(on.inverse(one))
        np.testing.assert_allclose(values[-1].numpy(), exact, rtol=0, atol=1e-12)
    products = torch.stack([torch.stack([on.mean(a * b) for b in values]) for a in values])
    exact = torch.diag(torch.tensor([1.0 if m == 0 else 0.5 for _, m in degrees], dtype=torch.float64))
    torch.testing.assert_close(products, exact, rtol=0, atol=1e-13)


def test_the_mean_square_is_the_sum_over_coefficients():
    on = SphericalHarmonics(10, 16, 32)
    modes = random_modes(on)
    assert float(on.mean(on.inverse(modes).square())) == pytest.approx(float(both_signs(modes)), rel=1e-13)
    assert float(on.mean(on.inverse(modes))) == pytest.approx(float(modes[0, 0].real), abs=1e-14)


@pytest.mark.parametrize("nodes", ["gauss", "uniform"])
def test_the_divergence_of_a_gradient_has_the_eigenvalues_of_the_laplacian(nodes):
    """For f = sin φ cos φ cos λ, whose gradient is written down, l = 2; and for a gradient of every harmonic."""
    on = SphericalHarmonics(12, 20, 40, nodes=nodes)
    phi, lam = on.latitude[:, None], on.longitude
    f = torch.sin(phi) * torch.cos(phi) * torch.cos(lam)
    gradient = torch.stack([-torch.sin(phi) * torch.sin(lam), torch.cos(2 * phi) * torch.cos(lam)])
    curl, divergence = on.forward_vector(gradient)
    torch.testing.assert_close(on.inverse(divergence), -6 * f, rtol=0, atol=1e-12)
    assert float(curl.abs().max()) < 1e-12
    stream = torch.stack([-gradient[1], gradient[0]])  # k × ∇f has curl ∇²f
    turned, spread = on.forward_vector(stream)
    torch.testing.assert_close(on.inverse(turned), -6 * f, rtol=0, atol=1e-12)
    assert float(spread.abs().max()) < 1e-12
    assert on.minus_laplacian.flatten().tolist() == [n * (n + 1) for n in range(13)]


def test_solid_rotation_has_the_vorticity_of_the_textbook():
    on = SphericalHarmonics(5, 8, 16)
    rotation = torch.cos(on.latitude)[:, None].expand(8, 16)
    curl, divergence = on.forward_vector(torch.stack([rotation, 0 * rotation]))
    torch.testing.assert_close(on.inverse(curl), 2 * torch.sin(on.latitude)[:, None].expand(8, 16), rtol=0, atol=1e-13)
    assert float(divergence.abs().max()) < 1e-14


def test_products_are_free_of_aliasing_where_the_grid_is_fine_enough():
    coarse, fine = SphericalHarmonics(10, 16, 32), SphericalHarmonics(10, 30, 60)
    a, b = random_modes(coarse), random_modes(coarse, seed=1)
    product = coarse.forward(coarse.inverse(a) * coarse.inverse(b))
    torch.testing.assert_close(product, fine.forward(fine.inverse(a) * fine.inverse(b)), rtol=0, atol=1e-12)


def test_coefficients_are_those_of_torch_harmonics():
    stored = np.load(Path(__file__).parent / "fixtures" / "torch_harmonics_sphere.npz")
    modes = SphericalHarmonics(21, 32, 64).forward(torch.from_numpy(stored["field"]))
    theirs = torch.from_numpy(stored["modes"]) / math.sqrt(4 * math.pi)
    torch.testing.assert_close(modes, theirs, rtol=0, atol=1e-14)


def test_gradients_pass_the_transforms():
    on = SphericalHarmonics(3, 5, 8)
    field = torch.randn(5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: on.inverse(on.forward(x)), field)


def test_grids_that_do_not_hold_the_truncation_are_refused():
    for latitudes, longitudes in ((10, 64), (32, 20)):
        with pytest.raises(UserError, match="does not hold the harmonics"):
            SphericalHarmonics(10, latitudes, longitudes)
    grid = sphere_grid(4, 8)
    assert grid.axes[0].points().tolist() == [-67.5, -22.5, 22.5, 67.5]
    assert grid.periodic == (False, True)
