"""The SDE integrators: coefficients, strong and weak order, adaptivity, the record of steps, status, torchsde."""

import itertools
import math

import numpy as np
import pytest
import torch
from sde_cases import CASES, GEOMETRIC, MU, SIGMA

from sciml.core.errors import ConfigError
from sciml.core.status import Status
from sciml.ode import SDE_METHODS, SRI, Brownian, solve_sde

D = torch.float64
ADAPTIVE = [name for name, method in SDE_METHODS.items() if method.adaptive]
RUNGE_KUTTA = [name for name, method in SDE_METHODS.items() if isinstance(method, SRI)]


def times(*values):
    return torch.tensor(values, dtype=D)


def start(case, rows):
    return torch.full((rows, 1), case.start, dtype=D)


# --- coefficients ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_coefficients_fulfil_the_conditions_of_strong_order_one_and_a_half(name):
    """Rößler (2010), theorem 5.2 for diagonal noise: 25 equations in the coefficients."""
    table = SDE_METHODS[name].tableau

    def square(rows):
        return np.array([[*row, *[0.0] * (4 - len(row))] for row in rows])

    a0, a1, b0, b1 = (square(rows) for rows in (table.a0, table.a1, table.b0, table.b1))
    alpha, *betas = (np.array(row) for row in (table.alpha, table.beta1, table.beta2, table.beta3, table.beta4))
    e = np.ones(4)
    faults = [alpha @ e - 1, alpha @ a0 @ e - 1 / 2, alpha @ b0 @ e - 1, alpha @ (b0 @ e) ** 2 - 3 / 2]
    for beta, sums in zip(
        betas,
        # e, B1 e, A1 e, (B1 e)², B1 B1 e
        ((1, 0, 1, 1, 0), (0, 1, 0, 0, 0), (0, 0, -1, -1, 0), (0, 0, 0, 2, 1)),
        strict=True,
    ):
        products = (beta @ e, beta @ b1 @ e, beta @ a1 @ e, beta @ (b1 @ e) ** 2, beta @ b1 @ b1 @ e)
        faults += [value - wanted for value, wanted in zip(products, sums, strict=True)]
    faults.append(betas[0] @ a1 @ b0 @ e / 2 + betas[2] @ a1 @ b0 @ e / 3)
    assert len(faults) == 25
    assert np.abs(faults).max() < 1e-12


def test_what_each_method_evaluates():
    """Drift and diffusion per step; SRIW1 and SRK leave out drifts that have no weight anywhere."""
    expected = {"sosri": (4, 4), "sosri2": (4, 4), "sriw1": (2, 4), "srk": (3, 4), "milstein": (1, 2), "euler": (1, 1)}
    for name, (drifts, diffusions) in expected.items():
        solution = solve_sde(
            GEOMETRIC.drift, GEOMETRIC.diffusion, start(GEOMETRIC, 2), times(0, 1), method=name, step=0.125, seed=0
        )
        assert solution.stats.accepted.tolist() == [8, 8]
        assert solution.stats.evaluations.tolist() == [8 * drifts] * 2
        assert solution.stats.calls == 8 * (drifts + diffusions)


@pytest.mark.parametrize("name", SDE_METHODS)
def test_the_drift_is_stable_as_far_as_claimed(name):
    """Without noise |y1/y0| <= 1 for y' = -z y, h = 1, up to the claimed z and not beyond."""
    reach = SDE_METHODS[name].stability
    rates = torch.cat([torch.linspace(0.01, reach - 2e-3, 200, dtype=D), torch.tensor([reach + 2e-3], dtype=D)])
    y0 = torch.ones(len(rates), dtype=D)
    solution = solve_sde(
        lambda t, y, z: -z * y, lambda t, y, z: 0 * y, y0, times(0, 1), args=(rates,), method=name, step=1, seed=0
    )
    growth = solution.states[:, -1].abs()
    assert growth[:-1].max() <= 1 + 1e-12
    assert growth[-1] > 1


