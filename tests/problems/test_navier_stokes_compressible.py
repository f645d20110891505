"""The gas in a periodic box: its random states, what the solver conserves, and what finer cells change."""

import importlib
from itertools import pairwise

import pytest
import torch

from sciml.core import registry
from sciml.core.errors import UserError
from sciml.core.rng import generator
from sciml.core.status import Status
from sciml.reference import block_means

PROBLEM = registry.problem("navier_stokes_compressible")
reference = importlib.import_module("sciml_problems.navier_stokes_compressible.reference")
equations = importlib.import_module("sciml_problems.navier_stokes_compressible.equations")
GRID = PROBLEM.grid((16, 20))
TIMES = torch.tensor([0.0, 0.02, 0.06], dtype=torch.float64)


def params(mach=(0.1, 1.0), viscosity=(1e-5, 5e-3)):
    return {"mach": torch.tensor(mach).double(), "viscosity": torch.tensor(viscosity).double()}


def starts(grid, values, seeds=(0, 1)):
    rows = [{name: value[row] for name, value in values.items()} for row in range(len(seeds))]
    return torch.stack([PROBLEM.initial(row, grid, generator(seed)) for row, seed in zip(rows, seeds, strict=True)])


def test_equal_seeds_give_the_same_gas_on_every_grid():
    coarse, fine = starts(GRID, params()), starts(PROBLEM.grid((32, 40)), params())
    torch.testing.assert_close(fine[:, :, ::2, ::2], coarse, rtol=0, atol=1e-12)


def test_random_states_have_their_mach_number_and_some_have_windows():
    grid, is_windowed = PROBLEM.grid((32, 32)), []
    for seed in range(40):
        density, u, v, pressure = starts(grid, params(mach=(0.5,), viscosity=(0.0,)), seeds=(seed,))[0]
        speed = (u * u + v * v).mean().sqrt()
        rest = (u.abs() + v.abs() < 1e-12).double().mean()
        is_windowed.append(bool(rest > 0.05))
        if is_windowed[-1]:
            assert float(speed) < 0.5
            torch.testing.assert_close(density[0, 0], torch.tensor(1.0, dtype=torch.float64), rtol=1e-6, atol=0)
        else:
            assert float(speed) == pytest.approx(0.5, rel=1e-12)
        assert float(density.min()) > 0.3
        assert float(pressure.min()) > 0.15
    assert 10 < sum(is_windowed) < 30


def test_mass_momentum_and_energy_of_what_is_stored_are_conserved():
    """Also the blocks' own: the first frame is the initial state to rounding."""
    values = params()
    begin = starts(GRID, values)
    solved = PROBLEM.simulate(values, begin, TIMES, GRID)
    assert (solved.status == Status.OK).all()
    torch.testing.assert_close(solved.states[:, 0], begin, rtol=0, atol=1e-13)
    totals = equations.conserved(solved.states).mean((-2, -1))
    torch.testing.assert_close(totals, totals[:, :1].expand_as(totals), rtol=0, atol=1e-13)
    assert float((solved.states[1, -1] - begin[1]).abs().max()) > 0.1
    assert float(solved.states[:, :, (0, 3)].min()) > 0


def test_solutions_are_shifted_with_their_initial_states():
    values = params()
    begin = starts(GRID, values)
    expected = PROBLEM.simulate(values, begin, TIMES[:2], GRID).states.roll((3, 5), (-2, -1))
    shifted = PROBLEM.simulate(values, begin.roll((3, 5), (-2, -1)), TIMES[:2], GRID).states
    torch.testing.assert_close(shifted, expected, rtol=0, atol=1e-11)


def test_finer_cells_converge_with_second_order_while_the_flow_is_smooth():
    ends, values = [], params(mach=(0.2,), viscosity=(5e-3,))
    smooth = next(seed for seed in range(20) if float(starts(GRID, values, (seed,))[0, 1].abs().min()) > 1e-6)
    for points in (32, 64, 128):
        grid = PROBLEM.grid((points, points))
        begin = starts(grid, values, (smooth,))
        # points of a periodic grid are left edges; their means lie at centres, which blocks share on every grid
        begin = begin.roll((-1, -1), (-2, -1)) / 4 + begin.roll(-1, -1) / 4 + begin.roll(-1, -2) / 4 + begin / 4
        solved = reference.simulate(values, begin, TIMES[:2], grid, factor=1)
        ends.append(block_means(solved.states[:, -1], points // 16))
    gaps = [float((a - b).abs().mean()) for a, b in pairwise(ends)]
    assert gaps[1] < gaps[0] / 3.4


def test_a_row_too_steep_for_straight_lines_is_cut_into_equal_cells():
    """Energy along a straight line could fall below that of the motion; the others keep their lines."""
    begin = starts(GRID, params())
    begin[1] = 1.0
    begin[1, 1, :, ::2], begin[1, 3] = 40.0, 1e-3
    flow = reference.CompressibleFlow(GRID, gamma=equations.GAMMA)
    fine = reference.refine_primitive(begin, GRID, 2, flow)
    assert float(fine[:, (0, 3)].min()) > 0
    assert not torch.equal(fine[0, 0, ::2], fine[0, 0, 1::2])
    torch.testing.assert_close(flow.to_primitive(block_means(flow.to_conserved(fine), 2)), begin, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("channel", "name"), [(0, "density"), (3, "pressure")])
def test_an_impossible_initial_field_is_refused(channel, name):
    begin = starts(GRID, params())
    begin[1, channel, 3, 3] = -0.5
    with pytest.raises(UserError, match=f"initial {name} is not positive"):
        PROBLEM.simulate(params(), begin, TIMES, GRID)


@pytest.mark.parametrize("size", [(8, 8), (32,), (16, 16, 16)])
def test_other_grids_are_refused(size):
    with pytest.raises(UserError, match="holds its initial states"):
        PROBLEM.grid(size)


def test_strong_viscosity_is_solved_with_the_steps_of_waves():
    """The greatest of the range, where explicit stresses would need ten times as many; energy and mass stay."""
    values = params(mach=(1.0, 1.0), viscosity=(0.1, 1e-4))
    solved = PROBLEM.simulate(values, starts(GRID, values), torch.tensor([0.0, 0.05], dtype=torch.float64), GRID)
    assert (solved.status == Status.OK).all()
    steps = solved.stats["steps"]
    assert int(steps[0]) < 2 * int(steps[1])
    totals = equations.conserved(solved.states).mean((-2, -1))
    torch.testing.assert_close(totals[:, 1], totals[:, 0], rtol=1e-12, atol=1e-13)
    motion = solved.states[:, :, 1:3].square().sum(2).mean((-2, -1))
    decay = (motion[:, 0] / motion[:, 1]).log()
    assert float(decay[0]) > 4 * float(decay[1])
