"""Steps that no error chooses: right states, right order across breaks, answers that no other question moves."""

import math

import pytest
import torch

from sciml import ode
from sciml.core.errors import ConfigError

PHASES = torch.tensor([[0.3], [1.7]], dtype=torch.float64)


def _turning(time, state, *args):
    return torch.stack((state[:, 1], -state[:, 0]), dim=1)


def _switched(time, state, begin):
    """Constant heating from a time of the sample's own on."""
    return -state + (time >= begin[:, 0]).double()[:, None]


def _start():
    return torch.cat((PHASES.sin(), PHASES.cos()), dim=1)


@pytest.mark.parametrize("method", ["rk4", "tsit5", "heun"])
def test_fixed_steps_are_those_of_the_integrator(method):
    times = torch.linspace(0, 2, 9, dtype=torch.float64)
    states = ode.fixed_steps(_turning, _start(), times.tolist(), step=0.25, method=method)
    expected = ode.solve(_turning, _start(), times, step=0.25, method=method).states
    torch.testing.assert_close(states, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("breaks", [False, True])
def test_a_break_keeps_the_order(breaks):
    """y' = -y + [t >= b], exactly 1 - exp(b - t) after b; without breaks the jump lies inside of a step."""
    begin = torch.tensor([[0.37], [1.113]], dtype=torch.float64)
    times, errors = [0.0, 1.9, 3.0], []
    for step in (0.2, 0.1):
        cuts = torch.cat((begin, begin - 9, begin + 9), dim=1) if breaks else None
        states = ode.fixed_steps(_switched, torch.zeros(2, 1).double(), times, step=step, args=(begin,), breaks=cuts)
        errors.append(float((states[:, -1] - (1 - torch.exp(begin - 3))).abs().max()))
    assert (errors[1] < errors[0] / 12 and errors[0] < 1e-5) if breaks else errors[1] > 1e-4


def test_other_times_do_not_move_an_answer():
    cuts = torch.tensor([[0.5], [0.81]], dtype=torch.float64)
    few, many = (
        ode.fixed_steps(_turning, _start(), times, step=0.3, breaks=cuts)
        for times in ([0.0, 0.7, 1.1], [0.0, 0.2, 0.7, 0.9, 1.1, 4.0])
    )
    assert torch.equal(few[:, 1:], many[:, [2, 4]])
    torch.testing.assert_close(few[:, 1, :1], (PHASES + 0.7).sin(), rtol=0, atol=3e-4)


def test_what_has_no_fixed_steps_is_refused():
    with pytest.raises(ConfigError, match="explicit method"):
        ode.check_fixed("rodas4", 0.1)
    with pytest.raises(ConfigError, match="too short"):
        ode.fixed_steps(_turning, _start(), [0.0, math.pi], step=1e-9)
