"""Typical magnitudes: those of a rate law by hand, and none for problems that are of order one."""

import math

import pytest
import sympy as sp

from sciml import solve
from sciml.core import registry
from sciml.core.capabilities import HasResidual
from sciml.core.domain import Condition, Coordinate, Domain, dirichlet, initial
from sciml.core.expressions import Evaluator
from sciml.core.plain_equations import multiplied_out, plain_form
from sciml.core.rates import rates
from sciml.core.scales import Scales, needed_scales, typical_scales
from sciml.core.statement import Statement, Unknown

T, A, X, Y = sp.symbols("t A x y")
D = sp.Function("D")(T)
RATE = 2.5e-15


def decay(**more):
    """D' = -A k D² over 2000 days."""
    return Statement(
        **{
            "domain": Domain((Coordinate("t", 0.0, 2000.0),), time="t"),
            "fields": ("D",),
            "equations": (D.diff(T) + A * RATE * D**2,),
            "unknowns": (Unknown("A", 1.0),),
        }
        | more
    )


def test_a_rate_constant_has_the_scale_that_balances_its_equation():
    """D/T against k D²: 0.5 per day, and 1/(T k D) = 2e8."""
    found = typical_scales(decay(), {"D": 1000.0})
    assert found.fields == {"D": 1000.0}
    assert found.equations == (0.5,)
    assert found.unknowns["A"] == pytest.approx(2e8)
    assert needed_scales(decay(), found, is_observed=True) == found
    assert found.of_fields(("D", "u")) == [1000.0, 1.0]


def test_what_the_user_says_is_taken():
    statement = decay(scales={"D": 500.0}, unknowns=(Unknown("A", 1.0, scale=3e8),))
    found = typical_scales(statement, {"D": 1000.0})
    assert (found.fields["D"], found.unknowns["A"]) == (500.0, 3e8)


def test_conditions_give_magnitudes_and_unknown_numbers_of_conditions_have_theirs():
    """u(0) = 300 over a length of 0.1 makes slopes of 3000, also of one that is to be found."""
    x, slope = sp.symbols("x C")
    u = sp.Function("u")(x)
    statement = Statement(
        domain=Domain((Coordinate("x", 0.0, 0.1),)),
        fields=("u",),
        equations=(u.diff(x, 2),),
        conditions=(Condition("u", "x", "lower", 300), Condition("u", "x", "upper", slope, 1)),
        unknowns=(Unknown("C", 0.0),),
    )
    found = typical_scales(statement, {})
    assert found.fields["u"] == 300
    assert found.unknowns["C"] == pytest.approx(3000)
    assert found.of_condition(statement, 1) == pytest.approx(3000)


def test_a_start_where_nothing_is_finite_falls_back_on_the_start():
    statement = decay(equations=(D.diff(T) - D / A,), unknowns=(Unknown("A", 0.0),))
    assert typical_scales(statement, {"D": 1.0}).unknowns["A"] == 1.0


def test_problems_of_order_one_are_not_scaled():
    """Their results are those of before there were scales."""
    for problem in registry.problems().values():
        for case in problem.cases if isinstance(problem, HasResidual) else ():
            statement = problem.statement(case)
            typical = typical_scales(statement, dict.fromkeys(statement.observed, 1.5))
            assert all(math.isfinite(scale) for scale in (*typical.fields.values(), *typical.equations))
            assert needed_scales(statement, typical, is_observed=bool(statement.observed)) == Scales()


@pytest.mark.parametrize(("length", "expected"), [(1e4, 1e8), (2.0, 1.0)])
def test_a_source_says_how_large_a_field_is_where_nothing_else_does(length, expected):
    """u'' = -sin(πx/L) is of the order L²; guesses near 1 are left alone."""
    x = sp.Symbol("x")
    u = sp.Function("u")(x)
    statement = Statement(
        domain=Domain((Coordinate("x", 0.0, length),)),
        fields=("u",),
        equations=(u.diff(x, 2) + sp.sin(sp.pi * x / length),),
        conditions=(Condition("u", "x", "lower"), Condition("u", "x", "upper")),
    )
    assert typical_scales(statement, {}).fields["u"] == pytest.approx(expected, rel=0.02)


