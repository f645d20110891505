"""The planet's weather: balanced states of both kinds, what the solver conserves, and what finer harmonics change."""

import importlib

import pytest
import torch

from sciml.core import registry
from sciml.core.errors import UserError
from sciml.core.rng import generator
from sciml.core.status import Status
from sciml.core.types import Axis, Grid

PROBLEM = registry.problem("shallow_water_sphere")
reference = importlib.import_module("sciml_problems.shallow_water_sphere.reference")
equations = importlib.import_module("sciml_problems.shallow_water_sphere.equations")
GRID = PROBLEM.grid((48, 96))


def draw(count, grid=GRID):
    params, states = [], []
    for index in range(count):
        randomness = generator(0, index)
        params.append(PROBLEM.draw(randomness))
        states.append(PROBLEM.initial(params[-1], grid, randomness))
    return {name: torch.stack([row[name] for row in params]) for name in params[0]}, torch.stack(states)


PARAMS, STATES = draw(6)
SCALE = torch.tensor([1e4, 50.0, 50.0]).double()[:, None, None]


def is_zonal(state):
    """Whether the flow is that of jets along circles of latitude, v = 0."""
    return bool(state[2].abs().max() < 1e-9)


def test_equal_seeds_give_the_same_weather_on_every_grid():
    fine = PROBLEM.grid((64, 128))
    for row, state in zip(draw(3, fine)[1], STATES, strict=False):
        modes = [
            equations.uniform(grid, torch.device("cpu")).forward(values / SCALE)[..., :32, :32]
            for grid, values in ((fine, row), (GRID, state))
        ]
        torch.testing.assert_close(modes[0][0], modes[1][0], rtol=0, atol=1e-12)


def test_both_kinds_are_drawn_and_balanced_at_their_speed():
    kinds = [is_zonal(state) for state in STATES]
    assert True in kinds
    assert False in kinds
    speed = STATES[:, 1:].square().sum(1).sqrt().amax((1, 2))
    torch.testing.assert_close(speed, PARAMS["speed"], rtol=0.02, atol=0)
    on = equations.uniform(GRID, torch.device("cpu"))
    torch.testing.assert_close(on.mean(STATES[:, 0]), PARAMS["depth"], rtol=1e-12, atol=0)
    assert float((STATES[:, 0].amin((1, 2)) / PARAMS["depth"]).min()) > 0.5
    curl, divergence = on.forward_vector(STATES[:, 1:])
    assert float(divergence.abs().max()) < 1e-10 * float(curl.abs().max())
    times = torch.tensor([0.0, 0.5]).double()
    later = PROBLEM.simulate(PARAMS, STATES, times, GRID).states[:, 1]
    made = on.forward_vector(later[:, 1:])[1].abs().square().sum((1, 2)) / curl.abs().square().sum((1, 2))
    calm = torch.tensor([not kind for kind in kinds])
    assert float(made[calm].max()) < 1e-3  # waves would have a divergence like the curl


def test_the_solver_keeps_mass_momentum_and_energy_and_the_first_frame():
    params = {name: value[:3] for name, value in PARAMS.items()}
    solved = PROBLEM.simulate(params, STATES[:3], torch.tensor([0.0, 6.0, 18.0]).double(), GRID)
    assert (solved.status == Status.OK).all()
    torch.testing.assert_close(solved.states[:, 0] / SCALE, STATES[:3] / SCALE, rtol=0, atol=1e-12)
    for invariant, tolerance in zip(PROBLEM.invariants, (1e-13, 0.01, 1e-5), strict=True):
        values = invariant.compute(solved.states, params, GRID)
        torch.testing.assert_close(values, values[:, :1].expand_as(values), rtol=tolerance, atol=0)
    change = (solved.states[:, 2, 1:] - STATES[:3, 1:]).norm() / STATES[:3, 1:].norm()
    assert float(change) > 0.2


def test_higher_degrees_converge():
    params = {name: value[:2] for name, value in PARAMS.items()}
    ends = [
        reference.simulate(params, STATES[:2], torch.tensor([0.0, 6.0]).double(), GRID, truncation=top).states[:, 1]
        for top in (31, 42, 63)
    ]
    gaps = [float((end - ends[2])[:, 1:].norm() / ends[2][:, 1:].norm()) for end in ends[:2]]
    assert gaps[1] < gaps[0] / 3
    assert gaps[1] < 2e-3


def test_a_depth_that_is_not_positive_is_refused():
    broken = STATES[:2].clone()
    broken[1, 0, 3, 3] = -1.0
    with pytest.raises(UserError, match="initial depth is not positive"):
        PROBLEM.simulate({name: value[:2] for name, value in PARAMS.items()}, broken, torch.tensor([0.0, 1.0]), GRID)


def test_fields_on_another_grid_are_refused():
    plane = Grid(tuple(Axis(a.name, a.size, 0.0, 1.0) for a in GRID.axes))
    params, times = {name: value[:2] for name, value in PARAMS.items()}, torch.tensor([0.0, 1.0])
    with pytest.raises(UserError, match=r"not a grid of the problem.*-90 to 90 degrees_north, open"):
        PROBLEM.simulate(params, STATES[:2], times, plane)
    with pytest.raises(UserError, match="do not fit the grid"):
        PROBLEM.simulate(params, STATES[:2, :, :, :64], times, GRID)


@pytest.mark.parametrize("size", [(48, 48), (96, 48), (32, 64), (49, 98), (48,)])
def test_other_grids_are_refused(size):
    with pytest.raises(UserError, match="twice as many longitudes as latitudes"):
        PROBLEM.grid(size)
