"""Fully implicit methods: order, stiff decay, gradients, the error estimate of Radau IIA(5); SciPy beside them."""

import math

import pytest
import torch
from ode_cases import coupled, coupled_exact, slope_of

from sciml import ode
from sciml.core.errors import UnknownNameError, UnsupportedError, UserError
from sciml.core.status import Status

DOUBLE = torch.float64
NAMES = [name for name, method in ode.METHODS.items() if isinstance(method, ode.Coupled)]
STIFFLY_ACCURATE = ("radauIIA5", "radauIIA3", "implicit_euler", "sdirk2")


def at(*times):
    return torch.tensor(times, dtype=DOUBLE)


@pytest.mark.parametrize("name", NAMES)
def test_they_have_their_order(name):
    method = ode.METHODS[name]
    start, end = coupled_exact([0.0, 1.0])
    counts = (20, 40, 60) if method.order == 1 else (8, 12, 16)
    errors = []
    for count in counts:
        with torch.no_grad():
            solved = ode.solve(coupled, start[None], at(0.0, 1.0), method=name, step=1 / count).check()
        errors.append(float((solved.states[0, -1] - end).norm()))
    assert slope_of([1 / n for n in counts], errors) == pytest.approx(method.order, abs=0.25)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_the_steps(name):
    rate = torch.tensor([[1.5], [0.5]], dtype=DOUBLE, requires_grad=True)
    y0 = coupled_exact([0.0, 0.1]).requires_grad_()

    def loss(y0, rate, gradient=None):
        solved = ode.solve(
            lambda t, y, r: r * coupled(t, y), y0, at(0.0, 0.3, 0.6), args=(0.5 * rate,), method=name, step=0.2,
            gradient=gradient or ode.Discrete(),
        )  # fmt: skip
        return solved.check().states.square().sum()

    found = [
        torch.autograd.grad(loss(y0, rate, gradient), (y0, rate))
        for gradient in (ode.Discrete(schedule="stacked"), ode.Discrete(schedule="graph"), ode.Checkpointed(budget=2))
    ]
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    with torch.no_grad():
        for tensor, got, place in ((y0, found[0][0], (1, 0)), (rate, found[0][1], (0, 0))):
            shift = torch.zeros_like(tensor)
            shift[place] = 1e-6
            pair = [loss(*(t + s * shift if t is tensor else t for t in (y0, rate))) for s in (1, -1)]
            assert float(got[place]) == pytest.approx(float(pair[0] - pair[1]) / 2e-6, rel=1e-5)


@pytest.mark.parametrize("name", STIFFLY_ACCURATE)
def test_stiff_components_die_in_one_step(name):
    with torch.no_grad():
        solved = ode.solve(lambda t, y: -1e8 * y, torch.ones(1, 1, dtype=DOUBLE), at(0.0, 1.0), method=name, step=0.5)
    assert abs(float(solved.check().states[0, -1, 0])) < 1e-6


def van_der_pol(t, y):
    x, v = y.unbind(1)
    return torch.stack([v, 1000 * (1 - x * x) * v - x], dim=1)


@pytest.mark.slow
@pytest.mark.parametrize("tolerance", [1e-4, 1e-6, 1e-8])
def test_the_error_of_radau_stays_below_the_tolerance(tolerance):
    """Van der Pol's equation at μ = 1000 and t = 2000, the value of the test set of Mazzia and Magherini."""
    with torch.no_grad():
        solved = ode.solve(van_der_pol, at(2.0, 0.0)[None], at(0.0, 2000.0), method="radauIIA5", rtol=tolerance,
                           atol=tolerance).check()  # fmt: skip
    assert float(solved.states[0, -1, 0]) == pytest.approx(1.706167732170483, abs=tolerance)


