"""Numbers in words, and the best of a column."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciml.draw import best_of, format_count, format_number, format_power, format_seconds


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
    assert best_of({"a": 0.1, "b": 0.2}, loss=lambda value: -value) == "b"
    assert best_of({"a": 0.1000, "b": 0.10001}) is None  # level in the digits shown
    assert best_of({"a": 0.1}) is None
    assert best_of({"a": 0.1, "b": None}) is None  # not measured: nothing to compare with
    assert best_of({"a": 0.1, "b": math.nan}) == "a"
    assert best_of({"a": math.inf, "b": math.nan}) is None


def test_format_power():
    assert [format_power(value) for value in (1e-3, 2.5e-7, 0.1)] == ["10⁻³", "2.5·10⁻⁷", "10⁻¹"]
