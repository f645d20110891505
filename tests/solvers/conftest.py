"""Grids, problems and contexts that the solver tests share."""

import pytest
import torch

from sciml.core import registry
from sciml.core.capabilities import HasTrajectories
from sciml.core.problem import Field
from sciml.core.types import Axis, Grid
from sciml.data import Statistics
from sciml.tasks.forecast import ForecastContext


def make_grid(height, width, y="periodic", x="periodic"):
    return Grid((Axis("y", height, 0.0, 1.0, y), Axis("x", width, 0.0, 1.0, x)))


@pytest.fixture
def grid():
    return make_grid


@pytest.fixture
def problem(advection):
    """Two fields, one parameter, periodic."""
    return registry.find_problem(advection)


@pytest.fixture
def bare():
    """Three fields and no parameters: all a network asks of a problem."""
    return HasTrajectories(
        name="bare",
        title="bare",
        equation="",
        fields=tuple(Field(name, name, "1", name) for name in "abc"),
        boundary={"y": "periodic", "x": "periodic"},
        citation="",
    )


@pytest.fixture
def context():
    """What a forecaster knows of data on a grid, with trivial statistics."""

    def make(grid, *, history=2, fields=2, parameters=1):
        statistics = Statistics(
            torch.zeros(fields), torch.ones(fields), torch.zeros(parameters), torch.ones(parameters)
        )
        return ForecastContext(grid=grid, statistics=statistics, history=history, dt=0.25, steps=8)

    return make
