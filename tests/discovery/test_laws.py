"""The right law, or an honest no: relations, functions of time, quotients, other units, curves of few points."""

import numpy as np
import pytest
import sympy as sp
import torch
from law_cases import ALLEE, ENZYME, EPIDEMIC, PREDATORS

from sciml.discovery import (
    EquationFinder,
    HiddenPrior,
    SearchSpec,
    SymbolicProblem,
    engine,
    identify,
    parse_formula,
    smooth,
    smoothing_spline,
)

HARES = [
    30,
    47.2,
    70.2,
    77.4,
    36.3,
    20.6,
    18.1,
    21.4,
    22,
    25.4,
    27.1,
    40.3,
    57,
    76.6,
    52.3,
    19.5,
    11.2,
    7.6,
    14.6,
    16.2,
]
SQUARES = ("1", "s", "i", "r", "s*s", "s*i", "s*r", "i*i", "i*r", "r*r")


def test_hares_are_no_straight_line():
    years = np.linspace(0.0, 1.0, len(HARES))
    curve = smoothing_spline(years, np.array(HARES, float), None, np.zeros(len(HARES), bool))
    assert np.abs(curve(years) - HARES).max() < 25
    assert curve(years).std() > 0.8 * np.std(HARES)
    step = 1e-6
    slope = (curve(years[1:-1] + step) - curve(years[1:-1] - step)) / (2 * step)
    assert curve(years[1:-1], 1) == pytest.approx(slope, rel=1e-4, abs=1e-3)


def test_gaussian_curves_know_their_noise_and_their_slopes(tmp_path):
    problem = PREDATORS.problem(tmp_path, seed=1, noise=0.02)
    times, exact = PREDATORS.exact(40)
    curves, noise, spacings = smooth(problem, problem.tables)
    assert noise.numpy() == pytest.approx(0.02 * np.concatenate(exact).std(0), rel=0.4)
    assert (spacings < 0.3).all()
    for each, states in zip(curves, exact, strict=True):
        rates = np.array([PREDATORS.rates(0, state) for state in states])
        for c, curve in enumerate(each):
            along = (times - times[0]) / (times[-1] - times[0])
            assert np.abs(curve(along) - states[:, c]).max() < 5 * float(noise[c])
            slopes = curve(along, 1) / (times[-1] - times[0])
            assert np.linalg.norm(slopes - rates[:, c]) < 0.25 * np.linalg.norm(rates[:, c])


def test_the_true_form_leaves_the_noise_of_the_observations():
    """Its integrals along smooth curves, not its values against slopes, are compared with what was measured."""
    spread = ", ".join(
        f"{name}={0.01 * size!r}"
        for name, size in zip("xy", np.concatenate(PREDATORS.exact(40)[1]).std(0).tolist(), strict=True)
    )
    named = EquationFinder(
        "x' = 1.3*x; y' = -1.8*y", library=("x*y", "x", "y", "x*x", "y*y"), noise=spread
    ).fit(*PREDATORS.draw(2))  # fmt: skip
    for component, text in zip(named.named_.components, PREDATORS.hidden, strict=True):
        best = component.front.best()
        assert best.expr.free_symbols == parse_formula(text).free_symbols
        assert 0.4 < best.loss_train < 2.5, "in units of the noise"
        assert 0.8 < component.misfit < 1.3


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_sums_that_are_constant_are_named(noise):
    _, states = EPIDEMIC.exact(40)
    whole = np.concatenate(states)
    spread, random = whole.std(0), np.random.default_rng(0)
    rows = whole + noise * spread * random.normal(size=whole.shape)
    report = identify(rows, ("s", "i", "r"), SQUARES, curves=3, noise=noise, errors=noise * spread)
    assert report.relations == ("s + i + r is constant",)
    assert report.identifiable
    assert report.different == 6, "six products of two columns"
    assert "s + i + r is constant" in report.words()
    apart = np.concatenate([states[0], states[1] + [0, 0, 0.4], states[2]])
    assert identify(apart, ("s", "i", "r"), SQUARES, curves=3).relations == ()


def test_a_relation_with_factors_is_named_with_them():
    random = np.random.default_rng(1)
    x, y = random.uniform(1, 3, (2, 80))
    report = identify(np.stack([x, y, 5 - 2 * x + 0.5 * y], 1), ("x", "y", "z"), ("1", "x", "y", "z"), curves=2)
    (words,) = report.relations
    factors = parse_formula(words.removesuffix(" is constant"))
    ratio = float(factors.coeff(parse_formula("z")))
    assert float(factors.coeff(parse_formula("x"))) / ratio == pytest.approx(2)
    assert float(factors.coeff(parse_formula("y"))) / ratio == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("columns", "points", "seed"),
    [
        (2, 30, 1),
        (2, 60, 2),
        pytest.param(3, 40, 1, marks=pytest.mark.slow),
        pytest.param(3, 40, 2, marks=pytest.mark.slow),
    ],
)
def test_random_walks_have_no_relation(columns, points, seed):
    """Their sum of least variance is within three times what smooth curves take for noise."""
    random, names = np.random.default_rng(seed), "xyz"[:columns]
    walks = [random.normal(size=(points, columns)).cumsum(0) for _ in range(3)]
    whole = np.concatenate(walks)
    report = identify(whole, tuple(names), tuple(names), curves=3, errors=np.full(columns, 0.6), observed=walks)
    assert report.relations == ()
    finder = EquationFinder("; ".join(f"{name}' = 0" for name in names), library=tuple(names))
    assert finder.fit([np.arange(points) * 1.0] * 3, walks).identifiability_.relations == ()


