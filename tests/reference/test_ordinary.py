"""References of ordinary differential equations: SciPy row by row, closed forms, failure as a status."""

import math

import pytest
import torch

from sciml.core.errors import UserError
from sciml.core.status import Status
from sciml.core.types import Grid
from sciml.reference import closed_form, integrate_rows, no_axes

TIMES = torch.linspace(0, 2, 21, dtype=torch.float64)


def test_it_is_exact_between_its_steps_too():
    """y' = λ y and a pendulum's small swing: rows of other equations side by side."""
    slopes = [lambda t, y: (-y[0], 2 * y[1]), lambda t, y: (y[1], -9 * y[0]), lambda t, y: (t, t * t)]
    solved = integrate_rows(slopes, torch.ones(3, 2, dtype=torch.float64), TIMES)
    t = TIMES
    expected = torch.stack(
        [
            torch.stack([(-t).exp(), (2 * t).exp()], 1),
            torch.stack([(3 * t).cos() + (3 * t).sin() / 3, (3 * t).cos() - 3 * (3 * t).sin()], 1),
            torch.stack([1 + t**2 / 2, 1 + t**3 / 3], 1),
        ]
    )
    torch.testing.assert_close(solved.states, expected, rtol=1e-9, atol=1e-9)
    assert solved.status.tolist() == [Status.OK] * 3
    assert (solved.stats["evaluations"] >= 12 * solved.stats["steps"]).all()


def test_how_rows_fail():
    """Blow-up at t = 1, a start that is not finite, and a row too stiff for its budget; the last row is not touched."""
    slopes = [
        lambda t, y: (y[0] * y[0],),
        lambda t, y: (-y[0],),
        lambda t, y: (-1e9 * y[0],),
        lambda t, y: (-y[0],),
    ]
    initial = torch.tensor([[1.0], [math.nan], [1.0], [1.0]], dtype=torch.float64)
    solved = integrate_rows(slopes, initial, TIMES, max_steps=2000)
    assert solved.status[0] in (Status.STEP_UNDERFLOW, Status.DIVERGED)
    assert solved.status[1:].tolist() == [Status.DIVERGED, Status.MAX_STEPS, Status.OK]
    before = TIMES < 0.999
    torch.testing.assert_close(solved.states[0, before, 0], 1 / (1 - TIMES[before]), rtol=1e-8, atol=0)
    assert solved.states[0, TIMES > 1.001].isnan().all()
    assert solved.states[1].isnan().all()
    assert solved.states[2, 0] == 1
    assert solved.states[2, 1:].isnan().all()
    alone = integrate_rows(slopes[3:], initial[3:], TIMES)
    assert torch.equal(alone.states[0], solved.states[3])


def test_one_time_is_the_initial_state():
    solved = integrate_rows([lambda t, y: (-y[0],)], torch.ones(1, 1, dtype=torch.float64), TIMES[:1])
    assert solved.states.tolist() == [[[1.0]]]
    assert solved.status.tolist() == [Status.OK]


@pytest.mark.parametrize("times", [[0.0, 0.0], [1.0, 0.5], []])
def test_times_must_increase(times):
    with pytest.raises(UserError, match="increase"):
        integrate_rows([lambda t, y: y], torch.ones(1, 1).double(), torch.tensor(times, dtype=torch.float64))


def test_every_row_needs_its_equation():
    with pytest.raises(UserError, match="2 rows"):
        integrate_rows([lambda t, y: y], torch.ones(2, 1).double(), TIMES)


def test_a_closed_form_that_overflows_diverges_from_there_on():
    states = torch.ones(2, 4, 3, dtype=torch.float64)
    states[0, 2, 1] = math.inf
    solved = closed_form(states)
    assert solved.status.tolist() == [Status.DIVERGED, Status.OK]
    assert solved.states[0, :2].isfinite().all()
    assert solved.states[0, 2:].isnan().all()
    assert torch.equal(solved.states[1], states[1])


def test_an_ordinary_equation_has_no_axes():
    assert no_axes(()) == Grid()
    with pytest.raises(UserError, match="no spatial grid"):
        no_axes((3, 3))
