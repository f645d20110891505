"""The round dam: its water, its symmetry, and what finer cells change."""

import importlib
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from sciml.core import registry
from sciml.core.errors import UserError
from sciml.core.rng import generator
from sciml.core.status import Status
from sciml.reference import block_means

PROBLEM = registry.problem("shallow_water_dam_break")
reference = importlib.import_module("sciml_problems.shallow_water_dam_break.reference")
TIMES = torch.tensor([0.0, 0.3, 0.6], dtype=torch.float64)


def params(inner=(2.0, 2.5), outer=(1.0, 0.5), radius=(0.5, 0.7)):
    named = {"inner_depth": inner, "outer_depth": outer, "radius": radius}
    return {name: torch.tensor(values, dtype=torch.float64) for name, values in named.items()}


def start(grid, values):
    rows = [{name: value[row] for name, value in values.items()} for row in range(2)]
    return torch.stack([PROBLEM.initial(row, grid, generator(0)) for row in rows])


def test_the_dam_holds_the_water_that_its_radius_says():
    for points in (16, 32, 64):
        grid = PROBLEM.grid((points, points))
        water = start(grid, params())
        assert not water[:, 1:].any()
        extra = (water[:, 0] - params()["outer_depth"][:, None, None]).sum((1, 2)) * grid.axes[0].spacing ** 2
        exact = math.pi * params()["radius"] ** 2 * (params()["inner_depth"] - params()["outer_depth"])
        torch.testing.assert_close(extra, exact, rtol=2e-2, atol=0)


def test_the_broken_dam_keeps_its_mass_and_its_symmetry():
    grid = PROBLEM.grid((16, 16))
    solved = PROBLEM.simulate(params(), start(grid, params()), TIMES, grid)
    assert (solved.status == Status.OK).all()
    h, u, v = solved.states.unbind(2)
    mass = h.mean((2, 3))
    torch.testing.assert_close(mass, mass[:, :1].expand_as(mass), rtol=1e-14, atol=0)
    for turned, sign in ((h.flip(-1), h), (h.flip(-2), h), (h.transpose(-1, -2), h), (u.flip(-1), -u), (v.flip(-2), -v),
                         (u.flip(-2), u), (u.transpose(-1, -2), v)):  # fmt: skip
        torch.testing.assert_close(turned, sign, rtol=0, atol=1e-12)
    assert float(h[:, -1].amax()) < 2  # it has collapsed
    assert float(u[0, -1, 8, 8:].amax()) > 0.2


def test_the_front_is_round():
    """The profile along an axis is that along the diagonal."""
    grid = PROBLEM.grid((64, 64))
    begin = start(grid, params())[:1]
    depth = reference.simulate(begin, TIMES[::2], grid, factor=1).states[0, -1, 0].numpy()
    places = grid.axes[0].points()[32:].numpy()
    radii = np.linspace(0.2, 2.0, 100)
    along = np.interp(radii, np.hypot(places, places[0]), depth[32, 32:])
    across = np.interp(radii, places * np.sqrt(2), np.diagonal(depth)[32:])
    assert np.ptp(along) > 0.3
    assert np.abs(along - across).mean() < 0.015


def test_finer_cells_converge():
    ends = []
    for factor in (1, 2, 4):
        fine = PROBLEM.grid((16 * factor, 16 * factor))
        solved = reference.simulate(start(fine, params())[:1], TIMES[:2], fine, factor=2)
        ends.append(block_means(solved.states[:, -1, :1], factor))
    gaps = [float((a - b).abs().mean()) for a, b in pairwise(ends)]
    assert gaps[1] < gaps[0] / 1.6


def test_the_depth_is_that_of_pyclaw():
    """Blocks of PyClaw's 512² cells (Roe, MC limiter); its own 64² cells are further from them than ours from 128²."""
    stored = np.load(Path(__file__).parents[1] / "reference" / "fixtures" / "pyclaw_dam_break.npz")
    fine, coarse = (torch.from_numpy(stored[name]).double() for name in ("depth", "coarse"))
    grid = PROBLEM.grid((64, 64))
    times = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    ours = PROBLEM.simulate(params(), start(grid, params())[:1], times, grid).states[0, 1:, 0]
    gap, theirs = ((h - fine).abs().mean((1, 2)) / (fine - 1).abs().mean((1, 2)) for h in (ours, coarse))
    assert float(gap.max()) < 0.05
    assert (gap < theirs).all()


def test_a_negative_depth_in_an_initial_field_is_refused():
    grid = PROBLEM.grid((16, 16))
    water = start(grid, params())
    water[1, 0, 3, 3] = -0.5
    with pytest.raises(UserError, match="initial depth is negative"):
        PROBLEM.simulate(params(), water, TIMES, grid)


@pytest.mark.parametrize("size", [(8, 8), (32, 16), (32,)])
def test_other_grids_are_refused(size):
    with pytest.raises(UserError, match="square and fine enough"):
        PROBLEM.grid(size)