# --- orders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", SDE_METHODS)
def test_strong_order(name, case):
    """Slope of the mean error at the end along 400 paths; the additive ``timed`` case may be of higher order."""
    problem, claimed = CASES[case], SDE_METHODS[name].order
    paths = Brownian([0.0, 1.0], (400, 1), seed=1, dtype=D)
    exact = problem.exact(1.0, paths(0.0, 1.0).w)
    sizes = [2.0**-k for k in range(6, 2, -1)]
    errors = []
    for size in sizes:
        solution = solve_sde(
            problem.drift,
            problem.diffusion,
            start(problem, 400),
            times(0, 1),
            method=name,
            step=size,
            brownian=paths,
        )
        errors.append(float((solution.states[:, -1] - exact).abs().mean()))
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert slope > claimed - 0.25, errors
    if case != "timed":
        assert slope < claimed + 0.25, errors


@pytest.mark.parametrize("name", SDE_METHODS)
def test_weak_moments(name):
    """Mean and variance of geometric Brownian motion and of an Ornstein-Uhlenbeck process within 3 standard errors."""
    rows = 8000
    method = {"step": 1 / 64} if not SDE_METHODS[name].adaptive else {"rtol": 0.05, "atol": 0.05}
    mu, sigma, pull, noise = 0.3, 0.4, 1.0, 0.6
    factor = times(1.0, 0.0)
    solution = solve_sde(
        lambda t, y: mu * factor * y - pull * (1 - factor) * y,
        lambda t, y: sigma * factor * y + noise * (1 - factor),
        torch.ones(rows, 2, dtype=D),
        times(0, 0.5, 1),
        method=name,
        seed=3,
        **method,
    )
    end = solution.states[:, -1]
    mean = times(math.exp(mu), math.exp(-pull))
    variance = times(math.exp(2 * mu) * (math.exp(sigma**2) - 1), noise**2 * (1 - math.exp(-2 * pull)) / (2 * pull))
    centred = end - end.mean(0)
    spread = (centred.pow(4).mean(0) - centred.square().mean(0) ** 2).sqrt() / math.sqrt(rows)
    assert ((end.mean(0) - mean).abs() < 3 * (variance / rows).sqrt()).all()
    assert ((end.var(0) - variance).abs() < 3 * spread).all()


def test_moments_hold_through_rejected_steps():
    """E y = e^μ also where the noise makes steps fail."""
    rows = 20_000
    solution = solve_sde(
        lambda t, y: 0.1 * y,
        lambda t, y: 1.2 * y,
        torch.ones(rows, 1, dtype=D),
        times(0, 1),
        method="sriw1",
        rtol=0.02,
        atol=0.02,
        seed=8,
    )
    assert int(solution.stats.rejected[0]) >= 1
    deviation = math.sqrt(math.exp(0.2) * (math.exp(1.44) - 1) / rows)
    assert abs(float(solution.states[:, -1].mean()) - math.exp(0.1)) < 3 * deviation


# --- adaptivity -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["geometric", "hyperbolic"])
@pytest.mark.parametrize("name", ADAPTIVE)
def test_the_error_follows_the_tolerance(name, case):
    """Along the same path at the requested times, whatever the tolerance: below it, and falling with it."""
    problem = CASES[case]
    wanted = times(0, 0.5, 1)
    exact = problem.exact(1.0, Brownian(wanted.tolist(), (100, 1), seed=1, dtype=D)(0.0, 1.0).w)
    errors, counts = [], []
    tolerances = (0.3, 0.1, 0.03) if case == "geometric" else (0.5, 0.2, 0.06)
    for tolerance in tolerances:
        solution = solve_sde(
            problem.drift,
            problem.diffusion,
            start(problem, 100),
            wanted,
            method=name,
            rtol=tolerance,
            atol=tolerance,
            seed=1,
        )
        errors.append(float(((solution.states[:, -1] - exact) / (1 + exact.abs())).abs().mean()))
        counts.append(int(solution.stats.accepted[0]))
    assert all(error < 0.5 * tolerance for error, tolerance in zip(errors, tolerances, strict=True))
    assert errors[2] < 0.2 * errors[0]
    assert counts[0] < counts[1] < counts[2]