def test_trajectories_that_follow_one_course_are_one_curve():
    times, states = PREDATORS.exact(20)
    finder = EquationFinder("x' = 0; y' = 0").fit([times] * 3, [states[0]] * 3)
    assert finder.equations_ == []
    assert "all 3 trajectories follow the same course, so they count as one" in finder.identifiability_.words()
    assert "observe more initial conditions" in finder.identifiability_.words()


@pytest.mark.parametrize(("noise", "told"), [(0.01, True), (0.5, False)])
def test_terms_are_judged_against_the_noise(noise, told):
    """Raw columns of t and t² run parallel; what counts is whether the difference shows above the noise."""
    x = np.linspace(10, 14, 60)[:, None]
    report = identify(x, ("x",), ("1", "x", "x**2", "x**3"), curves=2, noise=noise)
    assert report.identifiable is told
    assert told or "independent above the noise" in report.words()


def test_a_rate_of_a_function_of_time_alone_is_not_identifiable():
    times = np.linspace(0, 12, 60)
    from scipy.integrate import solve_ivp

    def rate(t, u):
        return [u[1], 0.5 * np.cos(1.2 * t) - 0.2 * u[1] + u[0] - u[0] ** 3]

    states = [
        np.column_stack([solve_ivp(rate, (0, 12), y, t_eval=times, rtol=1e-9).y.T, 0.5 * np.cos(1.2 * times)])
        for y in ((0.5, 0.0), (1.0, 0.3), (-1.0, 0.0))
    ]
    finder = EquationFinder("x' = v; v' = F; F' = 0", prior=HiddenPrior(hidden={"F": ("x", "v", "F"), "v": ("x", "v")}))
    finder.fit([times] * 3, states)
    assert finder.equations_ == []
    assert "F is the same function of time on all trajectories" in finder.identifiability_.words()
    assert "--inputs F" in finder.identifiability_.words()


@pytest.mark.slow
def test_a_rate_that_nothing_measured_explains_gets_no_formula():
    """The phase of the forcing differs from trajectory to trajectory, so F' is no function of x, v and F."""
    from scipy.integrate import solve_ivp

    times, states = np.linspace(0, 12, 60), []
    for k, y in enumerate(((0.5, 0.0), (1.0, 0.3), (-1.0, 0.0))):

        def force(t, phase=1.7 * k):
            return 0.5 * np.cos(1.2 * t + phase)

        solved = solve_ivp(
            lambda t, u, f=force: [u[1], f(t) - 0.2 * u[1] + u[0] - u[0] ** 3], (0, 12), y, t_eval=times, rtol=1e-9
        )
        states.append(np.column_stack([solved.y.T, force(times)]))
    finder = EquationFinder("x' = v; v' = F; F' = 0", prior=HiddenPrior(complete=("x",))).fit([times] * 3, states)
    assert finder.equations_ == []
    assert "what the rate of F hides is no function of x, v, F" in finder.identifiability_.words()


@pytest.mark.parametrize(
    ("text", "shortest"),
    [
        ("2.0*C/(4.0*C + 3.0)", "0.5*C/(C + 0.75)"),
        ("1.5*x/(2.0*x + 0.5*y + 1.0)**2", "0.375*x/(x + 0.25*y + 0.5)**2"),
        ("3.0*exp(2.0*x + 0.0)", "3.0*exp(2.0*x)"),
        ("2.0*C/(C + 3.0)", "2.0*C/(C + 3.0)"),
    ],
)
def test_no_constant_makes_up_for_another(text, shortest):
    names = tuple(sorted(str(symbol) for symbol in parse_formula(text).free_symbols))
    X = np.random.default_rng(0).uniform(0.5, 2, (40, len(names)))
    from sciml.discovery import Candidate, process, to_callable

    y = to_callable(parse_formula(text), names)(X)
    spec = SearchSpec(operators=("add", "mul", "div", "exp"))
    (entry, *_) = process([Candidate(parse_formula(text), text, 0)], SymbolicProblem(X, y, names), spec, "test")
    expected = parse_formula(shortest)
    assert entry.constants == len(expected.atoms(parse_formula("1.5").func))
    assert to_callable(expected, names)(X) == pytest.approx(to_callable(entry.expr, names)(X), rel=1e-6)


