"""References of problems with hidden terms, against other methods and finer grids."""

import sys

import pytest
import torch

from sciml import ode
from sciml.core import registry


def parts(name):
    problem = registry.problem(name)
    module = sys.modules[type(problem).__module__]
    return problem, module.equations, module.reference


@pytest.mark.parametrize("index", [0, 3])
def test_apoptosis_agrees_with_an_explicit_method(index):
    _, equations, reference = parts("apoptosis_hidden")
    times = equations.times(9)[:6]  # as far as an explicit method gets in no time
    start = torch.tensor([equations.STARTS[index]], dtype=torch.float64)

    def rate(time, state):
        return equations.known(state) + equations.hidden(state)

    with torch.no_grad():
        solved = ode.solve(rate, start, times, method="dopri8", rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(reference.states(equations.STARTS[index], times), solved.states[0], rtol=1e-7, atol=1e-9)


def test_caspase_is_kept_and_spans_three_decades():
    _, equations, reference = parts("apoptosis_hidden")
    states = reference.states(equations.STARTS[0], equations.times(200))
    torch.testing.assert_close(states[:, 1:].sum(1), states[0, 1:].sum().expand(200), rtol=1e-10, atol=0)
    assert float(states[-1, 0] / states[-1, 1]) > 1e3


def test_plumes_agree_on_a_finer_grid_and_with_their_own_derivatives():
    _, equations, reference = parts("advection_diffusion_hidden")
    where = torch.rand(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    coarse = reference.inputs(where, equations.STARTS[0])
    fine = reference.inputs(where, equations.STARTS[0], 40)
    torch.testing.assert_close(coarse, fine, rtol=1e-7, atol=1e-8)
    on_grid = reference.spread(reference.fields(torch.tensor([0.5]), equations.STARTS[0]))[0, 3, 5]
    there = torch.tensor([[0.5, 3 / 32, 5 / 32]], dtype=torch.float64)
    torch.testing.assert_close(reference.inputs(there, equations.STARTS[0])[0], on_grid, rtol=1e-9, atol=1e-9)


def test_the_amount_grows_as_the_hidden_part_says():
    """Wind and diffusion carry nothing out of a periodic square: d/dt ∫ c = ∫ H."""
    _, equations, reference = parts("advection_diffusion_hidden")
    step = 1e-3
    before, now, after = reference.fields(torch.tensor([0.4 - step, 0.4, 0.4 + step]), equations.STARTS[0])
    grown = float((after - before).mean()) / (2 * step)
    assert grown == pytest.approx(float(equations.hidden(now[..., None]).mean()), rel=1e-5)