def noisy(seed=0, **options):
    """An equation whose noise makes steps fail now and then."""
    settings = {"method": "sriw1", "rtol": 0.1, "atol": 0.1} | options
    return solve_sde(
        lambda t, y: -y / 2,
        lambda t, y: 3 * y.sin(),
        torch.ones(50, 2, dtype=D),
        times(0, 0.4, 1),
        seed=seed,
        **settings,
    )


def test_equal_seeds_give_equal_bits_through_rejections():
    first, second, other = noisy(), noisy(), noisy(seed=1)
    assert int(first.stats.rejected[0]) > 0
    assert torch.equal(first.states, second.states)
    assert not torch.equal(first.states[:, 1:], other.states[:, 1:])


def test_steps_add_up_to_the_requested_times_and_the_error_of_all_is_below_one():
    solution = noisy(record=True)
    steps = solution.steps
    assert steps.taken.all()
    ends = steps.time + steps.size
    torch.testing.assert_close(steps.time[:, 1:], ends[:, :-1], rtol=0, atol=1e-15)
    assert steps.time[0, 0] == 0
    assert ends[0, -1] == 1
    assert (steps.time[0] == 0.4).any(), "steps end on the requested times"
    assert (steps.error.square().mean(0).sqrt() <= 1).all()
    assert (steps.error > 1).any(), "single samples may exceed it"
    assert steps.error.shape == (50, int(solution.stats.accepted[0]))


def test_recording_changes_nothing():
    with_record, without = noisy(record=True), noisy()
    assert torch.equal(with_record.states, without.states)
    assert torch.equal(with_record.stats.accepted, without.stats.accepted)