def test_formulas_whose_units_cannot_be_are_left_out():
    T = np.linspace(300, 310, 40)
    problem = SymbolicProblem(T[:, None] / 100, np.exp(T / 100), ("T",), units=("K", "K/s"))
    front = engine("sparse").fit(problem, SearchSpec(library=("exp(T)", "T", "1")))
    assert not any("exp" in str(entry.expr) for entry in front.entries)
    free = SymbolicProblem(problem.X, problem.y, ("T",))
    assert "exp" in str(engine("sparse").fit(free, SearchSpec(library=("exp(T)", "T", "1"))).best().expr)


def test_a_short_law_of_the_library_is_not_searched_for(monkeypatch):
    from sciml.discovery import engines

    X = np.random.default_rng(0).uniform(0.3, 3, (60, 2))
    searched = type(engines()["operon"])
    monkeypatch.setattr(searched, "candidates", lambda *_: pytest.fail("there was nothing to look for"))
    front = engine("auto").fit(SymbolicProblem(X, -0.9 * X[:, 0] * X[:, 1], ("x", "y")), SearchSpec(degree=2))
    assert str(front.best().expr) == "-0.9*x*y"


def test_a_quotient_is_looked_for_where_sums_do_not_do():
    X = np.linspace(0.1, 5, 60)[:, None]
    problem = SymbolicProblem(X, -1.5 * X[:, 0] / (0.6 + X[:, 0]), ("C",))
    front = engine("auto").fit(problem, SearchSpec(degree=3, seeds=(0, 1)))
    best = front.best()
    assert best.constants == 2
    assert float(best.expr.subs("C", 1.0)) == pytest.approx(-1.5 / 1.6, rel=1e-3)
    assert best.engine == "auto"


@pytest.mark.parametrize("shift", [0.0, 273.15, 1e5])
def test_a_line_far_from_zero_is_no_parabola(shift):
    """Slopes -0.12 (T - 20), 1 % of noise: far from zero a path through all terms of degree three ends with T**2."""
    T, noise = 20 + 70 * np.exp(-0.12 * np.linspace(0, 30, 100)), np.random.default_rng(0).normal(size=100)
    slopes = -0.12 * (T - 20)
    problem = SymbolicProblem(shift + T[:, None], slopes + 0.01 * slopes.std() * noise, ("T",))
    best = engine("sparse").fit(problem, SearchSpec(degree=3)).best("mdl").expr
    (temperature,) = best.free_symbols
    assert sp.Poly(best, temperature).degree() == 1
    assert float(best.coeff(temperature)) == pytest.approx(-0.12, rel=0.01)


@pytest.mark.parametrize(
    ("scale", "shift"),
    [
        (1e-9, 0.0),
        pytest.param(1.0, 1e6, marks=pytest.mark.slow),
        pytest.param(1e5, -3e6, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_other_units_give_the_same_law(scale, shift):
    times, states = PREDATORS.exact(20)
    told = [np.column_stack([shift + scale * y[:, 0], y[:, 1]]) for y in states]
    finder = EquationFinder("x' = 0; y' = 0", library=("1", "x", "y", "x*y")).fit([times] * 3, told)
    first, second = finder.named_.formulas
    x, y = (parse_formula(name) for name in "xy")
    for value, other in ((0.7, 2.0), (2.5, 0.4)):
        at = {x: shift + scale * value, y: other}
        assert float(first.subs(at)) == pytest.approx(scale * (1.3 * value - 0.9 * value * other), rel=1e-2)
        assert float(second.subs(at)) == pytest.approx(-1.8 * other + 0.8 * value * other, rel=1e-2)
    assert finder.score([times] * 3, told) > 0.9999


@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "engine_key", "noise"), [(ALLEE, "sparse", 0.01), (EPIDEMIC, "sparse", 0.01), (ENZYME, "auto", 0.05)]
)
def test_the_true_form_is_found_and_confirmed(law, engine_key, noise):
    finder = EquationFinder(law.known, engine=engine_key).fit(*frames(law, noise))
    for component, text in zip(finder.named_.components, law.hidden, strict=True):
        true = parse_formula(text, law.columns)
        assert component.expr.free_symbols == true.free_symbols
        here = dict.fromkeys(true.free_symbols, 0.4)
        assert float(component.expr.subs(here)) == pytest.approx(float(true.subs(here)), rel=0.1)
        assert all(np.isfinite([c.low, c.high]).all() for c in component.constants)
    assert finder.advice_.startswith("the points are dense")


def frames(law, noise):
    import pandas as pd

    times, states = law.draw(0, noise)
    whole = [
        pd.DataFrame({"t": t, **dict(zip(law.columns, y.T, strict=True)), "trajectory": k})
        for k, (t, y) in enumerate(zip(times, states, strict=True))
    ]
    return "t", pd.concat(whole)


def test_few_points_are_told_to_need_a_surrogate():
    times, states = PREDATORS.draw(0, 0.005, points=7)
    finder = EquationFinder(PREDATORS.known, library=("x*y",)).fit(times, states)
    assert "a surrogate that knows the equation (--solver upinn) would pay" in finder.advice_
    assert torch.tensor([len(entry.values) for entry in finder.problem_.tables]).tolist() == [7] * 3
