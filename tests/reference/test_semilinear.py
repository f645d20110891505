"""Exponential Runge-Kutta methods and the pseudo-spectral solvers made of them: exactness, order, conservation."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sciml.core.errors import UserError
from sciml.core.rng import generator
from sciml.core.status import Status
from sciml.reference import (
    ETDRK4,
    IFRK4,
    Fourier,
    SemiImplicitRK3,
    Semilinear,
    Velocity,
    band_limited_field,
    curl,
    evolve_semilinear,
    evolve_vorticity,
    over_space,
    periodic_grid,
    solenoidal,
    velocity_of,
)

METHODS = [IFRK4, ETDRK4]
TAU = 2 * math.pi


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def relative(a, b):
    return float((a - b).norm() / b.norm())


def random_vorticity(grid, count=1, seed=0):
    flows = [
        band_limited_field(grid, lambda k: k**4 * torch.exp(-(k**2) / 2), 5, generator(seed, i)) for i in range(count)
    ]
    return torch.stack([flow / velocity_of(flow, grid).square().sum(0).mean().sqrt() for flow in flows])


class AdvectionDiffusion(Semilinear):
    """``u_t + c u_x = D u_xx`` on one axis; only what L cannot hold is left to N: with split=True the advection."""

    def __init__(self, split):
        self.split = split

    def linear(self, fourier, params):
        diffusion = -over_space(params["diffusion"], fourier) * fourier.k_squared
        return diffusion + 0j if self.split else diffusion - over_space(params["speed"], fourier) * fourier.ik[-1]

    def nonlinear(self, u_hat, fourier, params):
        return -over_space(params["speed"], fourier) * fourier.ik[-1] * u_hat if self.split else 0 * u_hat

    def largest_step(self, u, fourier, params):
        return torch.full_like(params["speed"], 0.1)


def advect(grid, split, method, step_factor=1.0):
    (axis,) = grid.axes
    params = {"diffusion": double(0.02, 0.2), "speed": double(1.0, -0.5)}

    def exact(t):
        x = axis.points()
        decay = torch.exp(-params["diffusion"] * 9 * t)[:, None]
        return (decay * torch.sin(3 * (x - params["speed"][:, None] * t)))[:, None]

    solved = evolve_semilinear(
        AdvectionDiffusion(split), params, exact(0.0), double(0, 1.0), grid, method=method, step_factor=step_factor
    )
    return relative(solved.states[:, -1], exact(1.0))


@pytest.mark.parametrize("method", METHODS)
def test_heat_and_advection_are_exact_where_they_are_linear(method):
    assert advect(periodic_grid((24,), (TAU,), smallest=1), split=False, method=method) < 1e-13


@pytest.mark.parametrize("method", [*METHODS, SemiImplicitRK3])
def test_the_order_in_time_is_the_one_claimed(method):
    errors = [advect(periodic_grid((24,), (TAU,), smallest=1), True, method, factor) for factor in (1.0, 0.5, 0.25)]
    slopes = double(*errors).log().diff() / -math.log(2)
    assert (slopes - method.order).abs().max() < 0.25


@pytest.mark.parametrize("z", [1e-9, 1e-3, -1e-3j, -30.0, 0.5 + 2j])
def test_the_coefficients_are_the_functions_of_the_paper(z):
    """For N constant in time one step must be ``e^z u + h φ₁(z) N`` with φ₁ = (e^z − 1)/z, however small z is."""
    import cmath

    phi = (cmath.exp(z) - 1) / z if abs(z) > 1e-2 else sum(z**n / math.factorial(n + 1) for n in range(8))
    linear = torch.tensor([[z]], dtype=torch.complex128)
    dt = torch.ones(1, 1, dtype=torch.float64)
    stepped = ETDRK4(linear)(lambda y: torch.full_like(y, 2.0), torch.full((1, 1), 3.0 + 0j).to(linear), dt)
    assert abs(complex(stepped) - (3 * cmath.exp(z) + 2 * phi)) < 1e-13


def test_only_the_exponential_differences_keep_a_fixed_point():
    """u' = −50 u + 50 at its rest state with a large step: the integrating factor drifts off."""
    linear, dt = double(-50.0)[:, None], torch.ones(1, 1, dtype=torch.float64) * 0.2
    rest = torch.ones(1, 1, dtype=torch.complex128)
    moved = [abs(complex(m(linear)(lambda y: 50 * torch.ones_like(y), rest, dt)) - 1) for m in METHODS]
    assert moved[1] < 1e-13 < 1e-2 < moved[0]


