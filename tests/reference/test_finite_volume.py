"""Limiters, ghost cells and blocks: what every finite-volume scheme stands on."""

import pytest
import torch

from sciml.core.types import Axis, Grid
from sciml.reference import block_means, face_states, monotonised_central, refine_cells, van_leer, with_ghosts

DOUBLE = torch.float64


def random(*shape, seed=0):
    return torch.rand(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def grid(ny, nx, boundary="open"):
    return Grid((Axis("y", ny, 0.0, 1.0, boundary), Axis("x", nx, 0.0, 1.0, boundary)))


@pytest.mark.parametrize("limiter", [monotonised_central, van_leer])
def test_limiters_keep_straight_lines_and_flatten_extremes(limiter):
    steps = random(100) + 0.1
    torch.testing.assert_close(limiter(steps, steps), steps)
    assert not limiter(steps, -steps.flip(0)).any()
    assert not limiter(torch.zeros(3), torch.ones(3)).any()
    back, ahead = torch.randn(2, 1000, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    slope = limiter(back, ahead)
    assert (slope.abs() <= 2 * torch.minimum(back.abs(), ahead.abs())).all()  # stays between the neighbours
    torch.testing.assert_close(limiter(ahead, back), slope)
    torch.testing.assert_close(limiter(-back, -ahead), -slope)


def test_ghosts_repeat_mirror_or_wrap():
    cells = torch.tensor([[[1.0, 2, 3, 4], [5, 6, 7, 8]]])
    assert with_ghosts(cells, -1, "periodic")[0, 0].tolist() == [3, 4, 1, 2, 3, 4, 1, 2]
    assert with_ghosts(cells, -1, "open")[0, 0].tolist() == [1, 1, 1, 2, 3, 4, 4, 4]
    walled = with_ghosts(cells, -1, "wall", odd=1)
    assert walled[0, 0].tolist() == [2, 1, 1, 2, 3, 4, 4, 3]
    assert walled[0, 1].tolist() == [-6, -5, 5, 6, 7, 8, -8, -7]


def test_a_straight_line_has_one_value_on_every_inner_face():
    line = torch.arange(8, dtype=DOUBLE).expand(1, 1, 3, 8)
    before, behind = face_states(line, -1, "open", limiter=van_leer)
    assert before.shape == (1, 1, 3, 9)
    torch.testing.assert_close(before[0, 0, 0, 2:-2], torch.arange(1.5, 6, dtype=DOUBLE))
    torch.testing.assert_close(behind[0, 0, 0, 2:-2], torch.arange(1.5, 6, dtype=DOUBLE))


@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_cells_are_cut_and_joined_without_a_change(boundary, factor):
    fields, cells = random(2, 3, 6, 8), grid(6, 8, boundary)
    fine = refine_cells(fields, cells, factor)
    torch.testing.assert_close(block_means(fine, factor), fields)
    assert float(fine.min()) >= float(fields.min())
    assert float(fine.max()) <= float(fields.max())
    turned = refine_cells(fields.transpose(-1, -2), grid(8, 6, boundary), factor)
    torch.testing.assert_close(turned.transpose(-1, -2), fine, rtol=0, atol=1e-15)


def test_cells_are_cut_along_straight_lines():
    line = torch.arange(8, dtype=DOUBLE).expand(1, 1, 4, 8)
    inner = refine_cells(line, grid(4, 8), 2)[0, 0, 0, 2:-2]
    torch.testing.assert_close(inner, torch.arange(0.75, 6.5, 0.5, dtype=DOUBLE))


def test_periodic_cells_are_cut_alike_wherever_they_begin():
    fields, ring = random(1, 1, 4, 8), grid(4, 8, "periodic")
    shifted = refine_cells(fields.roll(3, -1), ring, 2)
    torch.testing.assert_close(shifted, refine_cells(fields, ring, 2).roll(6, -1))
