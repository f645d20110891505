"""`EquationFinder` on arrays and DataFrames: no run, no registered problem, no command line."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import solve_ivp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from sciml.core.errors import UserError
from sciml.discovery import ArrayError, EquationFinder, FormulaError, HiddenPrior, parse_formula

TIMES = np.linspace(0, 3, 16)
KNOWN = "x' = 1.3*x; y' = -1.8*y"


def rate(t, u):
    return [1.3 * u[0] - 0.9 * u[0] * u[1], -1.8 * u[1] + 0.8 * u[0] * u[1]]


def orbits(starts=((0.44, 4.6), (1.5, 1.0), (3.0, 2.0))):
    return [solve_ivp(rate, (0, 3), start, t_eval=TIMES, rtol=1e-9, atol=1e-9).y.T for start in starts]


@pytest.fixture(scope="module")
def fitted():
    return EquationFinder(KNOWN, library=["x", "x*y"]).fit([TIMES] * 3, orbits())


def test_formulas_come_out_of_arrays(fitted):
    assert fitted.identifiability_.identifiable
    assert [equation.partition(" + ")[0] for equation in fitted.equations_] == ["x' = 1.3*x", "y' = -1.8*y"]
    for formula, factor in zip(fitted.named_.formulas, (-0.9, 0.8), strict=True):
        assert float(formula.coeff(parse_formula("x*y"))) == pytest.approx(factor, rel=1e-3)
        assert len(formula.args) == 3, "a number, x and y"
    assert fitted.columns_ == ("x", "y")
    assert [entry.complexity for entry in fitted.front_["x"].entries][:2] == [3, 4], "c x, and c x y"


def test_a_forecast_starts_where_it_is_told(fitted):
    (new,) = orbits([(1.0, 3.0)])
    found = fitted.predict(TIMES, new[0])
    assert found == pytest.approx(new, rel=1e-3)
    assert fitted.score(TIMES, new) > 0.999
    assert fitted.predict(TIMES) == pytest.approx(orbits()[0], rel=1e-2)
    with pytest.raises(ArrayError, match="value for each column"):
        fitted.predict(TIMES, [1.0])
    with pytest.raises(ArrayError, match="not increasing"):
        fitted.predict(TIMES[::-1], new[0])


def test_frames_bring_names_units_and_trajectories():
    frames = [
        pd.DataFrame({"time (d)": TIMES, "x (g)": o[:, 0], "y (g)": o[:, 1], "run": k}) for k, o in enumerate(orbits())
    ]
    whole = pd.concat(frames, ignore_index=True)
    whole.loc[4, "x (g)"] = np.nan
    finder = EquationFinder("x' = 1.3*x; y' = -1.8*y", library=["x*y"]).fit("time (d)", whole)
    assert [equation.count("x*y") for equation in finder.equations_] == [1, 1]
    assert finder.problem_.source.units == ("g", "g")
    assert len(finder.problem_.tables) == 3
    assert finder.named_.components[0].units.ok
    assert any("missing" in note for note in finder.notes_)
    assert finder.score("time (d)", whole) > 0.99


def test_one_trajectory_gives_no_formula_and_no_forecast():
    finder = EquationFinder(KNOWN).fit(TIMES, orbits()[0])
    assert finder.equations_ == []
    assert not finder.identifiability_.identifiable
    with pytest.raises(UserError, match="do not determine an equation"):
        finder.predict(TIMES)


@pytest.mark.parametrize(
    ("shift", "library"),
    [(0.0, None), (273.15, None), (1e5, ("1", "T")), pytest.param(1e5, None, marks=pytest.mark.slow)],
)
def test_cooling_is_the_same_law_in_celsius_and_in_kelvin(shift, library):
    times = np.linspace(0, 30, 16)
    states = [shift + np.round(20 + (start - 20) * np.exp(-0.12 * times), 4) for start in (60, 90)]
    finder = EquationFinder("T' = 0", library=library).fit([times] * 2, states)
    report = finder.identifiability_
    assert report.identifiable
    assert report.condition < (4 if library else 11), "products of three are among the terms where nobody chose them"
    (formula,) = finder.named_.formulas
    (temperature,) = formula.free_symbols
    cooling = -float(formula.coeff(temperature))
    assert cooling == pytest.approx(0.12, rel=0.01)
    assert float(formula.coeff(temperature, 0)) / cooling - shift == pytest.approx(20, abs=0.2)
    miss = finder.predict(times, states[1][:1])[:, 0] - states[1]
    assert np.abs(miss).max() < 0.2, "half a per cent of the range, whatever the offset"


def test_inputs_need_no_equation_and_are_interpolated():
    tables = []
    for count, start in ((14, 0.0), (17, 1.0), (20, -1.0)):
        times = np.linspace(0, 6, count)
        solved = solve_ivp(lambda t, x: -0.5 * x + 2 * np.sin(t), (0, 6), [start], t_eval=times, rtol=1e-8)
        tables.append((times, np.column_stack([solved.y[0], np.sin(times)])))
    ts, xs = zip(*tables, strict=True)
    prior = HiddenPrior(inputs=("u",), library=("x", "u"))
    finder = EquationFinder("x' = a*x", prior=prior).fit(list(ts), list(xs))
    assert finder.columns_ == ("x",)
    assert finder.scalars_["a"] == pytest.approx(-0.5, rel=0.02)
    (formula,) = finder.named_.formulas
    assert float(formula.coeff(parse_formula("u"))) == pytest.approx(2, rel=0.02)
    fine = np.linspace(0, 6, 31)
    constant = finder.predict(fine, [0.0], inputs=np.ones(31))[:, 0]
    assert constant == pytest.approx(4 * (1 - np.exp(-fine / 2)), rel=0.02, abs=0.01)
    assert finder.score(list(ts), list(xs)) > 0.999


def test_complete_equations_keep_their_numbers_and_hide_nothing():
    times = np.linspace(0, 4, 16)

    def reactor(t, u):
        return [-0.7 * u[0], 0.7 * u[0] - 0.4 * u[1] ** 2]

    states = [solve_ivp(reactor, (0, 4), start, t_eval=times, rtol=1e-9).y.T for start in ((2, 0.1), (1, 1), (0.5, 2))]
    prior = HiddenPrior(hidden={"b": ("b",)}, library=("b", "b**2"))
    finder = EquationFinder("a' = -k*a; b' = k*a", prior=prior).fit([times] * 3, states)
    assert finder.scalars_["k"] == pytest.approx(0.7, rel=0.01)
    assert finder.equations_[0] == "a' = -a*k"
    assert finder.equations_[1].startswith("b' = a*k + (")
    assert float(finder.named_.formulas[1].coeff(parse_formula("b**2"))) == pytest.approx(-0.4, rel=0.01)
    assert finder.predict(times, states[0][0]) == pytest.approx(states[0], abs=0.02)


def test_a_scalar_may_have_a_value_per_trajectory():
    times, each = np.linspace(0, 4, 16), (0.3, 0.8, 1.5)
    states = [
        solve_ivp(lambda t, x, k=k: k * x - 0.5 * x**2, (0, 4), [start], t_eval=times, rtol=1e-9).y[0]
        for k, start in zip(each, (1.5, 0.2, 0.4), strict=True)
    ]
    prior = HiddenPrior(own=("k",), library=("x", "x**2"))
    finder = EquationFinder("x' = k*x", prior=prior).fit([times] * 3, states)
    assert [finder.scalars_[f"k[{i}]"] for i in (1, 2, 3)] == pytest.approx(each, rel=0.02)
    assert float(finder.named_.formulas[0].coeff(parse_formula("x**2"))) == pytest.approx(-0.5, rel=0.02)
    assert finder.predict(times, states[1][:1], trajectory=1)[:, 0] == pytest.approx(states[1], rel=0.02)


@pytest.mark.parametrize(
    ("t", "x", "fault"),
    [
        (TIMES, np.ones((15, 2)), "do not fit together"),
        (TIMES, np.ones((16, 3)), "other than those of the equations"),
        (TIMES[:3], orbits()[0][:3], "too few points"),
        (np.zeros(16), np.random.default_rng(0).normal(size=(16, 2)), "a time comes twice"),
        ([TIMES, TIMES], orbits()[:1], "times for every trajectory"),
        ("when", pd.DataFrame({"t": TIMES}), "no column 'when'"),
        (TIMES, np.full((16, 2), "much"), "no number"),
        (TIMES, np.full((16, 2), np.inf), "no finite number"),
        (TIMES, np.ones((16, 2)) * 1j, "Complex data not supported"),
    ],
)
def test_arrays_that_are_not_in_order_say_what_is_wrong(t, x, fault):
    with pytest.raises(ArrayError, match=fault):
        EquationFinder(KNOWN).fit(t, x)


def test_other_faults_are_named_before_any_work():
    with pytest.raises(UserError, match="Did you mean 'operon'"):
        EquationFinder(KNOWN, engine="operom").fit([TIMES] * 3, orbits())
    with pytest.raises(FormulaError, match="is not an equation"):
        EquationFinder("x' = 0; y = 0").fit([TIMES] * 3, orbits())
    with pytest.raises(NotFittedError):
        EquationFinder(KNOWN).predict(TIMES)


def test_it_is_cloned_and_shown_as_scikit_learn_does():
    finder = EquationFinder(KNOWN, operators=("add", "mul"), noise="2%")
    copy = clone(finder)
    assert copy.get_params() == finder.get_params()
    assert repr(copy) == f"EquationFinder(known={KNOWN!r}, operators=('add', 'mul'), noise='2%')"
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        copy.set_params(depth=3)


UNORDERED = "the check draws the times at random; they must increase, or unlabelled trajectories would be mixed up"
FLAT = "the check takes two columns of X, of which a finder has one: the time"
NOT_APPLICABLE = {
    **dict.fromkeys(
        (
            "check_fit_score_takes_y", "check_estimators_overwrite_params", "check_estimators_fit_returns_self",
            "check_readonly_memmap_input", "check_n_features_in_after_fitting", "check_positive_only_tag_during_fit",
            "check_estimators_dtypes", "check_dtype_object", "check_pipeline_consistency", "check_estimators_pickle",
            "check_regressors_train", "check_regressor_data_not_an_array", "check_regressor_multioutput",
            "check_supervised_y_2d", "check_regressors_int", "check_fit_idempotent", "check_fit_check_is_fitted",
            "check_n_features_in",
            "check_estimators_nan_inf",
        ),
        UNORDERED,
    ),
    **dict.fromkeys(
        (
            "check_dont_overwrite_parameters", "check_f_contiguous_array_estimator",
            "check_regressors_no_decision_function", "check_methods_sample_order_invariance",
            "check_methods_subset_invariance", "check_fit2d_1sample", "check_fit2d_1feature", "check_dict_unchanged",
            "check_fit2d_predict1d",
            "check_estimator_sparse_array",
        ),
        FLAT,
    ),
}  # fmt: skip


def test_scikit_learn_agrees_where_its_checks_apply():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it does not inherit from BaseEstimator, which would import scikit-learn
        results = check_estimator(EquationFinder(), expected_failed_checks=NOT_APPLICABLE, on_skip=None)
    failed = {entry["check_name"] for entry in results if entry["status"] == "xfail"}
    assert failed == set(NOT_APPLICABLE), "the others pass"
    assert sum(entry["status"] == "passed" for entry in results) >= 20


def test_what_those_checks_ask_holds_for_times_that_increase(fitted):
    finder = EquationFinder("x' = 0", library=("x",))
    states = np.exp(-TIMES)
    before = finder.get_params()
    assert finder.fit(TIMES[:, None], states) is finder
    assert finder.get_params() == before
    assert finder.n_features_in_ == 1
    again = EquationFinder("x' = 0", library=("x",)).fit(TIMES.tolist(), states.tolist())
    assert again.equations_ == finder.equations_
    copy = pickle.loads(pickle.dumps(finder))
    assert np.array_equal(copy.predict(TIMES), finder.predict(TIMES))
    assert finder.predict(TIMES, states[:1]).shape == (16, 1)
    assert finder.predict(TIMES[:1], states[:1]).tolist() == [[1.0]]
