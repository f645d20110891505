"""The problems with spectral references: exact limits, budgets, known statistics, the same state on every grid."""

import importlib
import math

import pytest
import torch

from sciml.core import registry
from sciml.core.errors import UserError
from sciml.core.rng import generator
from sciml.reference import Fourier

TINY = {
    "navier_stokes_vorticity": (20, 24),
    "reaction_diffusion": (50,),
    "gray_scott": (9, 12),
    "schroedinger": (64,),
    "paraxial_beam": (32, 36),
    "kuramoto_sivashinsky_1d": (48,),
    "navier_stokes_taylor_green_3d": (8, 9, 10),
}
"""Problems and a small grid of each, not square where there is more than one axis."""


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def module(problem, name):
    return importlib.import_module(f"sciml_problems.{problem}.{name}")


def draw(problem, size, count=1, seed=0):
    grid, params, states = problem.grid(size), [], []
    for index in range(count):
        randomness = generator(seed, index)
        params.append(problem.draw(randomness))
        states.append(problem.initial(params[-1], grid, randomness))
    return grid, {name: torch.stack([p[name] for p in params]) for name in params[0]}, torch.stack(states)


@pytest.mark.parametrize("name", TINY)
def test_equal_seeds_give_the_same_function_on_every_grid(name):
    problem = registry.problem(name)
    coarse = draw(problem, TINY[name])[2]
    fine = draw(problem, tuple(2 * n for n in TINY[name]))[2]
    every_other = (..., *(slice(None, None, 2) for _ in TINY[name]))
    torch.testing.assert_close(fine[every_other], coarse, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", TINY)
def test_grids_that_do_not_hold_the_initial_state_are_refused(name):
    problem = registry.problem(name)
    for size in ((4,) * len(TINY[name]), (*TINY[name], 64), ()):
        with pytest.raises(UserError, match="holds its initial states"):
            problem.grid(size)


@pytest.mark.parametrize("name", ["navier_stokes_vorticity", "gray_scott", "navier_stokes_taylor_green_3d"])
def test_solutions_are_shifted_with_their_initial_states(name):
    """By whole points of the stored grid, along the axes on which the equation does not depend."""
    problem = registry.problem(name)
    grid, params, initial = draw(problem, TINY[name])
    times = double(0, 0.1) * (100 if name == "gray_scott" else 1)
    shifted = problem.simulate(params, initial.roll(3, -1), times, grid).states
    expected = problem.simulate(params, initial, times, grid).states.roll(3, -1)
    torch.testing.assert_close(shifted, expected, rtol=0, atol=1e-9)


# --- reaction and diffusion -------------------------------------------------------------------------------------------


IMPOSSIBLE = {
    "navier_stokes_smoke": ((16, 16), "viscosity"),
    "navier_stokes_vorticity": ((20, 24), "drag"),
    "navier_stokes_taylor_green_3d": ((8, 9, 10), "viscosity"),
    "navier_stokes_compressible": ((16, 20), "viscosity"),
    "shallow_water_dam_break": ((16, 16), "outer_depth"),
    "shallow_water_sphere": ((48, 96), "depth"),
    "kuramoto_sivashinsky_1d": ((48,), "viscosity"),
    "reaction_diffusion": ((50,), "diffusion"),
    "gray_scott": ((9, 12), "feed"),
    "schroedinger": ((64,), "depth"),
    "paraxial_beam": ((32, 36), "wavenumber"),
}
"""A small grid of each flow, and a parameter that cannot be negative."""


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_parameters_that_cannot_be_are_refused(name):
    size, parameter = IMPOSSIBLE[name]
    problem = registry.problem(name)
    grid, params, initial = draw(problem, size, count=2)
    params[parameter] = params[parameter] * double(1.0, -1.0)
    with pytest.raises(UserError, match="cannot have this value") as caught:
        problem.simulate(params, initial, double(0, 0.1), grid)
    assert f"{parameter} = -" in str(caught.value) and "in row 1" in str(caught.value)


def test_a_velocity_with_divergence_is_refused_where_none_can_be():
    problem = registry.problem("navier_stokes_taylor_green_3d")
    grid, params, initial = draw(problem, (8, 9, 10))
    problem.simulate(params, initial.float().double(), double(0, 0.1), grid)  # rounding is not divergence
    with pytest.raises(UserError, match="has divergence"):
        problem.simulate(params, initial.roll(1, 1), double(0, 0.1), grid)


def test_a_uniform_population_grows_logistically():
    problem = registry.problem("reaction_diffusion")
    grid = problem.grid((50,))
    params = {"diffusion": double(0.05, 0.05), "rate": double(0.5, 2.0)}
    start = double(0.1, 0.4)
    states = problem.simulate(params, start[:, None, None].expand(2, 1, 50), double(0, 1, 3), grid).states
    growth = torch.exp(params["rate"][:, None] * double(0, 1, 3))
    exact = start[:, None] * growth / (1 + start[:, None] * (growth - 1))
    torch.testing.assert_close(states.mean((2, 3)), exact, rtol=2e-6, atol=0)


def test_fronts_run_at_the_speed_of_fisher():
    """The exact front of Ablowitz and Zeppetella, ``(1 + e^s)⁻²`` with speed 5/√6 √(r D), once each way."""
    problem, equations = registry.problem("reaction_diffusion"), module("reaction_diffusion", "equations")
    grid, diffusion, rate = problem.grid((256,)), 0.002, 1.0
    x, speed = grid.axes[0].points(), 5 / math.sqrt(6) * math.sqrt(rate * diffusion)

    def front(t):
        scale = math.sqrt(rate / (6 * diffusion))
        right = (1 + torch.exp(scale * (x - 4 - speed * t))) ** -2
        left = (1 + torch.exp(scale * (2 - x - speed * t))) ** -2
        return right * left

    params = {"diffusion": double(diffusion), "rate": double(rate)}
    states = problem.simulate(params, front(0.0)[None, None], double(0, 4), grid).states
    assert equations.EXTENT > 6
    assert (states[0, 1, 0] - front(4.0)).abs().max() < 1e-3


def test_substrate_without_catalyst_relaxes_exactly():
    problem = registry.problem("gray_scott")
    grid = problem.grid((9, 9))
    params = {"feed": double(0.03, 0.05), "kill": double(0.06, 0.06)}
    initial = torch.zeros(2, 2, 9, 9).double()
    initial[:, 0] = 0.2
    states = problem.simulate(params, initial, double(0, 40), grid).states
    exact = 1 - 0.8 * torch.exp(-40 * params["feed"])
    torch.testing.assert_close(states[:, 1, 0].mean((-2, -1)), exact, rtol=1e-12, atol=0)
    assert (states[:, :, 1] == 0).all()


# --- waves and chaos --------------------------------------------------------------------------------------------------


def test_packets_keep_norm_and_energy():
    problem = registry.problem("schroedinger")
    grid, params, initial = draw(problem, (64,), 3)
    states = problem.simulate(params, initial, 0.1 * torch.arange(4).double(), grid).states
    drifts = [
        float((values / values[:, :1] - 1).abs().max())
        for values in (invariant.compute(states, params, grid) for invariant in problem.invariants)
    ]
    assert drifts[0] < 1e-12
    assert drifts[1] < 1e-5


KS = registry.problem("kuramoto_sivashinsky_1d")
KS_EQUATION = module("kuramoto_sivashinsky_1d", "equations").KuramotoSivashinskyEquation()


def test_small_waves_grow_as_the_dispersion_relation_says():
    grid = KS.grid((48,))
    k = 2 * math.pi / grid.axes[0].extent * double(3, 6, 8, 11)
    initial = 1e-8 * torch.cos(k[:, None] * grid.axes[0].points())[:, None]
    viscosity = double(0.8, 1.0, 1.2, 1.0)
    states = KS.simulate({"viscosity": viscosity}, initial, double(0, 2), grid).states
    growth = torch.exp(2 * (k**2 - viscosity * k**4))
    torch.testing.assert_close(states[:, 1], growth[:, None, None] * initial, rtol=0, atol=1e-14)


def test_the_energy_of_waves_obeys_its_budget():
    """``d⟨u²⟩/dt = 2⟨u_x²⟩ − 2ν⟨u_xx²⟩``, by Simpson's rule over a short time."""
    grid, params, initial = draw(KS, (128,), 2)
    fourier, step = Fourier(grid), 0.01
    states = KS.simulate(params, initial, step * torch.arange(3).double(), grid).states[:, :, 0]
    slope, bend = fourier.derivative(states, 0), fourier.derivative(fourier.derivative(states, 0), 0)
    rate = 2 * slope.square().mean(-1) - 2 * params["viscosity"][:, None] * bend.square().mean(-1)
    gain = step / 3 * (rate[:, 0] + 4 * rate[:, 1] + rate[:, 2])
    energy = states.square().mean(-1)
    torch.testing.assert_close(energy[:, 2] - energy[:, 0], gain, rtol=1e-5, atol=1e-8)


@pytest.mark.slow
def test_the_lyapunov_exponent_is_the_published_one():
    """0.048 on a ring of length 22 (Cvitanović, Davidchack and Siminos 2010), from two runs that are kept close."""
    from sciml.reference import evolve_semilinear, periodic_grid

    grid, batch, distance, interval, rounds = periodic_grid((32,), (22.0,), smallest=1), 16, 1e-7, 5.0, 130
    params = {"viscosity": torch.ones(2 * batch, dtype=torch.float64)}
    state = torch.randn(batch, 1, 32, dtype=torch.float64, generator=generator(1))
    state = state - state.mean(-1, keepdim=True)
    growths = []
    other = state + distance * torch.roll(state, 1, 0)
    for _ in range(rounds):
        gap = other - state
        other = state + distance * gap / gap.norm(dim=-1, keepdim=True)
        run = evolve_semilinear(
            KS_EQUATION, params, torch.cat([state, other]), double(0, interval), grid, step_factor=2.0
        ).states[:, -1]
        state, other = run.split(batch)
        growths.append(((other - state).norm(dim=-1) / distance).log().mean() / interval)
    exponent = float(torch.stack(growths[30:]).mean())
    assert exponent == pytest.approx(0.048, abs=0.008)


# --- flows ------------------------------------------------------------------------------------------------------------


def test_enstrophy_falls_without_a_force_and_the_force_feeds_the_flow():
    problem, equations = registry.problem("navier_stokes_vorticity"), module("navier_stokes_vorticity", "equations")
    grid, params, initial = draw(problem, (20, 20), 2)
    params = {**params, "forcing": double(0.0, 0.0), "drag": double(0.0, 0.0)}
    times = double(0, 0.2, 0.4)
    free = equations.enstrophy(problem.simulate(params, initial, times, grid).states, params, grid)
    assert (free.diff(dim=1) < 0).all()
    pushed = problem.simulate({**params, "forcing": double(0.5, 0.5)}, 0 * initial, times, grid).states
    y = grid.axes[0].points()
    rate = params["viscosity"][:, None] * 16
    exact = -4 * 0.5 * torch.cos(4 * y) * ((1 - torch.exp(-0.4 * rate)) / rate)[..., None]
    torch.testing.assert_close(pushed[:, -1, 0, :, 0], exact[:, 0], rtol=1e-6, atol=1e-7)


def test_vortex_stretching_raises_enstrophy_and_viscosity_takes_energy_at_its_rate():
    """``dE/dt = −ν ⟨ω²⟩`` by Simpson's rule, for the same stored states."""
    from sciml.reference import curl

    problem = registry.problem("navier_stokes_taylor_green_3d")
    grid, params, initial = draw(problem, (16, 16, 16))
    step = 0.05
    states = problem.simulate(params, initial, step * torch.arange(3).double(), grid).states[0]
    energy = states.square().sum(1).mean((-3, -2, -1)) / 2
    loss = params["viscosity"] * curl(states, grid).square().sum(1).mean((-3, -2, -1))
    assert float(energy[2] - energy[0]) == pytest.approx(float(-step / 3 * (loss[0] + 4 * loss[1] + loss[2])), rel=1e-4)
