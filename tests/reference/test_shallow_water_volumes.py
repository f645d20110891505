"""Shallow water by finite volumes against dam breaks that are known exactly, lakes at rest, and what is conserved."""

import math
from itertools import pairwise

import pytest
import torch
from scipy.optimize import brentq

from sciml.core.errors import UserError
from sciml.core.status import Status
from sciml.core.types import Axis, Grid
from sciml.reference import ShallowWaterFlow, evolve_shallow_water

DOUBLE = torch.float64


def strip(points, *, lower=-1.0, upper=1.0, boundary="open"):
    return Grid((Axis("x", points, lower, upper, boundary),))


def plane(ny, nx, boundary="periodic", extent=1.0):
    return Grid((Axis("y", ny, 0.0, extent, boundary), Axis("x", nx, 0.0, extent, boundary)))


def centres(axis):
    return axis.lower + (torch.arange(axis.size, dtype=DOUBLE) + 0.5) * axis.spacing


def final(initial, end, flow, **options):
    solved = evolve_shallow_water(initial, [0.0, end], flow, longest=end / 8, **options)
    assert (solved.status == Status.OK).all()
    return solved.states[:, -1]


def stoker(s, deep, shallow):
    """Depth at x/t = s after a dam between wet sides has gone: rarefaction, plateau, shock (Stoker 1957); g = 1."""

    def gap(h):  # velocity behind the shock less that behind the rarefaction
        return (h - shallow) * math.sqrt((h + shallow) / (2 * h * shallow)) - 2 * (math.sqrt(deep) - math.sqrt(h))

    middle = brentq(gap, shallow, deep, xtol=1e-14)
    speed = 2 * (math.sqrt(deep) - math.sqrt(middle))
    shock = middle * speed / (middle - shallow)
    fan = (2 * math.sqrt(deep) - s).square() / 9
    depth = torch.where(s < speed - math.sqrt(middle), fan, middle)
    return torch.where(s < -math.sqrt(deep), deep, torch.where(s > shock, shallow, depth))


def ritter(s, deep):
    """Depth where the ground ahead is dry (Ritter 1892)."""
    fan = (2 * math.sqrt(deep) - s).square() / 9
    return torch.where(s < -math.sqrt(deep), deep, torch.where(s > 2 * math.sqrt(deep), 0.0, fan))


def dam_error(points, deep, shallow, exact):
    """Mean of |h − exact| over the interval in which waves run, at t = 1."""
    grid = strip(points, lower=-2.5, upper=2.5)
    x = centres(grid.axes[0])
    start = torch.stack([torch.where(x < 0, deep, shallow), torch.zeros_like(x)])[None]
    depth = final(start, 1.0, ShallowWaterFlow(grid))[0, 0]
    assert float(depth.min()) > -1e-12
    samples = (x[:, None] + grid.axes[0].spacing * (torch.arange(16) - 7.5) / 16).double()
    return float((depth - exact(samples, deep, shallow).mean(1)).abs().mean())


def test_a_dam_between_wet_sides_breaks_as_stoker_says():
    errors = [dam_error(points, 2.0, 1.0, stoker) for points in (64, 128, 256)]
    assert errors[0] < 9.1e-3
    assert all(late < early / 1.6 for early, late in pairwise(errors))


def test_a_dam_on_dry_ground_breaks_as_ritter_says():
    errors = [dam_error(points, 1.0, 0.0, lambda s, deep, _: ritter(s, deep)) for points in (64, 128, 256)]
    assert errors[0] < 8.7e-3
    assert all(late < early / 1.6 for early, late in pairwise(errors))


def bump(grid, height=0.6):
    y, x = (centres(axis) for axis in grid.axes)
    return height * torch.exp(-40 * ((y[:, None] - 0.45) ** 2 + (x - 0.55) ** 2))


@pytest.mark.parametrize("boundary", ["open", "wall", "periodic"])
@pytest.mark.parametrize("height", [0.6, 1.5])
def test_a_lake_at_rest_stays_at_rest(boundary, height):
    """Over a bump, also one that stands out of the water as an island."""
    grid = plane(24, 32, boundary)
    bed = bump(grid, height)
    depth = (1 - bed).clamp(min=0)
    start = torch.stack([depth, torch.zeros_like(depth), torch.zeros_like(depth)])[None]
    end = final(start, 1.0, ShallowWaterFlow(grid, bed=bed))
    torch.testing.assert_close(end[:, 0], start[:, 0], rtol=0, atol=1e-14)
    assert float(end[:, 1:].abs().max()) < 1e-14


def sloshing(grid, seed=0, dry=False):
    generator = torch.Generator().manual_seed(seed)
    state = torch.rand(2, 3, *grid.size, dtype=DOUBLE, generator=generator)
    state[:, 0] = (state[:, 0] - 0.3).clamp(min=0) if dry else state[:, 0] + 0.2
    state[:, 1:] = (state[:, 1:] - 0.5) * state[:, :1]
    return state


