"""Compressible flow by finite volumes against exact Riemann solutions, a vortex, waves, and what is conserved."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from sciml.core.errors import UserError
from sciml.core.status import Status
from sciml.core.types import Axis, Grid
from sciml.reference import CompressibleFlow, evolve_compressible, integrate, rkl2, ssp_rk2

DOUBLE = torch.float64


def line(points, *, lower=0.0, upper=1.0, boundary="periodic"):
    return Grid((Axis("x", points, lower, upper, boundary),))


def plane(ny, nx, boundary="periodic", extent=1.0):
    return Grid((Axis("y", ny, 0.0, extent, boundary), Axis("x", nx, 0.0, extent, boundary)))


def centres(axis):
    return axis.lower + (torch.arange(axis.size, dtype=DOUBLE) + 0.5) * axis.spacing


def final(initial, end, flow, pieces=8):
    solved = evolve_compressible(initial, [0.0, end], flow, longest=end / pieces)
    assert (solved.status == Status.OK).all()
    return solved.states[:, -1]


def riemann(s, left, right, gamma):
    """The exact solution (ρ, u, p) at x/t = s between two states without a vacuum (Toro 2009, chapter 4)."""

    def branch(p, state):  # how far the velocity changes up to a middle pressure p
        rho, _, p0 = state
        if p > p0:
            return (p - p0) * math.sqrt(2 / (rho * ((gamma + 1) * p + (gamma - 1) * p0)))
        return 2 * math.sqrt(gamma * p0 / rho) / (gamma - 1) * ((p / p0) ** ((gamma - 1) / (2 * gamma)) - 1)

    p = brentq(lambda p: branch(p, left) + branch(p, right) + right[1] - left[1], 1e-8, 1e3, xtol=1e-14)
    u = (left[1] + right[1] + branch(p, right) - branch(p, left)) / 2

    def side(s, state):  # seen from the left; the right side is its mirror
        rho, u0, p0 = state
        c, ratio = math.sqrt(gamma * p0 / rho), (gamma - 1) / (gamma + 1)
        middle = u if state is left else -u
        if p > p0:
            speed = u0 - c * math.sqrt((gamma + 1) / (2 * gamma) * p / p0 + (gamma - 1) / (2 * gamma))
            dense = rho * (p / p0 + ratio) / (ratio * p / p0 + 1)
            return np.where((s < speed)[..., None], [rho, u0, p0], [dense, middle, p])
        thin = rho * (p / p0) ** (1 / gamma)
        head, tail = u0 - c, middle - math.sqrt(gamma * p / thin)
        sound = 2 / (gamma + 1) * c + ratio * (u0 - s)
        fan = np.stack([rho * np.abs(sound / c) ** (2 / (gamma - 1)), s + sound,
                        p0 * np.abs(sound / c) ** (2 * gamma / (gamma - 1))], axis=-1)  # fmt: skip
        outer = np.where((s < head)[..., None], [rho, u0, p0], fan)
        return np.where((s > tail)[..., None], [thin, middle, p], outer)

    mirrored = side(-s, (right[0], -right[1], right[2])) * [1, -1, 1]
    return np.where((s < u)[..., None], side(s, left), mirrored)


SOD = ((1.0, 0.0, 1.0), (0.125, 0.0, 0.1), 0.2)
LAX = ((0.445, 0.698, 3.528), (0.5, 0.0, 0.571), 0.13)


def test_the_exact_solution_has_the_published_middle_states():
    """Toro (2009), table 4.2, test 1: p = 0.30313, u = 0.92745, ρ = 0.42632 and 0.26557."""
    left, right = riemann(np.array([0.9, 0.95]), *SOD[:2], 1.4)
    np.testing.assert_allclose(left, [0.42632, 0.92745, 0.30313], atol=6e-6)
    np.testing.assert_allclose(right, [0.26557, 0.92745, 0.30313], atol=6e-6)


def tube_error(points, left, right, end, across=None):
    """Mean of |ρ − exact| in a tube, along x or, in the plane, along y."""
    grid = line(points, boundary="open")
    x = centres(grid.axes[0])
    states = torch.tensor([left, right], dtype=DOUBLE)
    start = torch.where(x < 0.5, states[0, :, None], states[1, :, None])
    if across:
        grid = Grid((Axis("y", points, 0.0, 1.0, "open"), Axis("x", across, 0.0, 1.0)))
        start = torch.stack([start[0], 0 * x, start[1], start[2]])[..., None].expand(4, points, across)
    density = final(start[None], end, CompressibleFlow(grid, gamma=1.4))[0, 0]
    samples = (x[:, None] + grid.axes[0].spacing * (torch.arange(16) - 7.5) / 16 - 0.5) / end
    exact = torch.from_numpy(riemann(samples.numpy(), left, right, 1.4)[..., 0].mean(1))
    return float((density - (exact[:, None] if across else exact)).abs().mean())


@pytest.mark.parametrize(("tube", "largest"), [(SOD, 5e-3), (LAX, 2e-2)], ids=["sod", "lax"])
def test_shock_tubes_agree_with_the_exact_solution(tube, largest):
    errors = [tube_error(points, *tube) for points in (100, 200, 400)]
    assert errors[0] < largest
    assert all(late < early / 1.5 for early, late in pairwise(errors))


def test_a_tube_along_the_other_axis_is_the_same():
    assert tube_error(100, *SOD, across=2) < 5e-3


def vortex(grid, gamma, end):
    """An isentropic vortex carried by the flow (1, 0.5), at points; Yee, Sandham and Djomehri (1999)."""
    y, x = (centres(axis) for axis in grid.axes)
    size = grid.axes[0].extent
    dy = (y[:, None] - 0.5 * end + size / 2) % size - size / 2
    dx = (x - end + size / 2) % size - size / 2
    swirl = 5 / (2 * math.pi) * torch.exp((1 - dx**2 - dy**2) / 2)
    temperature = 1 - (gamma - 1) / (2 * gamma) * swirl**2
    density = temperature ** (1 / (gamma - 1))
    return torch.stack([density, 1 - swirl * dy, 0.5 + swirl * dx, density * temperature])[None]


def test_an_isentropic_vortex_moves_with_second_order():
    errors = []
    for points in (32, 64):
        grid = Grid((Axis("y", points, -5.0, 5.0), Axis("x", points, -5.0, 5.0)))
        end = final(vortex(grid, 1.4, 0.0), 2.0, CompressibleFlow(grid, gamma=1.4), pieces=1)
        errors.append(float((end - vortex(grid, 1.4, 2.0))[0, 0].abs().mean()))
    assert errors[0] < 5e-3
    assert math.log2(errors[0] / errors[1]) > 1.9


def test_an_entropy_wave_is_carried_with_second_order():
    """Density a sine, velocity and pressure the same everywhere, half around; they stay the same."""
    errors = []
    for points in (32, 64, 128):
        grid = line(points)
        wave = 1 + 0.2 * torch.sin(2 * math.pi * centres(grid.axes[0]))
        start = torch.stack([wave, torch.ones_like(wave), torch.ones_like(wave)])[None]
        end = final(start, 0.5, CompressibleFlow(grid), pieces=1)
        torch.testing.assert_close(end[:, 1:], start[:, 1:], rtol=0, atol=1e-12)
        errors.append(float((end[:, 0] - start[:, 0].roll(points // 2, -1)).abs().mean()))
    orders = [math.log2(early / late) for early, late in pairwise(errors)]
    assert min(orders) > 1.8
    assert errors[0] < 0.01


def rough(grid, seed=0, rows=2):
    """Random values per cell: a shock on every face."""
    generator = torch.Generator().manual_seed(seed)
    dims = len(grid.axes)
    state = torch.rand(rows, dims + 2, *grid.size, dtype=DOUBLE, generator=generator) + 0.2
    state[:, 1:-1] = 2 * (state[:, 1:-1] - 0.7)
    return state


@pytest.mark.parametrize("size", [(24,), (10, 14), (4, 5, 6)])
def test_mass_momentum_and_energy_are_conserved(size):
    """Viscous and not, on one to three axes; densities and pressures stay positive."""
    grid = Grid(tuple(Axis(name, n, 0.0, 1.0) for name, n in zip("zyx"[-len(size) :], size, strict=True)))
    start = rough(grid)
    flow = CompressibleFlow(
        grid, viscosity=torch.tensor([0.0, 0.02]), bulk_viscosity=torch.tensor([0.0, 0.01], dtype=DOUBLE)
    )
    end = final(start, 0.2, flow)
    before, after = (flow.to_conserved(state).flatten(2).mean(2) for state in (start, end))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-13)
    assert float((end - start).abs().max()) > 0.2
    assert float(end[:, (0, -1)].min()) > 0


def test_walls_keep_mass_and_energy():
    grid = plane(10, 12, "wall")
    start = rough(grid)
    flow = CompressibleFlow(grid, viscosity=torch.tensor([0.0, 0.02]))
    before, after = (flow.to_conserved(state).mean((2, 3)) for state in (start, final(start, 0.2, flow)))
    torch.testing.assert_close(after[:, (0, -1)], before[:, (0, -1)], rtol=0, atol=1e-13)


def test_strong_jumps_stay_positive():
    """Mach 3 towards each other and apart, and a pressure ratio of 10⁵."""
    grid = line(64, boundary="open")
    x = centres(grid.axes[0])
    one, sign = torch.ones_like(x), torch.sign(x - 0.5)
    starts = torch.stack([
        torch.stack([one, -3 * sign, one / 1.4]),
        torch.stack([one, 1.5 * sign, one / 1.4]),
        torch.stack([one, 0 * x, torch.where(x < 0.5, 1e3, 1e-2)]),
    ])  # fmt: skip
    end = final(starts, 0.01, CompressibleFlow(grid, gamma=1.4))
    assert float(end[:, (0, -1)].min()) > 0


def test_uniform_flow_and_a_resting_contact_stay_as_they_are():
    grid = plane(8, 12)
    flow = CompressibleFlow(grid, viscosity=torch.full((2,), 0.01))
    start = torch.tensor([[1.3, 0.7, -0.4, 2.0], [1.0, 0.0, 0.0, 1.0]], dtype=DOUBLE)[..., None, None].repeat(
        1, 1, 8, 12
    )
    start[1, 0, :, 3:7] = 5.0
    torch.testing.assert_close(final(start, 0.5, flow), start, rtol=0, atol=1e-13)


def test_both_axes_and_both_directions_are_alike():
    grid = plane(12, 12)
    flow = CompressibleFlow(grid, viscosity=torch.full((2,), 0.01))
    start = rough(grid)
    end = final(start, 0.1, flow)
    swap, sign = [0, 2, 1, 3], torch.tensor([1.0, -1.0, 1.0, 1.0], dtype=DOUBLE)[:, None, None]
    turned = final(start[:, swap].transpose(2, 3), 0.1, flow)
    torch.testing.assert_close(turned[:, swap].transpose(2, 3), end, rtol=0, atol=1e-12)
    mirrored = final((sign * start).flip(3), 0.1, flow)
    torch.testing.assert_close((sign * mirrored).flip(3), end, rtol=0, atol=1e-12)


@pytest.mark.parametrize("along", [-1, -2])
def test_shear_decays_by_viscosity(along):
    """A weak shear wave in a gas of density 2 falls as exp(−(η/ρ) k² t); the error is of second order."""
    viscosity, density, errors = torch.tensor([0.05, 0.02], dtype=DOUBLE), 2.0, []
    exact = torch.exp(-viscosity / density * (2 * math.pi) ** 2)
    for points in (16, 32):
        grid = plane(points, 4) if along == -2 else plane(4, points)
        phase = 2 * math.pi * centres(grid.axes[along])
        wave = 1e-4 * (torch.sin(phase)[:, None] if along == -2 else torch.sin(phase)).expand(grid.size)
        start = torch.full((2, 4, *grid.size), density, dtype=DOUBLE)
        start[:, 1:3] = 0
        start[:, 1 if along == -2 else 2] = wave
        end = final(start, 1.0, CompressibleFlow(grid, viscosity=viscosity), pieces=1)
        left = (end[:, 1 if along == -2 else 2] * wave).sum((1, 2)) / wave.square().sum()
        errors.append(float((left / exact - 1).abs().max()))
    assert errors[1] < 0.02
    assert math.log2(errors[0] / errors[1]) > 1.7


def test_sound_is_damped_by_both_viscosities():
    """A standing wave of sound falls as exp(−(4η/3 + ζ)/(2ρ) k² t)."""
    eta, zeta = torch.tensor([0.01, 0.0], dtype=DOUBLE), torch.tensor([0.0, 0.01], dtype=DOUBLE)
    grid = line(64)
    wave = 1e-4 * torch.sin(2 * math.pi * centres(grid.axes[0]))
    start = torch.ones(2, 3, 64, dtype=DOUBLE)
    start[:, 1], start[:, 2] = wave, 1 / 1.4
    end = final(start, 2.0, CompressibleFlow(grid, gamma=1.4, viscosity=eta, bulk_viscosity=zeta), pieces=1)
    left = (end[:, 1] * wave).sum(1) / wave.square().sum()
    exact = torch.exp(-(4 / 3 * eta + zeta) / 2 * (2 * math.pi) ** 2 * 2.0)
    torch.testing.assert_close(left, exact, rtol=0.03, atol=0)


def smooth(grid):
    """Waves of density, velocity and pressure along and across the axes."""
    x, y = (2 * math.pi * centres(axis) for axis in reversed(grid.axes))
    y = y[:, None]
    density, pressure = 1 + 0.2 * torch.sin(x + y), 0.6 + 0.1 * torch.cos(x - 2 * y)
    u, v = 0.5 * torch.sin(y) + 0 * x, 0.5 * torch.cos(x) + 0.3 * torch.sin(2 * x) + 0 * y
    return torch.stack([density, u, v, pressure])


def test_strong_viscosity_takes_the_steps_of_waves_with_second_order():
    """A row that is split off beside one that is not; against explicit steps, of which it would need many more."""
    grid = plane(16, 16)
    start, eta = smooth(grid).expand(2, -1, -1, -1), torch.tensor([1e-3, 0.2], dtype=DOUBLE)
    flow = CompressibleFlow(grid, viscosity=eta, bulk_viscosity=eta)
    exact = integrate(
        flow.tendency,
        flow.to_conserved(start),
        [0.0, 0.04],
        largest_step=lambda state: 1 / flow.largest_rate(state) / 2,
        is_admissible=flow.is_admissible,
        observe=flow.to_primitive,
        method=ssp_rk2,
    )
    errors = []
    for pieces in (8, 16):
        solved = evolve_compressible(start, [0.0, 0.04], flow, longest=0.04 / pieces)
        assert solved.stats["steps"].tolist() == [pieces, pieces]
        errors.append((solved.states[:, -1] - exact.states[:, -1]).flatten(1).norm(dim=1))
    assert int(exact.stats["steps"][1]) > 60
    relative = errors[0] / exact.states[:, -1].flatten(1).norm(dim=1)
    assert float(relative.max()) < 5e-4
    assert float((errors[0] / errors[1])[1]) > 3
    totals = flow.to_conserved(solved.states[:, -1]).mean((2, 3))
    torch.testing.assert_close(totals, flow.to_conserved(start).mean((2, 3)), rtol=1e-13, atol=1e-14)
    alone = CompressibleFlow(grid, viscosity=eta[:1], bulk_viscosity=eta[:1])
    assert torch.equal(
        evolve_compressible(start[:1], [0.0, 0.04], alone, longest=0.04 / 16).states[0], solved.states[0]
    )


@pytest.mark.parametrize("rate", [3.0, 300.0])
def test_super_time_steps_have_order_two_for_diffusion_of_any_strength(rate):
    """Decay of a cosine with ``exp(−rate t)`` of its grid's exact discrete eigenvalue."""
    x = 2 * math.pi * torch.arange(64, dtype=DOUBLE) / 64
    wave, spacing = torch.cos(x)[None, None], 2 * math.pi / 64

    def diffusion(u):
        return rate * (u.roll(1, -1) - 2 * u + u.roll(-1, -1)) / spacing**2

    exact = math.exp(-rate * (2 - 2 * math.cos(spacing)) / spacing**2 * 2 / rate)
    errors = []
    for count in (8, 16):
        step = torch.full((1, 1, 1), 2 / rate / count, dtype=DOUBLE)
        stages = torch.tensor([int(math.sqrt(4 * float(step) * 2 * rate / spacing**2)) // 2 * 2 + 3])
        u = wave
        for _ in range(count):
            u = rkl2(diffusion, u, step, stages)
        errors.append(abs(float(u[0, 0, 0]) - exact))
        assert float(u.abs().max()) <= 1
    assert errors[0] < 2e-3
    assert math.log2(errors[0] / errors[1]) > 1.8


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own compiler
def test_a_compiled_right_hand_side_gives_the_same_answer():
    grid = plane(8, 8)
    flow, start = CompressibleFlow(grid, viscosity=torch.full((2,), 1e-3, dtype=DOUBLE)), rough(grid)
    plain, compiled = (evolve_compressible(start, [0.0, 0.05], flow, compiled=choice) for choice in (False, True))
    torch.testing.assert_close(compiled.states, plain.states, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("channel", "name"), [(0, "density"), (-1, "pressure")])
@pytest.mark.parametrize("value", [0.0, -0.1])
def test_a_density_or_pressure_that_is_not_positive_is_refused(channel, name, value):
    grid = plane(6, 6)
    start = rough(grid)
    start[1, channel, 2, 3] = value
    with pytest.raises(UserError, match=rf"initial {name} is not positive .*{value:g} in row 1"):
        evolve_compressible(start, [0.0, 0.1], CompressibleFlow(grid))


def test_a_lost_row_is_reported_and_leaves_the_others_alone():
    grid = plane(6, 6)
    start = rough(grid)
    start[1, 1, 2, 3] = math.nan
    solved = evolve_compressible(start, [0.0, 0.05], CompressibleFlow(grid))
    assert solved.status.tolist() == [Status.OK, Status.DIVERGED]
    alone = evolve_compressible(start[:1], [0.0, 0.05], CompressibleFlow(grid))
    torch.testing.assert_close(solved.states[:1], alone.states, rtol=0, atol=0)


def test_impossible_gases_and_grids_are_refused():
    for match, grid, options in (
        ("one to three axes", Grid(), {}),
        ("must exceed one", line(4), {"gamma": 1.0}),
        ("viscosity must not be negative", line(4), {"viscosity": torch.tensor([-1.0])}),
    ):
        with pytest.raises(UserError, match=match):
            CompressibleFlow(grid, **options)


def test_fields_and_steps_that_do_not_fit_are_refused():
    grid = plane(6, 6)
    start, flow = rough(grid), CompressibleFlow(grid)
    with pytest.raises(UserError, match=r"do not fit the grid.*\(batch, 4, 6, 6\)"):
        evolve_compressible(start[:, :3], [0.0, 0.1], flow)
    for factor in (-1.0, 1.3):
        with pytest.raises(UserError, match=r"unstable or none.*at most 1\.25"):
            evolve_compressible(start, [0.0, 0.1], flow, step_factor=factor)
