"""Every method keeps what it claims: its order, that of its error estimate and dense output, its stability."""

import numpy as np
import pytest
import torch
from ode_cases import coupled, coupled_exact, density, matrix, slope_of, stage_weights, trees
from scipy.optimize import brentq

from sciml import ode
from sciml.ode import FIXED_METHODS, METHODS, Explicit

EXPLICIT = {m.name: m for m in (*METHODS.values(), *FIXED_METHODS.values()) if isinstance(m, Explicit)}

COUNTS = {
    1: (80, 113, 160, 226),
    2: (20, 28, 40, 57),
    3: (12, 17, 24, 34),
    4: (24, 34, 48, 68),
    5: (20, 28, 40, 57),
    8: (6, 8, 11, 15),
}
DENSE_ORDER = {
    "dopri5": 4,
    "tsit5": 4,
    "bosh3": 3,
    "dopri8": 3,
    "rk4": 3,
    "rk38": 3,
    "heun3": 3,
    "fehlberg2": 2,
    "heun": 2,
    "midpoint": 2,
    "euler": 1,
}


@pytest.mark.parametrize("name", EXPLICIT)
def test_the_error_falls_with_the_order_claimed(name):
    method = EXPLICIT[name]
    start, end = coupled_exact([0.0, 1.0])
    counts = COUNTS[method.order]
    errors = []
    for count in counts:
        solution = ode.solve(coupled, start[None], torch.tensor([0.0, 1.0]), method=method, step=1 / count).check()
        errors.append(float((solution.states[0, 1] - end).norm()))
    assert slope_of([1 / n for n in counts], errors) == pytest.approx(method.order, abs=0.25)


@pytest.mark.parametrize("name", [name for name, method in EXPLICIT.items() if method.adaptive])
def test_the_error_estimate_falls_with_the_order_claimed(name):
    method = EXPLICIT[name]
    begin = torch.tensor([1.5] if method.order > 5 else [0.1, 0.4, 0.8, 1.1], dtype=torch.float64)
    state = coupled_exact(begin)
    sizes = [0.4, 0.3, 0.2, 0.15] if method.order > 5 else [0.08, 0.06, 0.04, 0.03]
    errors = []
    for size in sizes:
        with torch.no_grad():
            step = method.step(coupled, begin, torch.full_like(begin, size), state, coupled(begin, state))
        errors.append(float(step.error.norm()))
    assert slope_of(sizes, errors) == pytest.approx(method.error_order, abs=0.25)


@pytest.mark.parametrize("name", EXPLICIT)
def test_the_order_conditions_hold(name):
    method = EXPLICIT[name]
    table = method.tableau
    a, b = matrix(table), np.array(table.b)
    assert np.allclose(a.sum(1), table.c, rtol=0, atol=1e-14)
    for order in range(1, method.order + 1):
        for tree in trees(order):
            assert b @ stage_weights(tree, a) == pytest.approx(1 / density(tree), abs=2e-14)
    if table.error is not None:
        embedded = b - np.array(table.error)
        assert sum(table.error) == pytest.approx(0, abs=1e-14)
        for order in range(1, method.error_order):
            for tree in trees(order):
                assert embedded @ stage_weights(tree, a) == pytest.approx(1 / density(tree), abs=2e-14)


def test_the_number_of_trees():
    assert [len(trees(order)) for order in range(1, 9)] == [1, 1, 2, 4, 9, 20, 48, 115]


@pytest.mark.parametrize("name", EXPLICIT)
def test_the_order_is_not_higher_than_claimed(name):
    method = EXPLICIT[name]
    a, b = matrix(method.tableau), np.array(method.tableau.b)
    missed = [abs(b @ stage_weights(tree, a) - 1 / density(tree)) for tree in trees(method.order + 1)]
    assert max(missed) > 1e-7


def test_nodes_are_those_of_the_papers():
    assert EXPLICIT["dopri5"].tableau.c == pytest.approx((0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1), abs=1e-15)
    assert EXPLICIT["tsit5"].tableau.c == pytest.approx((0, 0.161, 0.327, 0.9, 0.9800255409045097, 1, 1), abs=1e-14)
    assert EXPLICIT["bosh3"].tableau.c == pytest.approx((0, 1 / 2, 3 / 4, 1), abs=1e-15)
    eighth = (0, 1 / 18, 1 / 12, 1 / 8, 5 / 16, 3 / 8, 59 / 400, 93 / 200, 5490023248 / 9719169821, 13 / 20)
    assert EXPLICIT["dopri8"].tableau.c == pytest.approx((*eighth, 1201146811 / 1299019798, 1, 1, 1), abs=1e-14)


