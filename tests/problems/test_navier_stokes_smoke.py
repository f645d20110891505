"""Buoyant smoke: what is conserved, what converges, what the published scheme gives."""

import dataclasses
import importlib
from itertools import pairwise

import pytest
import torch

from sciml.core import registry
from sciml.core.errors import UserError
from sciml.core.rng import generator
from sciml.core.status import Status
from sciml.reference import block_means

PROBLEM = registry.problem("navier_stokes_smoke")
reference = importlib.import_module("sciml_problems.navier_stokes_smoke.reference")
GRID = PROBLEM.grid((16, 16))
TIMES = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)


def params(rows=2, viscosity=0.02, buoyancy=0.5):
    values = {"viscosity": viscosity, "buoyancy": buoyancy}
    return {name: torch.full((rows,), value, dtype=torch.float64) for name, value in values.items()}


def starts(grid=GRID, rows=2):
    return torch.stack([PROBLEM.initial(params(1), grid, generator(0, row)) for row in range(rows)])


def test_the_initial_smoke_is_one_function_on_every_grid():
    fine = starts(PROBLEM.grid((64, 64)))
    assert torch.equal(fine[:, 1:], torch.zeros_like(fine[:, 1:]))
    assert float(fine[:, 0].mean()) == pytest.approx(0.5, rel=1e-3)
    for coarse in (starts(PROBLEM.grid((16, 16))), starts(PROBLEM.grid((32, 32)))):
        blocks = block_means(fine, 64 // coarse.shape[-1])
        torch.testing.assert_close(blocks[:, 0], coarse[:, 0], rtol=0, atol=0.05 * float(coarse.max()))


def test_smoke_is_conserved_and_stays_positive():
    solved = reference.simulate(params(), starts(), TIMES, GRID, internal=32)
    assert (solved.status == Status.OK).all()
    mass = solved.states[:, :, 0].mean((2, 3))
    torch.testing.assert_close(mass, mass[:, :1].expand_as(mass), rtol=1e-13, atol=0)
    assert float(solved.states[:, 1:, 0].min()) > -1e-12
    torch.testing.assert_close(solved.states[:, 0], starts(), rtol=0, atol=1e-13)


def test_buoyancy_works_and_viscosity_spends():
    """What buoyancy does equals the energy gained but for what viscosity takes, which is little and positive."""
    box = reference.StaggeredBox(reference.box_of(32))
    start = starts(PROBLEM.grid((32, 32)), 1)
    state = torch.cat([start[:, :1], box.on_faces(start[:, 1:])], dim=1)
    values, energy, work = params(1, viscosity=1e-9), [], []
    step = torch.full((1, 1, 1, 1), 0.02, dtype=torch.float64)
    for _ in range(100):
        energy.append(box.kinetic_energy(state[:, 1:]))
        work.append((0.5 * box.on_upper_faces(state[:, 0]) * state[:, 2]).sum((1, 2)) * box.spacing[0] ** 2)
        state = reference.ssp_rk3(lambda s: reference.tendency(s, values, box), state, step)
    assert box.divergence(state[:, 1:]).abs().max() < 1e-12
    done = 0.02 * torch.trapezoid(torch.stack(work), dim=0)
    torch.testing.assert_close(energy[-1] - energy[0], done, rtol=1e-3, atol=0)


def test_finer_cells_converge():
    """With second order, from the same smooth smoke, where viscosity is large enough for the layers at the walls."""
    ends = []
    for points in (32, 64, 128):
        grid = PROBLEM.grid((points, points))
        solved = reference.simulate(params(1, viscosity=1.0), starts(grid, 1), TIMES[:2], grid, internal=points)
        ends.append(block_means(solved.states[:, -1], points // 16))
    gaps = [(a - b).flatten(2).norm(dim=2) / b.flatten(2).norm(dim=2) for a, b in pairwise(ends)]
    assert (gaps[1] < gaps[0] / 3).all()


def test_the_published_scheme_is_another_one_on_request():
    published = dataclasses.replace(PROBLEM, scheme="pdearena")
    times = torch.tensor([0.0, 1.5, 3.0], dtype=torch.float64)
    other = published.simulate(params(), starts(), times, GRID)
    ours = PROBLEM.simulate(params(), starts(), times, GRID)
    assert other.stats["steps"].tolist() == [2, 2]
    change = (ours.states[:, -1] - ours.states[:, 0]).norm()
    assert 0.05 < float((other.states[:, -1] - ours.states[:, -1]).norm() / change) < 0.9


def test_the_published_scheme_refuses_a_grid_on_which_its_viscosity_is_unstable():
    published, grid = dataclasses.replace(PROBLEM, scheme="pdearena"), PROBLEM.grid((128, 128))
    times = torch.tensor([0.0, 6.0], dtype=torch.float64)
    with pytest.raises(UserError, match=r"unstable on this grid.*0\.96"):
        published.simulate(params(), starts(grid), times, grid)


@pytest.mark.parametrize("size", [(8, 8), (32, 16), (32,)])
def test_other_grids_are_refused(size):
    with pytest.raises(UserError, match="square and fine enough"):
        PROBLEM.grid(size)


def test_heavy_smoke_sinks_as_light_smoke_rises():
    """Turned upside down and with the opposite buoyancy the flow is the same, steps included."""
    sink = PROBLEM.simulate(params(1, buoyancy=-4.0), starts(rows=1).flip(-2), TIMES[:2] / 2, GRID)
    rise = PROBLEM.simulate(params(1, buoyancy=4.0), starts(rows=1), TIMES[:2] / 2, GRID)
    assert rise.status.tolist() == [Status.OK]
    upright = sink.states.flip(-2) * torch.tensor([1.0, 1.0, -1.0]).double().view(3, 1, 1)
    torch.testing.assert_close(upright, rise.states, rtol=0, atol=1e-8)
    assert torch.equal(sink.stats["steps"], rise.stats["steps"])


@pytest.mark.parametrize("scheme", ["conservative", "pdearena"])
@pytest.mark.parametrize("times", [(2.0, 1.0), (0.0, 0.0), ()])
def test_times_that_do_not_increase_are_refused_by_both_schemes(scheme, times):
    problem = dataclasses.replace(PROBLEM, scheme=scheme)
    with pytest.raises(UserError, match="times must increase"):
        problem.simulate(params(), starts(), torch.tensor(times, dtype=torch.float64), GRID)


def test_the_published_scheme_gives_the_start_alone_where_nothing_else_is_asked():
    alone = dataclasses.replace(PROBLEM, scheme="pdearena").simulate(params(), starts(), TIMES[:1], GRID)
    assert torch.equal(alone.states[:, 0], starts())