@pytest.mark.parametrize("method", METHODS)
def test_plane_taylor_green_vortices_decay_exactly(method):
    grid = periodic_grid((32, 20), (TAU, TAU), smallest=1)  # neither square nor a power of two
    y, x = torch.meshgrid(*(axis.points() for axis in grid.axes), indexing="ij")
    initial = torch.stack([2 * torch.sin(x) * torch.sin(y)] * 2)
    solved = evolve_vorticity(initial, double(0, 2), grid, viscosity=double(0.05, 0.2), drag=0.1, method=method)
    decay = torch.exp(-2 * (2 * double(0.05, 0.2) + 0.1))
    assert relative(solved.states[:, -1, 0], decay[:, None, None] * initial) < 1e-12


@pytest.mark.parametrize("flow", ["decaying", "driven"])
def test_two_units_of_time_are_those_of_exponax(flow):
    """Kolmogorov's force with drag, or none; exponax drops other modes of products, which is what differs."""
    stored = np.load(Path(__file__).parent / "fixtures" / "exponax_vorticity.npz")
    begin, theirs = torch.from_numpy(stored["initial"]), torch.from_numpy(stored[flow])
    grid = periodic_grid((64, 64), (TAU, TAU), smallest=1)
    force = (-4 * torch.cos(4 * grid.axes[1].points())).expand(64, 64) if flow == "driven" else None
    solved = evolve_vorticity(
        begin[None], double(0, 2), grid, viscosity=0.05, drag=0.1 if flow == "driven" else 0.0, forcing=force,
        step_factor=0.5,
    )  # fmt: skip
    ours = solved.states[0, -1, 0]
    assert float((ours - theirs).norm() / theirs.norm()) < {"decaying": 2e-7, "driven": 3e-6}[flow]
    assert float((begin - theirs).norm() / theirs.norm()) > 0.5


def test_vorticity_has_order_four_in_time():
    grid = periodic_grid((32, 32), (TAU, TAU), smallest=1)
    initial, options = random_vorticity(grid), {"viscosity": 0.01}
    truth = evolve_vorticity(initial, double(0, 1), grid, step_factor=0.15, **options).states[:, -1]
    runs = [evolve_vorticity(initial, double(0, 1), grid, step_factor=f, **options) for f in (2.0, 1.0, 0.5)]
    errors = double(*(relative(run.states[:, -1], truth) for run in runs))
    steps = torch.cat([run.stats["steps"] for run in runs]).double()
    assert (errors.log().diff() / -steps.log().diff() - 4).abs().max() < 0.4


def test_energy_and_enstrophy_are_conserved_without_viscosity():
    grid = periodic_grid((32, 32), (TAU, TAU), smallest=1)
    initial = random_vorticity(grid, 2)
    states = evolve_vorticity(initial, double(0, 1), grid, viscosity=0.0, step_factor=0.25).states[:, :, 0]
    initial = states[:, 0]
    assert float(initial.mean((-2, -1)).abs().max()) < 1e-14
    for value in (lambda w: w.square().mean((-2, -1)), lambda w: velocity_of(w, grid).square().sum(1).mean((-2, -1))):
        assert (value(states[:, 1]) / value(initial) - 1).abs().max() < 1e-7
    assert states[:, 1].mean((-2, -1)).abs().max() < 1e-14
    assert relative(states[:, 1], initial) > 0.1


def test_a_laminar_kolmogorov_flow_is_steady():
    """``ω = −F k cos(k y) / (ν k² + α)`` balances force, viscosity and drag, and advects nothing."""
    grid = periodic_grid((16, 16), (TAU, TAU), smallest=1)
    y = grid.axes[0].points()[:, None].expand(16, 16)
    forcing = -4 * 0.3 * torch.cos(4 * y)
    steady = forcing / (0.05 * 16 + 0.1)
    options = {"viscosity": 0.05, "drag": 0.1, "forcing": forcing, "method": ETDRK4}
    solved = evolve_vorticity(steady[None], double(0, 0.25), grid, **options)
    torch.testing.assert_close(solved.states[0, 1, 0], steady, rtol=0, atol=1e-12)


def test_the_step_follows_a_flow_that_a_force_sets_up_from_rest():
    """One output time far away: the step is asked again on the way, so the answer agrees with a fine run."""
    grid = periodic_grid((16, 16), (TAU, TAU), smallest=1)
    y = grid.axes[0].points()[:, None].expand(16, 16)
    initial = 1e-3 * random_vorticity(grid)
    options = {"viscosity": 0.05, "forcing": 8 * torch.cos(2 * y)}
    run = evolve_vorticity(initial, double(0, 3), grid, **options)
    fine = evolve_vorticity(initial, double(0, 3), grid, step_factor=0.25, **options)
    assert run.status.tolist() == [Status.OK]
    assert relative(run.states[:, 1], fine.states[:, 1]) < 1e-3