@pytest.mark.parametrize("boundary", ["wall", "periodic"])
@pytest.mark.parametrize("dry", [False, True])
def test_mass_is_conserved_and_depth_stays_positive(boundary, dry):
    grid = plane(12, 16, boundary)
    start = sloshing(grid, dry=dry)
    end = final(start, 0.3, ShallowWaterFlow(grid, bed=bump(grid)))
    torch.testing.assert_close(end[:, 0].mean((1, 2)), start[:, 0].mean((1, 2)), rtol=1e-14, atol=0)
    assert float(end[:, 0].min()) > -1e-14
    assert float((end - start).abs().max()) > 0.1


def test_momentum_is_conserved_on_flat_periodic_ground():
    grid = plane(12, 16)
    start = sloshing(grid)
    end = final(start, 0.3, ShallowWaterFlow(grid))
    torch.testing.assert_close(end.mean((2, 3)), start.mean((2, 3)), rtol=0, atol=1e-14)


def test_both_axes_and_both_directions_are_alike():
    """A transposed or mirrored state has the transposed or mirrored future."""
    grid = plane(16, 16, "wall")
    start = sloshing(grid)
    end = final(start, 0.2, ShallowWaterFlow(grid))
    swap, sign = [0, 2, 1], torch.tensor([1.0, -1.0, 1.0], dtype=DOUBLE)[:, None, None]
    turned = final(start[:, swap].transpose(2, 3), 0.2, ShallowWaterFlow(grid))
    torch.testing.assert_close(turned[:, swap].transpose(2, 3), end, rtol=0, atol=1e-12)
    mirrored = final((sign * start).flip(3), 0.2, ShallowWaterFlow(grid))
    torch.testing.assert_close((sign * mirrored).flip(3), end, rtol=0, atol=1e-12)


def test_small_waves_travel_with_their_speed_and_second_order():
    """A wave of amplitude 10⁻⁴ that runs to the right once around the box at the speed sqrt(g H) = 4."""
    errors = []
    for points in (32, 64):
        grid = strip(points, lower=0.0, upper=1.0, boundary="periodic")
        wave = 1e-4 * torch.sin(2 * math.pi * centres(grid.axes[0]))
        start = torch.stack([4 + wave, wave * 2])[None]
        end = final(start, 0.25, ShallowWaterFlow(grid, gravity=4.0))
        errors.append(float((end - start)[0, 0].abs().mean()) / 1e-4)
    assert errors[0] < 0.02
    assert math.log2(errors[0] / errors[1]) > 1.7


def test_a_strip_of_the_plane_is_the_line():
    line = strip(32)
    thin = Grid((Axis("y", 1, 0.0, 0.1, "periodic"), *line.axes))
    start = sloshing(thin)[:, :, 0]
    one = ShallowWaterFlow(line).tendency(start[:, :2])
    two = ShallowWaterFlow(thin).tendency(start[:, :, None])
    torch.testing.assert_close(two[:, :2, 0], one, rtol=0, atol=1e-12)


def test_rows_do_not_influence_each_other():
    grid = plane(8, 8)
    start = sloshing(grid)
    together = final(start, 0.1, ShallowWaterFlow(grid))
    alone = final(start[1:], 0.1, ShallowWaterFlow(grid))
    torch.testing.assert_close(together[1:], alone, rtol=0, atol=0)


def test_a_negative_depth_is_refused_and_a_lost_one_reported():
    grid = plane(8, 8)
    start = sloshing(grid)
    start[1, 0, 2, 3] = -0.1
    with pytest.raises(UserError, match=r"initial depth is negative .*-0.1 in row 1"):
        evolve_shallow_water(start, [0.0, 0.1], ShallowWaterFlow(grid))
    start[1, 0, 2, 3] = math.nan
    solved = evolve_shallow_water(start, [0.0, 0.1], ShallowWaterFlow(grid))
    assert solved.status.tolist() == [Status.OK, Status.DIVERGED]
    assert solved.states[0].isfinite().all()


def test_grids_and_beds_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="one or two axes"):
        ShallowWaterFlow(Grid())
    with pytest.raises(UserError, match="one height per cell"):
        ShallowWaterFlow(plane(4, 8), bed=torch.zeros(8, 4))


def test_fields_and_steps_that_do_not_fit_are_refused():
    grid = plane(8, 8)
    start, flow = sloshing(grid), ShallowWaterFlow(grid)
    with pytest.raises(UserError, match=r"do not fit the grid.*\(batch, 3, 8, 8\)"):
        evolve_shallow_water(start[:, :2], [0.0, 0.1], flow)
    with pytest.raises(UserError, match="do not fit the grid"):
        evolve_shallow_water(start[..., :4], [0.0, 0.1], flow)
    for factor in (0.0, 1.3, math.nan):
        with pytest.raises(UserError, match=r"unstable or none.*at most 1\.25"):
            evolve_shallow_water(start, [0.0, 0.1], flow, step_factor=factor)


def test_the_longest_steps_that_are_allowed_keep_dry_ground_positive():
    grid = plane(24, 24)
    start = torch.zeros(1, 3, 24, 24, dtype=torch.float64)
    start[:, 0, 8:16, 8:16] = 1.0
    plain, bold = (evolve_shallow_water(start, [0.0, 0.2], ShallowWaterFlow(grid), step_factor=f) for f in (1.0, 1.25))
    assert bold.status.tolist() == [Status.OK]
    assert int(bold.stats["steps"]) < int(plain.stats["steps"])
    assert float(bold.states[:, :, 0].min()) > -1e-12