# --- the record, from scratch ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_states_errors_and_stiffness_are_those_of_the_formulas(name):
    """Every accepted step computed anew from the printed formulas, with plain loops."""
    wanted, rtol, atol = times(0, 0.5, 1), 0.2, 0.1
    generator = torch.Generator().manual_seed(2)
    matrix = torch.randn(3, 3, generator=generator, dtype=D)

    def drift(t, y):
        return torch.tanh(y @ matrix) * (1 + t[:, None]) - y

    def diffusion(t, y):
        return 0.5 * torch.cos(y) * (1 + t[:, None] ** 2)

    y = torch.randn(4, 3, generator=generator, dtype=D)
    paths = Brownian(wanted.tolist(), (4, 3), seed=6, dtype=D)
    method = SDE_METHODS[name]
    fixed = None if method.adaptive else 0.05
    solution = solve_sde(
        drift, diffusion, y, wanted, method=name, rtol=rtol, atol=atol, brownian=paths, record=True, step=fixed
    )
    table, steps = method.tableau, solution.steps
    bounds = [*steps.time[0].tolist(), 1.0]
    assert len(bounds) >= 6
    for number, (s, e) in enumerate(itertools.pairwise(bounds)):
        h = e - s
        w, u = paths(s, e).w, paths(s, e).u
        chi = (w, (w * w - h) / (2 * math.sqrt(h)), u / h, (w**3 - 3 * h * w) / (6 * h))
        f, g, arguments = [], [], []
        for i in range(4):
            first = y + h * sum(a * k for a, k in zip(table.a0[i], f, strict=True))
            first = first + chi[2] * sum(b * k for b, k in zip(table.b0[i], g, strict=True))
            second = y + h * sum(a * k for a, k in zip(table.a1[i], f, strict=True))
            second = second + math.sqrt(h) * sum(b * k for b, k in zip(table.b1[i], g, strict=True))
            arguments.append(first)
            f.append(drift(torch.full((4,), s + h * sum(table.a0[i]), dtype=D), first))
            g.append(diffusion(torch.full((4,), s + h * sum(table.a1[i]), dtype=D), second))
        betas = (table.beta1, table.beta2, table.beta3, table.beta4)
        e2 = sum(betas[m][i] * chi[m] * g[i] for m in (2, 3) for i in range(4))
        new = y + h * sum(a * k for a, k in zip(table.alpha, f, strict=True)) + e2
        new = new + sum(betas[m][i] * chi[m] * g[i] for m in (0, 1) for i in range(4))
        used = {"sosri": (0, 1, 2, 3), "sosri2": (0, 1, 2, 3), "sriw1": (0, 1), "srk": (0, 1, 2)}[name]
        e1 = h * sum(f[i] for i in used)
        delta = 1 / 6 if name == "sriw1" else 1.0
        scale = atol + rtol * torch.maximum(y.abs(), new.abs())
        error = ((delta * e1.abs() + e2.abs()) / scale).square().mean(1).sqrt()
        torch.testing.assert_close(steps.error[:, number], error, rtol=1e-12, atol=1e-12)
        i, j = (3, 2) if name == "sosri2" else ({"sosri": 2, "sriw1": 1, "srk": 2}[name], 0)
        moment = torch.full((4,), s + h * sum(table.a0[i]), dtype=D)
        difference = drift(moment, arguments[i]) - drift(moment, arguments[j])
        ratio = difference.norm(dim=1) / (arguments[i] - arguments[j]).norm(dim=1)
        torch.testing.assert_close(steps.stiffness[:, number], ratio, rtol=1e-9, atol=0)
        y = new
    torch.testing.assert_close(solution.states[:, -1], y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_stiffness_of_a_linear_drift_is_its_rate(name):
    solution = solve_sde(
        lambda t, y: -50 * y + t[:, None],
        lambda t, y: 0.1 * y,
        torch.ones(3, 2, dtype=D),
        times(0, 0.1),
        method=name,
        step=0.01,
        record=True,
        seed=0,
    )
    torch.testing.assert_close(solution.steps.stiffness, torch.full((3, 10), 50.0, dtype=D), rtol=1e-9, atol=0)


def test_without_drift_and_with_additive_noise_nothing_is_to_be_controlled():
    """E and S are zero, not NaN, and so are their gradients."""
    level = torch.tensor(0.3, dtype=D, requires_grad=True)
    solution = solve_sde(
        lambda t, y: 0 * level * y,
        lambda t, y: level.expand_as(y),
        torch.zeros(2, 1, dtype=D),
        times(0, 1),
        record=True,
        seed=0,
    )
    assert solution.steps.error.abs().max() < 1e-12
    assert solution.steps.stiffness.abs().max() == 0
    (gradient,) = torch.autograd.grad((solution.steps.error + solution.steps.stiffness).sum(), level)
    assert gradient.isfinite()


def test_zero_noise_gives_the_ordinary_equation():
    """y' = -y with order 2 or more in the drift for the Runge-Kutta methods."""
    for name in RUNGE_KUTTA:
        errors = []
        for size in (0.1, 0.05):
            solution = solve_sde(
                lambda t, y: -y,
                lambda t, y: 0 * y,
                torch.ones(1, 1, dtype=D),
                times(0, 1),
                method=name,
                step=size,
                seed=0,
            )
            errors.append(abs(float(solution.states[0, -1]) - math.exp(-1)))
        assert math.log2(errors[0] / errors[1]) > 1.8


# --- shapes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, D])
def test_any_shape_of_state_and_both_precisions(shape, dtype):
    rate = torch.linspace(0.1, 1, 4, dtype=dtype)
    seen = set()

    def drift(t, y, rate):
        seen.add((tuple(t.shape), tuple(y.shape), t.dtype))
        return -rate.view(-1, *[1] * len(shape)) * y

    solution = solve_sde(
        drift,
        lambda t, y, rate: 0.2 * y,
        torch.ones(4, *shape, dtype=dtype),
        times(0, 0.5, 1),
        args=(rate,),
        method="sriw1",
        seed=0,
    )
    assert solution.states.shape == (4, 3, *shape)
    assert solution.states.dtype == dtype
    assert seen == {((4,), (4, *shape), dtype)}
    assert torch.equal(solution.states[:, 0], torch.ones(4, *shape, dtype=dtype))


# --- status ---------------------------------------------------------------------------------------------------------


def test_a_sample_that_blows_up_leaves_and_the_others_go_on():
    """y' = y² from 2 is infinite at t = 0.5; the other rows keep their own arguments after it left."""
    strength = times(0.0, 1.0, 0.0)
    y0 = torch.tensor([[1.0], [2.0], [3.0]], dtype=D)
    for options in ({"method": "sriw1", "rtol": 0.1, "atol": 0.1}, {"method": "srk", "step": 0.02}):
        solution = solve_sde(
            lambda t, y, k: k[:, None] * y**2 - (1 - k[:, None]) * y,
            lambda t, y, k: 0.01 * (1 - k[:, None]) * y,
            y0,
            times(0, 0.25, 0.75, 1),
            args=(strength,),
            record=True,
            max_steps=100_000,
            seed=0,
            **options,
        )
        assert solution.status[0] == solution.status[2] == Status.OK
        assert solution.status[1] in (Status.DIVERGED, Status.STEP_UNDERFLOW)
        assert solution.states[1, :2].isfinite().all()
        assert solution.states[1, 2:].isnan().all()
        expected = y0[[0, 2]] * math.exp(-1)
        torch.testing.assert_close(solution.states[[0, 2], -1], expected, rtol=0.05, atol=0)
        assert list(solution.failures) == [1]
        assert "component 0" in solution.failures[1]
        assert solution.steps.taken[1].sum() == solution.stats.accepted[1] < solution.stats.accepted[0] < 100
        assert (solution.steps.error[1][~solution.steps.taken[1]] == 0).all()
        assert solution.stats.evaluations[1] < solution.stats.evaluations[0]


def test_an_initial_state_that_is_not_finite_is_a_status():
    y0 = torch.tensor([[math.nan], [1.0]], dtype=D)
    solution = solve_sde(GEOMETRIC.drift, GEOMETRIC.diffusion, y0, times(0, 1), seed=0)
    assert solution.status.tolist() == [Status.DIVERGED, Status.OK]
    assert solution.states[1].isfinite().all()
    assert "initial state" in solution.failures[0]


def test_a_step_that_vanishes_is_a_status():
    """A diffusion that jumps on the finest scale cannot meet the tolerance for any step."""
    solution = solve_sde(
        lambda t, y: 0 * y,
        lambda t, y: 1 + torch.sin(1e30 * y) * torch.tensor([[0.0], [1.0]], dtype=D)[-len(y) :],
        torch.ones(2, 1, dtype=D),
        times(0, 1),
        rtol=0.0,
        atol=1e-9,
        method="sriw1",
        seed=0,
    )
    assert solution.status[1] == Status.STEP_UNDERFLOW
    assert "shrank" in solution.failures[1]


def test_a_spent_budget_is_a_status():
    solution = solve_sde(
        GEOMETRIC.drift,
        GEOMETRIC.diffusion,
        start(GEOMETRIC, 2),
        times(0, 0.1, 1),
        rtol=1e-6,
        atol=1e-6,
        max_steps=50,
        seed=0,
    )
    assert solution.status.tolist() == [Status.MAX_STEPS] * 2
    assert solution.states[:, 0].isfinite().all()
    assert solution.states[:, 2].isnan().all()
    assert (solution.stats.accepted + solution.stats.rejected).tolist() == [50, 50]
    assert "50 steps were not enough: it got to t = " in solution.failures[0]


@pytest.mark.slow
def test_a_known_number_of_steps_is_no_budget():
    """dy = -y dt + 0.1 dW over 20 s in steps of 1e-3: mean e^-20, standard deviation 0.1 / √2."""
    solution = solve_sde(
        lambda t, y: -y, lambda t, y: 0.1 + 0 * y, torch.ones(400, 1, dtype=torch.float64), times(0, 10.5),
        step=1e-3, method="euler", seed=0).check()  # fmt: skip
    assert int(solution.stats.accepted[0]) == 10_500
    assert float(solution.states[:, -1].std()) == pytest.approx(0.1 / math.sqrt(2), abs=0.01)


# --- torchsde -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["euler", "milstein", "srk"])
def test_agreement_with_torchsde_path_by_path(name):
    """The same Brownian motion and steps: the states agree to rounding."""
    generator = torch.Generator().manual_seed(1)
    y0 = torch.randn(5, 2, generator=generator, dtype=D)
    common = {"method": name, "step": 1 / 32, "seed": 7}
    wanted = times(0, 0.25, 0.5, 1)

    def drift(t, y):
        return torch.stack([-y[:, 0] + t * y[:, 1], -(y[:, 1] ** 3)], 1)

    def diffusion(t, y):
        return 0.3 * torch.cos(y) + 0.1 * t[:, None]

    ours = solve_sde(drift, diffusion, y0, wanted, **common)
    theirs = solve_sde(drift, diffusion, y0, wanted, backend="torchsde", **common)
    torch.testing.assert_close(ours.states, theirs.states, rtol=1e-12, atol=1e-12)
    assert theirs.stats.accepted.tolist() == ours.stats.accepted.tolist() == [32] * 5
    assert theirs.status.tolist() == [Status.OK] * 5


def test_adaptive_runs_agree_with_torchsde_within_their_errors():
    wanted = times(0, 0.5, 1)
    paths = Brownian(wanted.tolist(), (50, 1), seed=2, dtype=D)
    exact = GEOMETRIC.exact(1.0, paths(0.0, 1.0).w)
    ours = solve_sde(
        GEOMETRIC.drift, GEOMETRIC.diffusion, start(GEOMETRIC, 50), wanted, rtol=0.02, atol=0.02, brownian=paths
    )
    theirs = solve_sde(
        GEOMETRIC.drift,
        GEOMETRIC.diffusion,
        start(GEOMETRIC, 50),
        wanted,
        method="srk",
        backend="torchsde",
        rtol=1e-3,
        atol=1e-3,
        brownian=paths,
    )
    assert theirs.ok.all()
    assert int(theirs.stats.accepted[0]) > 3
    assert (ours.states[:, -1] - exact).abs().mean() < 2e-3
    assert (theirs.states[:, -1] - exact).abs().mean() < 5e-3


def test_failures_of_torchsde_are_status():
    def explode(t, y):
        return y**2

    y0 = torch.tensor([[5.0], [0.1]], dtype=D)
    quiet = lambda t, y: 0.01 * y
    fixed = solve_sde(explode, quiet, y0, times(0, 0.1, 1, 2), method="euler", step=0.05, backend="torchsde", seed=0)
    assert fixed.status.tolist() == [Status.DIVERGED, Status.OK]
    assert fixed.states[0, 1].isfinite().all()
    assert fixed.states[0, -1].isnan().all()
    assert fixed.states[1].isfinite().all()
    few = {"method": "srk", "backend": "torchsde", "max_steps": 3, "seed": 0}
    with pytest.raises(ConfigError, match=r"more than max_steps; got 20 steps of 0\.05; expected at most 3"):
        solve_sde(explode, quiet, y0, times(0, 1), step=0.05, **few)
    spent = solve_sde(explode, quiet, y0, times(0, 1), rtol=1e-9, atol=1e-9, **few)
    assert spent.status.tolist() == [Status.MAX_STEPS] * 2
    nan = solve_sde(lambda t, y: y / 0, quiet, y0, times(0, 1), method="srk", backend="torchsde", seed=0)
    assert nan.status.tolist() == [Status.DIVERGED] * 2
    assert "NaN" in nan.failures[0] or "nan" in nan.failures[0]


def test_its_own_moments_hold_for_the_case_used_above():
    """The exact solution the tests lean on has the mean e^μ."""
    w = Brownian([0.0, 1.0], (20_000, 1), seed=0, dtype=D)(0.0, 1.0).w
    deviation = math.sqrt(math.exp(2 * MU) * (math.exp(SIGMA**2) - 1) / len(w))
    assert abs(float(GEOMETRIC.exact(1.0, w).mean()) - math.exp(MU)) < 3 * deviation