def test_a_long_axis_costs_no_accuracy():
    length, x = 1e4, sp.Symbol("x")
    u = sp.Function("u")(x)
    statement = Statement(
        domain=Domain((Coordinate("x", 0.0, length),)),
        fields=("u",),
        equations=(u.diff(x, 2) + sp.sin(sp.pi * x / length),),
        conditions=(Condition("u", "x", "lower"), Condition("u", "x", "upper")),
        solution={"u": sp.sin(sp.pi * x / length) * (length / sp.pi) ** 2},
    )
    assert solve(statement, settings=["train.steps=25", "model.width=8"]).metrics["error/relative_l2"] < 1e-4


@pytest.mark.parametrize(
    ("length", "duration", "diffusivity", "size", "offset"),
    [
        (1.0, 1.0, 0.1, 1.0, 0.0),
        (1e-3, 10.0, 1e-8, 80.0, 293.15),
        (1e6, 1e12, 0.1, 1e-9, 0.0),
        (1e-9, 1e-12, 1e-7, 1e5, 0.0),
    ],
)
def test_heat_in_any_units_is_solved_as_well_as_in_units_of_one(length, duration, diffusivity, size, offset):
    """A millimetre for ten seconds in kelvins, a thousand kilometres for ages, a nanometre for a picosecond."""
    x, t = sp.symbols("x t")
    u = sp.Function("u")(x, t)
    exact = offset + size * sp.exp(-diffusivity * (sp.pi / length) ** 2 * t) * sp.sin(sp.pi * x / length)
    statement = Statement(
        domain=Domain((Coordinate("x", 0.0, length), Coordinate("t", 0.0, duration)), time="t"),
        fields=("u",),
        equations=(u.diff(t) - diffusivity * u.diff(x, 2),),
        conditions=(*dirichlet("u", "x", offset), *initial("u", exact.subs(t, 0))),
        solution={"u": exact},
    )
    solved = solve(statement, settings=["train.steps=15", "task.points=150", "model.width=10"])
    assert solved.metrics["error/max"] < 1e-4
    assert solved.trusted


def test_a_known_function_of_many_terms_is_not_multiplied_out():
    """Put in with its derivatives it would be thousands of terms; what holds the field comes apart."""
    known = sp.Mul(*[sp.atan(X / (1 + k * Y)) for k in range(1, 4)])
    u = sp.Function("u")(X, Y)
    whole = u + known
    equation = whole.diff(Y) * whole.diff(X, 3) - whole.diff(X) * whole.diff(Y, 3) + u.diff(X, 4)
    plain, names = plain_form(equation, ("u",), ("x", "y"), "the equation")
    assert plain.count_ops() > 500
    terms = sp.Add.make_args(multiplied_out(plain))
    by_fields = {frozenset(s.name for s in term.free_symbols) & names for term in terms}
    assert len(terms) < 200
    assert {frozenset({"u∂xxxx"}), frozenset({"u∂y", "u∂xxx"}), frozenset({"u∂xxx"}), frozenset()} <= by_fields
    values = {symbol.name: 0.1 + i / 7 for i, symbol in enumerate(sorted(plain.free_symbols, key=str))} | {"y": 0.3}
    before, after = Evaluator([plain, sum(terms)]).numbers(values)
    assert after == pytest.approx(before, rel=1e-9)


def test_a_coefficient_that_vanishes_in_the_middle_makes_no_frequency():
    """sin(2πx) is 1e-16 in floating point at x = 1/2, and the solution no faster for it."""
    u = sp.Function("u")(X, Y)
    statement = Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("y", 0.0, 1.0))),
        fields=("u",),
        equations=(u.diff(X, 2) + u.diff(Y, 2) + sp.sin(2 * sp.pi * X) * u.diff(X) + 1,),
        conditions=(*dirichlet("u", "x"), *dirichlet("u", "y")),
    )
    assert max(rates(statement).values()) < 10
