"""The table of units: what can be read, and how numbers are converted."""

import pytest

from sciml.core.errors import UserError
from sciml.core.units import check_units, conversion


@pytest.mark.parametrize(
    ("given", "wanted", "value", "expected"),
    [
        ("cm", "m", 250.0, 2.5),
        ("degC", "K", 26.85, 300.0),
        ("K", "degC", 300.0, 26.85),
        ("degF", "degC", 212.0, 100.0),
        ("bar", "Pa", 2.0, 2e5),
        ("hPa", "Pa", 1013.25, 101325.0),
        ("km/h", "m s-1", 36.0, 10.0),
        ("g m^-3", "kg m-3", 5.0, 5e-3),
        ("m s**-1", "m/s", 3.0, 3.0),
        ("ms", "s", 15.0, 0.015),
        ("hours", "s", 6.0, 21600.0),
        ("W m-2 K-1", "kg s-3 K-1", 7.0, 7.0),
        ("N.m", "J", 2.0, 2.0),
        ("%", "1", 50.0, 0.5),
        ("", "dimensionless", 4.0, 4.0),
        ("degrees_north", "degree", 45.0, 45.0),
        ("m/s/s", "m s-2", 2.0, 2.0),
        ("kJ/(kg K)", "J kg-1 K-1", 1.0, 1e3),
        ("W/(m2 (K/s))", "kg m0 s-2 K-1", 2.0, 2.0),
        ("umol L-1", "mol m-3", 3.0, 3e-3),
    ],
)
def test_numbers_are_converted(given, wanted, value, expected):
    change = conversion(given, wanted)
    assert change is not None
    assert change.factor * value + change.offset == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("m", "s"),
        ("degC", "Pa"),
        ("1e-3 m", "m"),
        ("J/kg K", "J kg-1 K-1"),
        ("(m s", "m s"),
        ("degC m", "K m"),
        ("gpm", "m"),
    ],
)
def test_what_the_table_does_not_know_is_not_converted(given, wanted):
    assert conversion(given, wanted) is None


def test_equal_texts_need_no_table():
    assert conversion("furlongs  squared", "furlongs squared").changes is False


def test_units_that_cannot_be_read_are_named():
    assert check_units(" m  s-1 ", "u") == "m s-1"
    with pytest.raises(UserError, match=r"the units of 'u' cannot be read; got 'W/m2 K'"):
        check_units("W/m2 K", "'u'")
