"""The speed-up of a forecaster over the reference: regridding, the ladder of references, what is said and shown."""

import json
import math
from dataclasses import replace

import pytest
import torch

from sciml.core import registry
from sciml.core.types import Axis, Grid
from sciml.report import write_run
from sciml.study import RunRequest, run
from sciml.tasks.forecast import Rung, ladder, regrid, speed
from sciml.testing import PROBLEMS

RING = Axis("x", 16, 0.0, 2.0)
BOX = Axis("y", 24, -1.0, 1.0, "wall")


def coarser(axis, size):
    return replace(axis, size=size)


def waves(grid):
    y, x = (axis.points() for axis in grid.axes)
    field = torch.cos(math.pi * (y[:, None] + 1) / 2) * (1 + torch.sin(3 * math.pi * x) + torch.cos(2 * math.pi * x))
    return field[None, None]


@pytest.mark.parametrize("size", [12, 20, 32])
def test_resolved_waves_keep_their_values_on_every_periodic_grid(size):
    source, target = Grid((BOX, RING)), Grid((BOX, coarser(RING, size)))
    torch.testing.assert_close(regrid(waves(source), source, target), waves(target), rtol=0, atol=1e-12)


def test_waves_that_a_coarser_grid_does_not_resolve_are_cut_off():
    source, target = Grid((RING,)), Grid((coarser(RING, 8),))
    fast = torch.cos(2 * math.pi * 6 * RING.points() / 2)[None, None]  # six waves, of which eight points hold three
    assert regrid(fast, source, target).abs().max() < 1e-12


def test_cells_between_walls_are_averaged_and_interpolated_to_fourth_order():
    source = Grid((BOX,))
    field = torch.cos(math.pi * (BOX.points() + 1) / 2)[None, None]
    halves = regrid(field, source, Grid((coarser(BOX, 12),)))
    torch.testing.assert_close(halves, field.unflatten(-1, (12, 2)).mean(-1), rtol=0, atol=1e-14)

    def error(size):
        coarse, fine = coarser(BOX, size), coarser(BOX, 2 * size)
        values, expected = (torch.cos(math.pi * (a.points() + 1) / 2)[None, None] for a in (coarse, fine))
        return (regrid(values, Grid((coarse,)), Grid((fine,))) - expected)[..., 4:-4].abs().max()

    assert 12 < error(24) / error(48) < 20


RUNGS = (
    Rung((64,), True, 8.0, 0.0),
    Rung((64,), False, 2.0, 0.01),
    Rung((32,), False, 0.5, 0.1),
    Rung((16,), False, 0.1, 0.6),
)


@pytest.mark.parametrize(("error", "equal"), [(0.2, 0.5), (0.1, 0.5), (0.05, 2.0), (0.001, 8.0), (0.9, 0.1)])
def test_the_cheapest_reference_with_no_larger_error_counts(error, equal):
    found = speed(RUNGS, 0.25, error)
    assert found.metrics == {"speedup/finest": 32.0, "speedup/equal_error": equal / 0.25}
    assert [rung["seconds"] for rung in found.details["speed"]["rungs"] if rung["equal"]] == [equal]


def test_a_forecast_that_diverged_has_no_speed():
    assert speed(RUNGS, 0.25, float("nan")) is None
    assert speed((), 0.25, 0.1) is None


def test_the_ladder_of_a_spectral_reference():
    """What a grid resolves is forecast without error on it; none but the grid of the data is refined."""
    problem = registry.problem("navier_stokes_vorticity")
    grid = problem.grid([32, 48])
    generator = torch.Generator().manual_seed(0)
    params = {key: value[None] for key, value in problem.draw(generator).items()}
    y, x = (axis.points() for axis in grid.axes)
    start = (torch.cos(x) + torch.sin(y)[:, None] + torch.sin(x) * torch.cos(y)[:, None])[None, None]
    times = torch.linspace(0, 0.2, 5, dtype=torch.float64)
    states = problem.simulate(params, start, times, grid).states.float()
    rungs = ladder(problem, grid, states, params, times, history=2)
    assert [rung.points for rung in rungs] == [(32, 48), (32, 48), (24, 36), (16, 24), (12, 18), (8, 12)]
    assert [rung.own for rung in rungs] == [True, False, False, False, False, False]
    assert all(rung.error < 1e-5 for rung in rungs[:3])
    assert rungs[3].error < 1e-3
    assert all(rung.error > 0.1 for rung in rungs[4:]), "they do not hold the force"
    assert all(rung.seconds > 0 for rung in rungs)


REFINED = {
    "shallow_water": ((32, 32), 0.02),
    "shallow_water_dam_break": ((32, 32), 0.02),
    "navier_stokes_compressible": ((32, 32), 0.02),
    "navier_stokes_smoke": ((32, 32), 0.02),
    "navier_stokes_vorticity": ((24, 26), 0.1),
    "navier_stokes_taylor_green_3d": ((12, 12, 14), 0.05),
    "kuramoto_sivashinsky_1d": ((48,), 0.5),
    "reaction_diffusion": ((50,), 1.0),
    "gray_scott": ((16, 16), 10.0),
    "shallow_water_sphere": ((48, 96), 12.0),
}
"""Flows whose reference computes on more points than are stored, with a small grid and a short time."""


@pytest.mark.parametrize("name", REFINED)
def test_the_coarsest_reference_computes_on_the_stored_cells(name):
    (size, time), problem = REFINED[name], registry.problem(name)
    coarse = problem.coarsest()
    assert coarse is not None
    assert coarse.coarsest() is None
    grid = problem.grid(size)
    generator = torch.Generator().manual_seed(0)
    params = {key: value[None] for key, value in problem.draw(generator).items()}
    start = problem.initial({key: value[0] for key, value in params.items()}, grid, generator)[None]
    times = torch.tensor([0.0, time], dtype=torch.float64)
    fine, rough = (one.simulate(params, start, times, grid).states[:, 1] for one in (problem, coarse))
    difference = float((fine - rough).norm() / fine.norm())
    assert 1e-11 < difference < 0.1, "another grid, the same flow"


def test_a_run_says_and_shows_its_speed(tmp_path):
    done = run(RunRequest(problem=str(PROBLEMS / "periodic_advection"), solver="linear", preset="tiny",
                          settings=('baselines=["persistence"]',), out=tmp_path))  # fmt: skip
    entry = json.loads((done.folder / "record.json").read_text())["conclusion"]
    assert entry["metrics"]["speedup/finest"] > 0
    rungs = entry["details"]["speed"]["rungs"]
    assert [rung["points"] for rung in rungs if rung["own"]] == [[16, 12]]
    assert sum(rung["equal"] for rung in rungs) == 1
    page = write_run(done.folder).read_text(encoding="utf-8")
    assert "Speed against the reference" in page
    assert "16 × 12 (made the data)" in page