@pytest.mark.parametrize("name", EXPLICIT)
def test_the_dense_output_has_its_order(name):
    table = EXPLICIT[name].tableau
    a = matrix(table)
    powers = np.arange(1, len(table.dense[0]) + 1)
    for theta in (0.1, 0.5, 0.77, 1.0):
        weights = np.array(table.dense) @ theta**powers
        for order in range(1, DENSE_ORDER[name] + 1):
            for tree in trees(order):
                wanted = theta**order / density(tree)
                assert weights @ stage_weights(tree, a) == pytest.approx(wanted, abs=1e-13)
    assert np.array(table.dense).sum(1) == pytest.approx(np.array(table.b), abs=1e-13)


@pytest.mark.parametrize("name", EXPLICIT)
def test_the_dense_output_is_what_interpolate_gives(name):
    method = EXPLICIT[name]
    begin = torch.tensor([0.3], dtype=torch.float64)
    state = coupled_exact(begin)
    sizes = (0.2, 0.14, 0.1, 0.07)
    for gradients in (False, True):
        errors = []
        for size in sizes:
            h = torch.full_like(begin, size)
            with torch.set_grad_enabled(gradients):
                step = method.step(coupled, begin, h, state, coupled(begin, state))
                between = method.interpolate(step, state, h, torch.full_like(begin, 0.3))
            errors.append(float((between - coupled_exact(begin + 0.3 * h)).norm()))
        assert slope_of(sizes, errors) == pytest.approx(DENSE_ORDER[name] + 1, abs=0.4)
        ends = [method.interpolate(step, state, h, torch.full_like(begin, x)) for x in (0.0, 1.0)]
        assert torch.allclose(ends[0], state, rtol=0, atol=1e-15) and torch.equal(ends[1], step.state)


@pytest.mark.parametrize("name", EXPLICIT)
def test_the_claimed_reach_on_the_negative_axis(name):
    method = EXPLICIT[name]
    assert method.stability == pytest.approx(_reach(method), abs=2e-4)


def _reach(method: Explicit) -> float:
    """Where |R(-x)| = 1 first, R being the stability polynomial Σ bᵀ a^k 1 z^(k+1) + 1."""
    a, b = matrix(method.tableau), np.array(method.tableau.b)
    coefficients, vector = [1.0], np.ones(len(b))
    for _ in range(len(b)):
        coefficients.append(b @ vector)
        vector = a @ vector

    def beyond(x: float) -> float:
        return abs(np.polyval(coefficients[::-1], -x)) - 1

    grid = np.linspace(0.05, 40, 8000)
    values = np.array([beyond(x) for x in grid])
    first = int(np.argmax(values > 1e-9))
    assert first > 0
    return brentq(beyond, grid[first - 1], grid[first])


@pytest.mark.parametrize("name", EXPLICIT)
def test_the_last_stage_is_the_slope_of_the_next_step(name):
    method = EXPLICIT[name]
    asked = []

    def f(time, state):
        asked.append((time.clone(), state.clone()))
        return coupled(time, state)

    begin = torch.tensor([0.2, 0.6], dtype=torch.float64)
    h = torch.tensor([0.05, 0.1], dtype=torch.float64)
    state = coupled_exact(begin)
    step = method.step(f, begin, h, state, coupled(begin, state))
    assert len(asked) == step.evaluations == method.tableau.stages - 1
    assert torch.equal(asked[-1][1], step.state)
    assert torch.allclose(asked[-1][0], begin + h, rtol=0, atol=1e-15)
    assert torch.equal(step.slope, coupled(asked[-1][0], step.state))
    assert method.tableau.a[-1] == method.tableau.b[:-1] and method.tableau.b[-1] == 0


@pytest.mark.parametrize("name", EXPLICIT)
def test_both_ways_of_summing_agree(name):
    method = EXPLICIT[name]
    begin = torch.tensor([0.2, 0.6], dtype=torch.float64)
    h, state = torch.full_like(begin, 0.1), coupled_exact(begin)
    with torch.no_grad():
        fast = method.step(coupled, begin, h, state, coupled(begin, state), stiffness=True)
        slow = method.step(coupled, begin, h, state, coupled(begin, state), stiffness=True, repeatable=True)
    assert torch.allclose(fast.state, slow.state, rtol=1e-14, atol=0)
    if fast.error is not None:
        assert torch.allclose(fast.error, slow.error, rtol=1e-9, atol=1e-15)
    if fast.stiffness is not None:
        assert torch.allclose(fast.stiffness, slow.stiffness, rtol=1e-6)
