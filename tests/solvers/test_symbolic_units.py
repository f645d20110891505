import pytest

from sciml.core.errors import DataError
from sciml.discovery import check_units, dimension, parse_formula, pi_groups


def test_units_are_read():
    assert dimension("J/(mol K)") == dimension("kg m^2 s-2 / mol / K")
    assert dimension("1") == dimension("-") == ()
    assert dimension("m/s") == dimension("m s-1") == dimension("m*s^-1")
    assert dimension("1/s") == dimension("s-1") == dimension("Hz")
    with pytest.raises(DataError, match="do not parse"):
        dimension("m !")


@pytest.mark.parametrize(
    ("text", "units", "target", "ok"),
    [
        ("exp(-E/(R*T))", {"E": "J/mol", "R": "J/(mol K)", "T": "K"}, "1", True),
        ("exp(T)", {"T": "K"}, "1", False),
        ("u*u_x", {"u": "m/s", "u_x": "1/s"}, "m/s2", True),
        ("u + u_x", {"u": "m/s", "u_x": "1/s"}, "m/s", False),
        ("sqrt(g*h)", {"g": "m/s2", "h": "m"}, "m/s", True),
        ("2*u", {"u": "m/s"}, "m/s", True),
        ("u**2", {"u": "m/s"}, "m/s", False),
    ],
)
def test_dimensions_decide(text, units, target, ok):
    verdict = check_units(parse_formula(text), units, target)
    assert verdict.ok is ok
    assert ok or "units" in verdict.reason or "dimensionless" in verdict.reason


def test_constants_with_units_are_reported():
    expr = parse_formula("2.5*exp(-1800.5/T)")
    verdict = check_units(expr, {"T": "K"}, "1/s")
    assert verdict.ok
    assert sorted(verdict.constants.values()) == ["K", "s^-1"]
    strict = check_units(expr, {"T": "K"}, "1/s", constants_carry_units=False)
    assert not strict.ok


def test_groups_without_dimension():
    (group,) = pi_groups({"rho": "kg/m^3", "v": "m/s", "L": "m", "mu": "Pa s"})
    assert str(group) in ("mu/(L*rho*v)", "L*rho*v/mu")


def test_symbols_without_units_are_refused():
    with pytest.raises(DataError, match="'y'"):
        check_units(parse_formula("x*y"), {"x": "m"}, "m")
