"""References of problems with hidden terms, against other methods and finer grids."""

import sys

import pytest
import torch

from sciml import ode
from sciml.core import registry
from sciml.core.clock import Clock


def parts(name):
    problem = registry.find_problem(name)
    module = sys.modules[type(problem).__module__]
    return problem, module.equations, module.reference


@pytest.mark.parametrize("index", [0, 3])
def test_apoptosis_agrees_with_an_explicit_method(index):
    problem, equations, _ = parts("apoptosis_hidden")
    times = Clock(0.0, equations.END, equations.PACE).ticks(9)[:6]  # as far as an explicit method gets in no time
    start = torch.tensor([equations.STARTS[index]], dtype=torch.float64)

    def rate(time, state):
        return problem.rate_equation.known(time, state) + problem.rate_equation.hidden(state)

    with torch.no_grad():
        solved = ode.solve(rate, start, times, method="dopri8", rtol=1e-11, atol=1e-13)
    trajectory = problem.reference_trajectory(index, times[:, None])
    torch.testing.assert_close(trajectory, solved.states[0], rtol=1e-7, atol=1e-9)


def test_caspase_is_kept_and_spans_three_decades():
    problem, equations, _ = parts("apoptosis_hidden")
    states = problem.reference_trajectory(0, Clock(0.0, equations.END, equations.PACE).ticks(200)[:, None])
    torch.testing.assert_close(states[:, 1:].sum(1), states[0, 1:].sum().expand(200), rtol=1e-10, atol=0)
    assert float(states[-1, 0] / states[-1, 1]) > 1e3


def test_plumes_agree_on_a_finer_grid_and_with_their_own_derivatives():
    problem, equations, reference = parts("advection_diffusion_hidden")
    places = torch.rand(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    coarse = reference.values(places, equations.STARTS[0])
    fine = reference.values(places, equations.STARTS[0], 40)
    torch.testing.assert_close(coarse, fine, rtol=1e-7, atol=1e-8)
    fields = reference.fields(torch.tensor([0.5]), equations.STARTS[0])
    on_grid = problem.rate_equation.table(fields[:, None])[0, 3, 5]
    there = torch.tensor([[0.5, 3 / 32, 5 / 32]], dtype=torch.float64)
    torch.testing.assert_close(problem.reference_inputs(0, there)[0], on_grid, rtol=1e-9, atol=1e-9)


def test_the_amount_grows_as_the_hidden_part_says():
    """Wind and diffusion carry nothing out of a periodic square: d/dt ∫ c = ∫ H."""
    problem, equations, reference = parts("advection_diffusion_hidden")
    step = 1e-3
    before, now, after = reference.fields(torch.tensor([0.4 - step, 0.4, 0.4 + step]), equations.STARTS[0])
    grown = float((after - before).mean()) / (2 * step)
    columns = problem.rate_equation.table(now[None, None]).flatten(0, -2)
    assert grown == pytest.approx(float(problem.rate_equation.hidden(columns).mean()), rel=1e-5)
