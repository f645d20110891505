import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_builders import make_run

from sciml.report._headline import headline
from sciml.report._run import Competitor, RunView
from sciml.report._words import (
    best_of,
    format_count,
    format_number,
    format_seconds,
    metric_label,
    rises,
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
