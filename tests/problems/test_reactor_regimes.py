"""Regimes of the reactor: against roots and eigenvalues found by other means, and against the reactor running."""

import importlib

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from sciml.core import registry

PROBLEM = registry.problem("reactor_regimes")
equations = importlib.import_module("sciml_problems.reactor_regimes.equations")
EXTINGUISHED, IGNITED, BISTABLE, OSCILLATING = range(4)


@pytest.fixture(scope="module")
def samples():
    return PROBLEM.samples()


def test_every_regime_has_as_many_points(samples):
    points, labels = samples
    assert points.shape == (3600, 4)
    assert points.dtype == torch.float32
    assert torch.bincount(labels).tolist() == [900] * 4


def slopes(point, state):
    logarithm, rise, cooling, activation = (torch.tensor(float(value), dtype=torch.float64) for value in point)
    return equations.slopes(torch.as_tensor(state), logarithm.exp(), rise, cooling, activation)


@pytest.mark.parametrize("label", range(4))
def test_steady_states_and_eigenvalues_are_those_of_the_class(samples, label):
    points, labels = samples
    for point in points[labels == label][:6].double():
        rise, cooling = float(point[1]), float(point[2])

        def residual(x, point=point, rise=rise, cooling=cooling):
            return float(slopes(point, [x, rise * x / (1 + cooling)])[0])

        grid = np.linspace(1e-6, 1 - 1e-6, 1501)
        values = [residual(x) for x in grid]
        roots = [
            brentq(residual, a, b) for a, b, u, v in zip(grid, grid[1:], values, values[1:], strict=False) if u * v < 0
        ]
        if label == BISTABLE:
            assert len(roots) == 3
            continue
        (root,) = roots
        state = torch.tensor([root, rise * root / (1 + cooling)], dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(lambda s, point=point: slopes(point, s), state)
        growth = float(torch.linalg.eigvals(jacobian).real.max())
        assert (growth > 0) == (label == OSCILLATING)
        if label != OSCILLATING:
            assert (root > 0.5) == (label == IGNITED)


def test_a_running_reactor_settles_or_goes_on_oscillating(samples):
    points, labels = samples
    for label in (EXTINGUISHED, IGNITED, OSCILLATING):
        point = points[labels == label][3].double()
        path = solve_ivp(
            lambda t, s, p=point: slopes(p, s).numpy(),
            (0, 60),
            [0.0, 0.0],
            "LSODA",
            np.linspace(45, 60, 200),
            rtol=1e-8,
        )
        x = path.y[0]
        assert (np.ptp(x) > 0.01) == (label == OSCILLATING)
        if label != OSCILLATING:
            assert (x[-1] > 0.5) == (label == IGNITED)
