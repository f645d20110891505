"""Split-step solution of Schrödinger equations: free packets, beams, norm, order."""

import math

import pytest
import torch

from sciml.core.errors import UserError
from sciml.core.rng import generator
from sciml.core.status import Status
from sciml.core.types import Axis, Grid
from sciml.reference import periodic_grid, split_step

RING = periodic_grid((32,), (2 * math.pi,), smallest=1)
X = RING.axes[0].points()


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def psi_of(trajectory):
    return torch.complex(trajectory.states[:, :, 0], trajectory.states[:, :, 1])


def test_free_waves_turn_at_their_own_frequency():
    initial = (torch.exp(3j * X) + 0.5 * torch.exp(-5j * X))[None]
    solved = split_step(
        initial, double(0, 2), RING, dispersion=double(0.5), potential=torch.zeros(1, 32).double(), step=0.3
    )
    exact = torch.exp(3j * X - 1j * 4.5 * 2) + 0.5 * torch.exp(-5j * X - 1j * 12.5 * 2)
    torch.testing.assert_close(psi_of(solved)[0, 1], exact, rtol=0, atol=1e-13)


def test_a_gaussian_beam_widens_as_it_should():
    """Waist w(z) = w0 √(1 + (z/z_R)²) with z_R = k w0²/2, in a box wide enough that it is alone."""
    grid = periodic_grid((96, 80), (24.0, 24.0), smallest=1)
    k, waist, z = 10.0, 1.0, 6.0
    y, x = (axis.points() - 12 for axis in grid.axes)
    radius = y[:, None] ** 2 + x**2
    solved = split_step(
        torch.exp(-radius / waist**2)[None] + 0j, double(0, z), grid, dispersion=double(1 / (2 * k)),
        potential=torch.zeros(1, 96, 80).double(), step=1.0,
    )  # fmt: skip
    intensity = psi_of(solved)[0, 1].abs().square()
    width = 2 * float(((radius * intensity).sum() / intensity.sum()).sqrt() / math.sqrt(2))
    assert width == pytest.approx(waist * math.sqrt(1 + (z / (k * waist**2 / 2)) ** 2), rel=1e-9)


def random_case(batch=2):
    noise = torch.randn(2, batch, 7, dtype=torch.float64, generator=generator(0))
    modes = torch.arange(-3, 4, dtype=torch.float64)
    psi = (torch.complex(noise[0], noise[1])[:, :, None] * torch.exp(1j * modes[:, None] * X)).sum(1)
    return psi / psi.abs().square().mean(1, keepdim=True).sqrt(), (torch.cos(2 * X) * double(1, 3)[:, None])


def run(step, interaction=True):
    psi, potential = random_case()
    strength = double(1.0, 0.5) if interaction else None
    return psi_of(
        split_step(
            psi,
            double(0, 0.3, 1),
            RING,
            dispersion=double(0.5, 0.5),
            potential=potential,
            interaction=strength,
            step=step,
        )
    )


@pytest.mark.parametrize("interaction", [False, True])
def test_the_norm_is_exact_and_the_order_is_four(interaction):
    steps = (0.02, 0.01, 0.005)
    runs, truth = [run(step, interaction) for step in steps], run(0.001, interaction)[:, -1]
    for psi in runs:
        assert (psi.abs().square().mean(-1) - 1).abs().max() < 1e-12
    errors = double(*(float((psi[:, -1] - truth).norm()) for psi in runs))
    assert (errors.log().diff() / -math.log(2) - 4).abs().max() < 0.2


def test_a_row_that_is_not_finite_is_a_status_and_the_others_are_not_touched():
    psi, potential = random_case()
    broken = psi.clone()
    broken[0, 3] = math.nan
    options = {"dispersion": double(0.5, 0.5), "potential": potential, "step": 0.1}
    solved = split_step(broken, double(0, 1), RING, **options)
    assert solved.status.tolist() == [Status.DIVERGED, Status.OK]
    assert solved.states[0].isnan().all()
    torch.testing.assert_close(solved.states[1], split_step(psi, double(0, 1), RING, **options).states[1])


def test_walls_and_times_that_do_not_increase_are_refused():
    psi, potential = random_case()
    options = {"dispersion": double(0.5, 0.5), "potential": potential, "step": 0.1}
    with pytest.raises(UserError, match="must increase"):
        split_step(psi, double(1, 1), RING, **options)
    with pytest.raises(UserError, match="periodic along every axis"):
        split_step(psi, double(0, 1), Grid((Axis("x", 32, 0.0, 1.0, "wall"),)), **options)


def test_fields_and_steps_that_do_not_fit_are_refused():
    psi, potential = random_case()
    options = {"dispersion": double(0.5, 0.5), "potential": potential}
    for step in (0.0, -0.1, math.inf, math.nan):
        with pytest.raises(UserError, match="time step must be positive"):
            split_step(psi, double(0, 1), RING, step=step, **options)
    with pytest.raises(UserError, match=r"ψ does not fit the grid.*\(2, 32\)"):
        split_step(psi[:, :16], double(0, 1), RING, step=0.1, **options)
    with pytest.raises(UserError, match="must be complex"):
        split_step(psi.real, double(0, 1), RING, step=0.1, **options)
    with pytest.raises(UserError, match=r"resonates.*0\.04909"):
        split_step(psi, double(0, 1), RING, step=0.05, interaction=double(0, 1), **options)
    split_step(psi, double(0, 1), RING, step=0.05, interaction=double(0, 0), **options)  # nobody interacts