def test_rows_with_steps_of_their_own_do_not_influence_each_other():
    grid = periodic_grid((16, 16), (TAU, TAU), smallest=1)
    initial = random_vorticity(grid, 3) * double(0.2, 1.0, 3.0)[:, None, None]
    initial[1] = math.nan
    for method in METHODS:
        viscosity = double(0.01, 0.1, 0.1)
        all_rows = evolve_vorticity(initial, double(0, 1), grid, viscosity=viscosity, method=method)
        alone = evolve_vorticity(initial[2:], double(0, 1), grid, viscosity=0.1, method=method)
        assert all_rows.status.tolist() == [Status.OK, Status.DIVERGED, Status.OK]
        assert all_rows.stats["steps"][0] < all_rows.stats["steps"][2] == alone.stats["steps"][0]
        torch.testing.assert_close(all_rows.states[2], alone.states[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("factor", [0.0, -1.0, 5.0, math.inf])
def test_factors_that_break_the_bound_of_the_step_are_refused(factor):
    grid = periodic_grid((16, 16), (TAU, TAU), smallest=1)
    with pytest.raises(UserError, match="unstable or none"):
        evolve_vorticity(torch.zeros(1, 16, 16).double(), double(0, 1), grid, viscosity=0.1, step_factor=factor)


def test_flows_that_make_no_sense_are_refused():
    grid = periodic_grid((16, 16), (TAU, TAU), smallest=1)
    initial = random_vorticity(grid)
    with pytest.raises(UserError, match="viscosity"):
        evolve_vorticity(initial, double(0, 1), grid, viscosity=-0.1)
    with pytest.raises(UserError, match="drag"):
        evolve_vorticity(initial, double(0, 1), grid, viscosity=0.1, drag=double(0.1, 0.2))
    with pytest.raises(UserError, match="has a mean"):
        evolve_vorticity(initial + 1, double(0, 1), grid, viscosity=0.1)
    with pytest.raises(UserError, match="does not lie on the grid"):
        evolve_vorticity(initial[:, :8], double(0, 1), grid, viscosity=0.1)
    with pytest.raises(UserError, match="doubly periodic plane"):
        evolve_vorticity(initial, double(0, 1), periodic_grid((16,), (TAU,), smallest=1), viscosity=0.1)
    with pytest.raises(UserError, match="must increase"):
        evolve_vorticity(initial, double(1, 0), grid, viscosity=0.1)


# --- three dimensions -------------------------------------------------------------------------------------------------

CUBE = periodic_grid((12, 16, 10), (TAU, TAU, TAU), smallest=1)
Z, Y, X = torch.meshgrid(*(axis.points() for axis in CUBE.axes), indexing="ij")


@pytest.mark.parametrize(("flow", "rate"), [("beltrami", 1.0), ("plane", 2.0)])
def test_exact_flows_in_a_cube_decay_exactly(flow, rate):
    """Arnold-Beltrami-Childress flow is its own curl, so u × ω vanishes; plane vortices do not see the third axis."""
    if flow == "beltrami":
        parts = (Z.sin() + 0.7 * Y.cos(), 0.4 * X.sin() + Z.cos(), 0.7 * Y.sin() + 0.4 * X.cos())
    else:
        parts = (X.sin() * Y.cos(), -X.cos() * Y.sin(), torch.zeros_like(X))
    initial = torch.stack(parts)[None]
    if flow == "beltrami":
        torch.testing.assert_close(curl(initial, CUBE), initial, rtol=0, atol=1e-13)
    solved = evolve_semilinear(Velocity(), {"viscosity": double(0.3)}, initial, double(0, 1), CUBE)
    torch.testing.assert_close(solved.states[:, 1], math.exp(-0.3 * rate) * initial, rtol=0, atol=1e-12)


def test_energy_and_helicity_are_conserved_without_viscosity():
    noise = torch.stack([band_limited_field(CUBE, lambda k: torch.exp(-k), 2, generator(5, i)) for i in range(3)])
    initial = solenoidal(noise[None], CUBE)
    truncated = Fourier(CUBE)
    initial = truncated.inverse(truncated.forward(initial) * truncated.resolved)
    initial = initial / initial.square().sum(1).mean().sqrt()
    solved = evolve_semilinear(
        Velocity(), {"viscosity": double(0.0)}, initial, double(0, 0.5), CUBE, step_factor=0.25
    ).states
    assert relative(solved[:, 1], initial) > 0.05
    for value in (lambda u: u.square().sum(1).mean(), lambda u: (u * curl(u, CUBE)).sum(1).mean()):
        assert float((value(solved[:, 1]) / value(solved[:, 0]) - 1).abs()) < 1e-6
    fourier = Fourier(CUBE)
    divergence = sum(fourier.derivative(solved[:, 1, c], 2 - c) for c in range(3))
    assert divergence.abs().max() < 1e-12