def test_radau_takes_large_steps_after_a_transient():
    with torch.no_grad():
        solved = ode.solve(
            lambda t, y: -1000 * (y - t.cos()[:, None]), torch.zeros(1, 1, dtype=DOUBLE), at(0.0, 2.0), rtol=1e-6,
            atol=1e-8, method="radauIIA5",
        ).check()  # fmt: skip
    exact = (1e6 * math.cos(2) + 1e3 * math.sin(2)) / (1e6 + 1)
    assert float(solved.states[0, -1, 0]) == pytest.approx(exact, abs=1e-7)
    assert int(solved.stats.accepted[0]) < 60


def test_second_derivatives_are_refused():
    y0 = torch.ones(1, 9, dtype=DOUBLE, requires_grad=True)
    solved = ode.solve(lambda t, y: -(y**2), y0, at(0.0, 1.0), method="radauIIA5")
    with pytest.raises(UserError, match="second derivatives of a fully implicit step"):
        torch.autograd.grad(solved.states.sum(), y0, create_graph=True)


@pytest.mark.parametrize("method", ["RK45", "Radau", "BDF", "LSODA"])
def test_scipy_solves_sample_by_sample(method):
    rate = torch.tensor([1.0, 50.0], dtype=DOUBLE)
    times = torch.stack([at(1.0, 0.5, 0.5, 0.0), at(0.3, 0.2, 0.1, 0.0)])
    solved = ode.solve(
        lambda t, y, r: -r[:, None] * (y - 1), torch.zeros(2, 2, dtype=DOUBLE), times, args=(rate,), method=method,
        rtol=1e-8, atol=1e-9, backend="scipy",
    ).check()  # fmt: skip
    exact = 1 - torch.exp(-rate[:, None] * (times - times[:, :1]))
    torch.testing.assert_close(solved.states, exact[..., None].expand(2, 4, 2), rtol=1e-5, atol=1e-5)
    assert bool((solved.stats.evaluations > 0).all())


def test_scipy_has_the_gradient_of_the_adjoint_and_no_other():
    rate = torch.tensor(0.7, dtype=DOUBLE, requires_grad=True)
    settings = {"method": "DOP853", "backend": "scipy", "rtol": 1e-9, "atol": 1e-10}
    y0, times = torch.ones(1, 1, dtype=DOUBLE), at(0.0, 2.0)
    solved = ode.solve(lambda t, y: -rate * y, y0, times, gradient=ode.Adjoint(), **settings)
    (slope,) = torch.autograd.grad(solved.states[0, -1, 0], rate)
    assert float(slope) == pytest.approx(-2 * math.exp(-1.4), rel=1e-7)
    lost = ode.solve(lambda t, y: -rate * y, y0, times, **settings)
    with pytest.raises(UnsupportedError, match=r"no gradient.*Adjoint"):
        lost.states.sum().backward()


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"method": "radau"}, UnknownNameError, "Did you mean 'Radau'"),
        ({"step": 0.1}, UnsupportedError, "fixed steps"),
        ({"record": True}, UnsupportedError, "records"),
        ({"dense": True}, UnsupportedError, "dense"),
        ({"event": ode.Event(lambda t, y: y[:, 0] - 1)}, UnsupportedError, "events"),
    ],
)
def test_what_scipy_is_not_asked_for(how, error, words):
    how = {"method": "LSODA", **how}
    with pytest.raises(error, match=words):
        ode.solve(lambda t, y: -y, torch.ones(1, 1, dtype=DOUBLE), at(0.0, 1.0), backend="scipy", **how)


def test_failures_of_scipy_are_status():
    y0 = torch.tensor([[2.0], [0.1]], dtype=DOUBLE)
    solved = ode.solve(lambda t, y: y**2, y0, at(0.0, 0.2, 1.0), method="RK45", backend="scipy")
    assert solved.status.tolist() == [Status.STEP_UNDERFLOW, Status.OK] and "SciPy stopped" in solved.failures[0]
    assert bool(solved.states[0, 1].isfinite().all()) and bool(solved.states[0, 2].isnan().all())
