import numpy as np
import pytest
import sympy as sp

from sciml.core.errors import DataError, UnknownNameError, UnsupportedError
from sciml.discovery import (
    SearchSpec,
    SymbolicFront,
    SymbolicProblem,
    compare,
    engine,
    engines,
    format_expr,
    to_latex,
)
from sciml.discovery import parse_formula as formula

QUICK = {"generations": 20, "population": 200}


def table(truth, names, rows, noise, seed=0, low=0.3, high=4.0):
    random = np.random.default_rng(seed)
    X = random.uniform(low, high, (rows, len(names)))
    y = truth(*X.T)
    sigma = noise * float(y.std())
    return SymbolicProblem(X, y + sigma * random.normal(size=rows), names, sigma=sigma or None)


LOTKA = formula("-0.9*x*y")
BURGERS = formula("-u*u_x + 0.05*u_xx")


@pytest.fixture(scope="module")
def burgers():
    names = ("x", "t", "u", "u_x", "u_xx")
    return table(lambda x, t, u, ux, uxx: -u * ux + 0.05 * uxx, names, 500, 0.02, low=-1.0, high=1.0)


@pytest.mark.parametrize("seed", range(5))
def test_operon_finds_the_product_from_every_seed(seed):
    problem = table(lambda x, y: -0.9 * x * y, ("x", "y"), 200, 0.05)
    best = engine("operon").fit(problem, SearchSpec(seeds=(seed,), **QUICK)).best()
    match = compare(best.expr, LOTKA, problem.X, problem.names)
    assert match.same, format_expr(best.expr)
    assert match.coefficient_error < 0.02


@pytest.mark.parametrize("seed", range(5))
def test_operon_finds_burgers_among_distractors_from_every_seed(seed, burgers):
    spec = SearchSpec(seeds=(seed,), prune=0.02, **QUICK)
    best = engine("operon").fit(burgers, spec).best()
    match = compare(best.expr, BURGERS, burgers.X, burgers.names)
    assert match.same, format_expr(best.expr)
    assert match.coefficient_error < 0.05


@pytest.mark.parametrize("key", ["operon", "sparse"])
def test_a_line_is_found_exactly(key):
    random = np.random.default_rng(1)
    X = random.normal(size=(60, 2))
    front = engine(key).fit(SymbolicProblem(X, 2 * X[:, 0] + 3, ("a", "b")), SearchSpec(degree=2, seeds=(0,), **QUICK))
    best = front.best()
    assert best.loss_heldout < 1e-6
    assert compare(best.expr, formula("2.0*a + 3.0"), X, ("a", "b")).same


@pytest.mark.parametrize("key", ["operon", "sparse"])
def test_a_constant_target_is_a_constant(key):
    X = np.random.default_rng(1).normal(size=(30, 2))
    best = engine(key).fit(SymbolicProblem(X, np.full(30, 1.5), ("a", "b"))).best()
    assert float(best.expr) == pytest.approx(1.5)


def test_a_column_twice_gives_either_name():
    a = np.random.default_rng(2).uniform(1, 2, 50)
    problem = SymbolicProblem(np.stack([a, a], axis=1), 3 * a, ("a", "b"))
    for key in ("operon", "sparse"):
        best = engine(key).fit(problem, SearchSpec(degree=1, seeds=(0,), **QUICK)).best()
        assert best.loss_heldout < 1e-6


def test_the_same_seed_gives_the_same_front_on_any_number_of_threads():
    problem = table(lambda x, y: -0.9 * x * y + y, ("x", "y"), 100, 0.05)
    fronts = [
        engine("operon").fit(problem, SearchSpec(seeds=(3,), threads=threads, generations=10, population=100))
        for threads in (1, 1, 2)
    ]
    assert fronts[0] == fronts[1] == fronts[2]


def test_swapped_columns_swap_the_names():
    problem = table(lambda x, y: -0.9 * x * y**2, ("x", "y"), 100, 0.01)
    swapped = SymbolicProblem(problem.X[:, ::-1].copy(), problem.y, ("y", "x"), sigma=problem.sigma)
    for one in (problem, swapped):
        best = engine("sparse").fit(one).best()
        assert compare(best.expr, formula("-0.9*x*y**2"), one.X, one.names).same


def test_the_sparse_library_can_be_given():
    problem = table(lambda x, y: 1.5 * x / (1 + y), ("x", "y"), 100, 0.01)
    best = engine("sparse").fit(problem, SearchSpec(library=("x", "y", "x*y", "x/(1+y)", "1"))).best()
    assert compare(best.expr, formula("1.5*x/(1+y)"), problem.X, problem.names).same
    with pytest.raises(DataError, match=r"log\(x"):
        engine("sparse").fit(problem, SearchSpec(library=("log(x - 2)",)))


