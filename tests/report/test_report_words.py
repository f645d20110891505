import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_builders import make_run

from sciml.report._headline import headline
from sciml.report._run import Competitor, RunView
from sciml.report._words import (
    best_metric,
    best_of,
    format_count,
    format_metric,
    format_number,
    format_power,
    format_seconds,
    is_cost,
    is_sweep,
    metric_label,
    rises,
    strongest,
)
from sciml.study import Record


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (math.nan, "not finite"),
        (-math.inf, "not finite"),
        (0.0, "0"),
        (0.123456, "0.123"),
        (0.0999999, "0.100"),
        (12.3456, "12.3"),
        (12345.6, "12,346"),
        (-4.2, "-4.20"),
        (2.5e-7, "2.50·10⁻⁷"),
        (3e12, "3.00·10¹²"),
    ],
)
def test_format_number(value, words):
    assert format_number(value) == words


@given(st.floats(1e-3, 9.9e4))
def test_format_number_keeps_three_digits(value):
    assert float(format_number(value).replace(",", "")) == pytest.approx(value, rel=5.01e-3)


@pytest.mark.parametrize(
    ("value", "words"), [(7, "7"), (48_211, "48.2 k"), (1_300_000, "1.30 M"), (2.1e9, "2.10 G"), (5e12, "5.00 T")]
)
def test_format_count(value, words):
    assert format_count(value).replace("\N{NO-BREAK SPACE}", " ") == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0 s"), (2e-6, "2.00 µs"), (0.0031, "3.10 ms"), (42.0, "42.0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_format_seconds(value, words):
    assert format_seconds(value).replace("\N{NO-BREAK SPACE}", " ") == words


def test_best_of():
    assert best_of({"a": 0.1, "b": 0.2}) == "a"
    assert best_of({"a": 0.1, "b": 0.2}, larger=True) == "b"
    assert best_of({"a": 0.1000, "b": 0.10001}) is None  # level in the digits shown
    assert best_of({"a": 0.1}) is None
    assert best_of({"a": 0.1, "b": None}) is None  # not measured: nothing to compare with
    assert best_of({"a": 0.1, "b": math.nan}) == "a"
    assert best_of({"a": math.inf, "b": math.nan}) is None


def test_metric_words():
    assert metric_label("rollout/relative_l2") == "relative L2 error, rollout"
    assert metric_label("rollout/mass_drift") == "mass drift, rollout"
    assert metric_label("accuracy") == "accuracy"
    assert rises("rollout/valid_steps")
    assert not rises("rollout/vrmse")


def test_what_is_better_depends_on_the_metric():
    values = {"a": 0.8, "b": 1.1, "c": None}
    assert best_metric("accuracy", values) == "b"
    assert best_metric("evaluations", values) == "a"
    assert best_metric("nll", {"a": -1.0, "b": 0.5}) == "a"
    assert best_metric("normalisation", values) == "b"  # an integral should be 1
    assert best_metric("moments/floor", values) is None  # says something of the test, not of a solver
    assert strongest("normalisation", {"a": 0.99, "b": 1.01}) == "a"  # the first of those that are level
    assert strongest("accuracy", {"a": None, "b": math.nan}) is None
    assert is_cost("prediction/seconds")
    assert not is_cost("extrapolation/rmse")
    assert is_sweep("tolerance_1e-3/error")
    assert not is_sweep("error")


def test_metrics_of_tasks_without_space_have_words():
    assert metric_label("evaluations") == "function evaluations (NFE)"
    assert metric_label("extrapolation/rmse") == "RMSE, after the last observation time"
    assert metric_label("moments/variance_rmse") == "RMSE of the variance"
    assert format_metric(0.0031, "prediction/seconds").replace("\N{NO-BREAK SPACE}", " ") == "3.10 ms"
    assert format_metric(0.0031, "nll") == "0.00310"
    assert [format_power(value) for value in (1e-3, 2.5e-7, 0.1)] == ["10⁻³", "2.5·10⁻⁷", "10⁻¹"]


@pytest.mark.parametrize(
    ("key", "own", "theirs", "sentence"),
    [
        ("accuracy", 0.97, 0.95, "SineNet leads U-Net (equal size) in accuracy: 0.970 against 0.950"),
        ("accuracy", 0.9, 0.95, "SineNet falls behind U-Net (equal size) in accuracy: 0.900 against 0.950"),
        ("accuracy", 0.9, None, "SineNet reaches an accuracy of 0.900"),
        ("nll", -0.5, 0.1, "SineNet leads U-Net (equal size) in negative log-likelihood: -0.500 against 0.100"),
        ("nll", 0.5, None, "SineNet reaches a negative log-likelihood of 0.500"),
        (
            "moments/loss",
            1.0,
            2.0,
            "SineNet halves the error of mean and variance of U-Net (equal size): 1.00 against 2.00",
        ),
    ],
)
def test_headline_of_tasks_without_space(key, own, theirs, sentence, tmp_path):
    record = Record.read(make_run(tmp_path / "run", rank=0))
    for entry, value in ((record, own), (record.baselines["unet"], theirs), (record.baselines["persistence"], None)):
        entry.metrics["test"].clear()
        if value is not None:
            entry.metrics["test"][key] = value
    entries = [Competitor("sinenet", record), *(Competitor(key, entry) for key, entry in record.baselines.items())]
    assert headline(RunView(tmp_path, record, {}, (), None, tuple(entries), None)) == sentence


@pytest.mark.parametrize(
    ("own", "theirs", "sentence"),
    [
        (0.1, 0.2, "SineNet halves the one-step error of U-Net (equal size): 0.100 against 0.200"),
        (0.05, 0.2, "SineNet cuts the one-step error of U-Net (equal size) to a quarter: 0.0500 against 0.200"),
        (0.15, 0.2, "SineNet lowers the one-step error of U-Net (equal size) by 25 %: 0.150 against 0.200"),
        (0.002, 0.2, "SineNet undercuts the one-step error of U-Net (equal size) 100 times: 0.00200 against 0.200"),
        (0.3, 0.2, "SineNet does not beat U-Net (equal size): one-step error 0.300 against 0.200"),
        (0.2, 0.2, "SineNet and U-Net (equal size) are level in one-step error: 0.200"),
        (None, 0.2, "SineNet has no score on torus_waves: its one-step error is not finite"),
        (0.2, None, "SineNet lowers the one-step error of Persistence by 71 %: 0.200 against 0.700"),
    ],
)
def test_headline_compares_with_the_strongest_baseline(own, theirs, sentence, tmp_path):
    record = Record.read(make_run(tmp_path / "run", rank=0))
    for entry, value in ((record, own), (record.baselines["unet"], theirs), (record.baselines["persistence"], 0.7)):
        entry.metrics["test"]["one_step/relative_l2"] = value
    entries = [Competitor("sinenet", record), *(Competitor(key, entry) for key, entry in record.baselines.items())]
    assert (
        headline(RunView(tmp_path, record, {}, (), None, tuple(entries), None)).replace("\N{NON-BREAKING HYPHEN}", "-")
        == sentence
    )
