"""`EquationFinder` on plain arrays: no run, no registered problem, no command line."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from sciml.core.errors import UserError
from sciml.discovery import EquationFinder, MeasuredTerm, TableData

TIMES = np.linspace(0, 3, 16)


def rate(t, u):
    return [1.3 * u[0] - 0.9 * u[0] * u[1], -1.8 * u[1] + 0.8 * u[0] * u[1]]


def orbits(starts):
    return [solve_ivp(rate, (0, 3), start, t_eval=TIMES, rtol=1e-9, atol=1e-9).y.T for start in starts]


@pytest.fixture
def table():
    states = orbits([(0.44, 4.6), (1.5, 1.0), (3.0, 2.0), (1.0, 3.0)])
    rows = tuple(torch.from_numpy(np.column_stack([TIMES, orbit])) for orbit in states)
    return TableData(title="orbits", columns=("x", "y"), known="x' = 1.3*x; y' = -1.8*y", trajectories=rows)


def measure(problem):
    """The hidden term as somebody's method has it: here the truth, one per cent off."""
    states = torch.cat([entry.values for entry in problem.tables])
    product = states[:, 0] * states[:, 1] * (1 + 0.01 * torch.linspace(0, 9, len(states)).sin())
    which = torch.arange(len(problem.tables)).repeat_interleave(len(TIMES))
    return MeasuredTerm(which, states, torch.stack([-0.9 * product, 0.8 * product], dim=1))


def test_formulas_come_out_of_arrays(table):
    problem = table.problem()
    said = []
    finder = EquationFinder(problem, engine="sparse", log=said.append)
    assert finder.named is None
    assert finder.equations() == []
    finder.fit(problem.tables, measure(problem))
    assert finder.named.identifiability.identifiable
    assert finder.equations(2) == ["x' = 1.3*x + (-0.9*x*y)", "y' = -1.8*y + (0.8*x*y)"]
    assert finder.named.trial.error < 0.01
    assert said[0].startswith("identifiable")


def test_one_trajectory_gives_no_formula_and_no_equation(table):
    alone = table.model_copy(update={"trajectories": table.trajectories[:1]}).problem()
    finder = EquationFinder(alone, engine="sparse").fit(alone.tables, measure(alone))
    assert not finder.named.identifiability.identifiable
    assert finder.equations() == []


def test_an_engine_that_does_not_exist_is_an_error(table):
    with pytest.raises((UserError, ValueError), match="operon"):
        EquationFinder(table.problem(), engine="operom")