def test_sparse_regression_weighs_rows_by_their_error():
    random = np.random.default_rng(3)
    X = random.uniform(0.5, 2, (200, 1))
    sigma = np.where(np.arange(200) < 100, 0.01, 2.0)
    problem = SymbolicProblem(X, 2 * X[:, 0] + sigma * random.normal(size=200), ("x",), sigma=sigma)
    best = engine("sparse").fit(problem).best()
    assert compare(best.expr, formula("2*x"), X, ("x",)).coefficient_error < 0.01


def test_noise_in_proportion_is_searched_in_the_logarithm():
    random = np.random.default_rng(0)
    T = random.uniform(300, 1500, (300, 1))
    rate = 2.5 * np.exp(-1800 / T[:, 0])
    problem = SymbolicProblem(T, rate * (1 + 0.01 * random.normal(size=300)), ("T",), sigma=0.01 * rate)
    spec = SearchSpec(target_transform="log", seeds=(0, 1), **QUICK)
    best = engine("operon").fit(problem, spec).best()
    match = compare(best.expr, formula("2.5*exp(-1800.0/T)"), T, ("T",))
    assert match.error < 0.01
    assert match.same, format_expr(best.expr)
    with pytest.raises(DataError, match="not all values are positive"):
        engine("operon").fit(SymbolicProblem(T, -rate, ("T",)), spec)


def test_merged_fronts_hold_what_nothing_beats():
    problem = table(lambda x, y: -0.9 * x * y, ("x", "y"), 100, 0.05)
    fronts = [engine(key).fit(problem, SearchSpec(seeds=(0,), **QUICK)) for key in ("operon", "sparse")]
    merged = fronts[0].merge(fronts[1])
    complexities = [entry.complexity for entry in merged.entries]
    losses = [entry.loss_heldout for entry in merged.entries]
    assert complexities == sorted(set(complexities))
    assert losses == sorted(losses, reverse=True)
    assert fronts[1].merge(fronts[0]) == merged or merged.best().expr == fronts[1].merge(fronts[0]).best().expr
    for criterion in ("mdl", "bic", "knee"):
        assert merged.best(criterion) in merged.entries
    with pytest.raises(UnknownNameError, match="mdl"):
        merged.best("aic")


def test_fronts_survive_json_and_hostile_ones_are_refused():
    problem = table(lambda x, y: -0.9 * x * y, ("x", "y"), 50, 0.05)
    front = engine("sparse").fit(problem)
    stored = front.to_dict()
    assert SymbolicFront.from_dict(stored) == front
    assert "x" in to_latex(front.best().expr)
    for broken in ({}, None, {**stored, "entries": []}, {**stored, "entries": [{"expr": "os"}]},
                   {**stored, "selection": "x"}):  # fmt: skip
        with pytest.raises(DataError):
            SymbolicFront.from_dict(broken)


def test_impostors_show_outside_the_data():
    T = np.linspace(0.3, 0.8, 100)[:, None]
    true, impostor = formula("2.5*exp(-1.8/T)"), formula("0.0153*exp(4.3*T)")
    match = compare(impostor, true, T, ("T",))
    assert not match.same
    assert match.wide_error > match.error


@pytest.mark.parametrize(
    ("X", "y", "names", "fault"),
    [
        (np.ones((4, 1)), np.ones(4), ("x",), "too few rows"),
        (np.full((20, 1), np.nan), np.ones(20), ("x",), "values of x"),
        (np.ones((20, 1)), np.full(20, np.inf), ("x",), "the target"),
        (np.ones((20, 2)), np.ones(20), ("x",), "fit together"),
        (np.ones((20, 1)), np.ones(20), ("x y",), "cannot be called"),
    ],
)
def test_bad_tables_are_refused(X, y, names, fault):
    with pytest.raises(DataError, match=fault):
        SymbolicProblem(X, y, names)


def test_unknown_operators_and_engines_are_refused_before_any_search():
    with pytest.raises(UnknownNameError, match="Did you mean 'exp'"):
        SearchSpec(operators=("add", "expo"))
    with pytest.raises(UnknownNameError, match="operon"):
        engine("operand")
    problem = SymbolicProblem(np.ones((20, 1)), np.arange(20.0), ("x",))
    with pytest.raises(UnsupportedError, match="no operator 'exp'"):
        engine("sparse").fit(problem, SearchSpec(operators=("exp",)))


def test_every_engine_says_whether_it_can_run():
    for key, entry in engines().items():
        support = entry.available()
        assert entry.key == key
        assert support.ok or support.reason
        assert entry.citation
    assert next(iter(engines())) == "operon"


def test_nested_functions_are_left_out():
    from sciml.discovery import Candidate, process

    problem = table(lambda x: np.exp(x), ("x",), 50, 0.01, high=1.0)
    nested = Candidate(sp.exp(sp.exp(sp.Symbol("x"))), "", 0)
    assert process([nested], problem, SearchSpec(), "operon") == []
