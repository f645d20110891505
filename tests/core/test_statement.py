"""Statements: residuals from sympy, conditions, and clear errors for what contradicts itself."""

import math

import pytest
import sympy as sp
import torch

from sciml.core.derivatives import autograd_derivatives, canonical, closure
from sciml.core.domain import Condition, Coordinate, Domain, dirichlet, initial, neumann
from sciml.core.errors import UnknownNameError, UserError
from sciml.core.expressions import Evaluator
from sciml.core.statement import Statement, Unknown, forced

X, T, NU = sp.symbols("x t nu")
U = sp.Function("u")(X, T)
BOX = Domain((Coordinate("x", -1.0, 1.0), Coordinate("t", 0.0, 2.0)), time="t")


def stated(equation=None, conditions=(), **more):
    equation = U.diff(T) + U * U.diff(X) - NU * U.diff(X, 2) if equation is None else equation
    return Statement(
        **{"domain": BOX, "fields": ("u",), "equations": (equation,), "conditions": tuple(conditions)}
        | {"parameters": {"nu": 0.1}}
        | more
    )


def points(count=7):
    return BOX.place(torch.rand(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))


def test_the_residual_is_that_of_the_equation():
    statement, p = stated(), points()
    assert statement.needs == (("u", ""), ("u", "t"), ("u", "x"), ("u", "xx"))
    x, t = p.unbind(1)
    found = statement.residual(p, autograd_derivatives(lambda q: q[:, :1] ** 3 * q[:, 1:].exp(), p, ("u",), "xt"))
    u = x**3 * t.exp()
    expected = u + u * 3 * x**2 * t.exp() - 0.1 * 6 * x * t.exp()
    torch.testing.assert_close(found[:, 0].detach(), expected)


def test_parameters_can_be_replaced_point_by_point():
    statement, p = stated(U - NU), points()
    found = statement.residual(p, lambda field, name: torch.zeros(7, dtype=torch.float64), {"nu": p[:, 0]})
    torch.testing.assert_close(found[:, 0], -p[:, 0])


def test_a_forced_equation_has_its_solution():
    exact = sp.sin(X) * sp.exp(-T)
    statement = stated(forced(U.diff(T) - U.diff(X, 2) + U**3, {"u": exact}), solution={"u": exact}, parameters={})
    p = points()
    residual = statement.residual(p, autograd_derivatives(statement.exact, p, ("u",), "xt"))
    assert residual.abs().max() < 1e-14


@pytest.mark.parametrize(
    ("equation", "words"),
    [
        (sp.Function("v")(X, T) - 1, "unknown function 'v'"),
        (sp.Function("u")(X, T, sp.Symbol("z")).diff("z"), "other axes than the domain's"),
        (U - sp.Symbol("mu"), "neither axis nor parameter"),
        (U.diff(X, 5), "up to 4 letters"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(equation, words):
    with pytest.raises(UserError, match=words):
        stated(equation)


def test_a_derivative_along_no_axis_lists_the_axes():
    with pytest.raises(UserError, match=r"unknown derivative 'xz' of field 'u'; got 'z', not an axis; .*'x', 't'"):
        canonical("xz", "xt")
    derivatives = autograd_derivatives(lambda p: p.sum(1, keepdim=True), points(), ("u",), "xt")
    with pytest.raises(UserError, match="'z', not an axis"):
        derivatives("u", "z")
    with pytest.raises(UnknownNameError, match="one of: u"):
        derivatives("v", "x")


def test_functions_that_tensors_lack_are_refused():
    with pytest.raises(UnknownNameError, match="besselj"):
        Evaluator([sp.besselj(X, 1)])


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ([*dirichlet("u", "x", 0), *initial("u", sp.cos(sp.pi * X))], "contradict each other where they meet; got"),
        ([*dirichlet("u", "x", sp.exp(T)), *initial("u", 1, 0)], "u_t at the lower end of t contradict"),
        ([*neumann("u", "x", 1), *initial("u", X**2)], "u_x at the lower end of x"),
        ([Condition("u", "x", "lower", 0), Condition("u", "x", "lower", 1)], "two conditions"),
        ([Condition("u", "x", "lower", X)], "depends on x itself"),
        ([Condition("w", "x", "lower", 0)], "field of a condition"),
        ([Condition("u", "z", "lower", 0)], "unknown axis 'z'"),
        ([Condition("u", "x", "lower", sp.Symbol("mu"))], "neither axis nor parameter"),
        ([Condition("u", "x", "lower", math.nan)], "not a finite real number"),
    ],
)
def test_conditions_that_contradict_are_refused(conditions, words):
    with pytest.raises(UserError, match=words):
        stated(conditions=conditions)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fields": ("u", "u")}, "distinct names; got u"),
        ({"parameters": {"x": 1.0}}, "distinct names; got x"),
        ({"parameters": {"nu": math.nan}}, "value of 'nu' is not a finite number; got nan"),
        ({"fields": ("u", "v")}, "no equation holds the field v"),
    ],
)
def test_names_and_numbers_are_looked_at(settings, words):
    with pytest.raises(UserError, match=words):
        stated(**settings)


def test_a_condition_has_an_order_that_exists():
    for order in (-1, 5):
        with pytest.raises(UserError, match="bad order"):
            Condition("u", "x", "lower", 0, order)


def test_an_equation_may_have_two_sides():
    one, other = stated(sp.Eq(U.diff(T), U.diff(X, 2))), stated(U.diff(T) - U.diff(X, 2))
    assert one.needs == other.needs
    assert one.has_laplacian == other.has_laplacian


def test_compatible_conditions_pass_and_jumps_can_be_meant():
    fitting = stated(conditions=[*dirichlet("u", "x"), *initial("u", sp.sin(sp.pi * X), 0)])
    jumping = stated(conditions=[*dirichlet("u", "x"), *initial("u", sp.cos(sp.pi * X))], singular_corners=True)
    assert (len(fitting.conditions), len(jumping.conditions)) == (4, 3)


def test_a_periodic_axis_has_no_conditions():
    ring = Domain((Coordinate("x", -1.0, 1.0, periodic=True), Coordinate("t", 0.0, 2.0)), time="t")
    with pytest.raises(UserError, match="that axis is periodic"):
        stated(conditions=dirichlet("u", "x"), domain=ring)
    with pytest.raises(UserError, match="axis of time"):
        Domain((Coordinate("t", 0.0, 1.0, periodic=True),), time="t")


def test_a_box_places_points_on_its_faces():
    unit = torch.rand(20, 2, dtype=torch.float64)
    inside, face = BOX.place(unit), BOX.face(unit, "x", "upper")
    assert BOX.contains(inside).all()
    assert (face[:, 0] == 1).all()
    assert torch.equal(face[:, 1], inside[:, 1])
    assert not BOX.contains(inside + 3).any()
    ring = Domain((Coordinate("x", 0.0, 1.0, periodic=True),))
    assert ring.lattice((4,))[:, 0].tolist() == [0, 0.25, 0.5, 0.75]
    with pytest.raises(UserError, match="one letter"):
        Coordinate("time", 0.0, 1.0)
    with pytest.raises(UserError, match="empty"):
        Coordinate("x", 1.0, math.inf)


def test_time_that_is_periodic_names_the_way_to_a_periodic_solution():
    words = r"leave out time='t' and keep Coordinate\('t', 0, 1, periodic=True\)"
    with pytest.raises(UserError, match=words):
        Domain((Coordinate("t", 0.0, 1.0, periodic=True),), time="t")


def test_a_condition_may_hold_the_fields_themselves():
    """Robin's: u_x = -2 u + t at the upper end of x."""
    statement, p = stated(conditions=[Condition("u", "x", "upper", -2 * U + T, 1)]), points()
    derivatives = autograd_derivatives(lambda q: q[:, :1] ** 3 * q[:, 1:], p, ("u",), "xt")
    x, t = p.unbind(1)
    torch.testing.assert_close(statement.fault(0, p, derivatives).detach(), 3 * x**2 * t + 2 * x**3 * t - t)
    assert statement.is_mixed(0)
    assert statement.condition_orders(0) == ("", "x")
    with pytest.raises(UserError, match="prescribes no value"):
        statement.value(0, p)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (U.diff(X) / 2, "on both sides what it prescribes"),
        (U + X, "depends on x itself"),
        (sp.Function("v")(X, T), "unknown function 'v'"),
    ],
)
def test_conditions_on_fields_that_make_no_sense_are_refused(value, words):
    with pytest.raises(UserError, match=words):
        stated(conditions=[Condition("u", "x", "upper", value, 1)])


def test_an_unknown_number_of_a_condition_needs_no_true_value():
    """What nobody knows contradicts nothing where faces meet, and must be given to evaluate anything."""
    slope = sp.Symbol("C")
    conditions = [Condition("u", "x", "lower", slope), *initial("u", sp.cos(X))]
    statement, p = stated(conditions=conditions, unknowns=(Unknown("C", 1.0),)), points()
    assert statement.has_unknown(0) and not statement.has_unknown(1)
    assert (statement.value(0, p, {"C": torch.tensor(3.0)}) == 3).all()
    with pytest.raises(UserError, match="nobody knows the value of C"):
        statement.value(0, p)
    with pytest.raises(UserError, match="contradict each other"):
        stated(conditions=conditions, unknowns=(Unknown("C", 1.0, truth=5.0),))


def test_terms_add_up_to_the_residual():
    statement, p = stated(U * (U.diff(X) + NU) - sp.sin(X)), points()
    derivatives = autograd_derivatives(lambda q: q[:, :1] ** 3 * q[:, 1:].exp(), p, ("u",), "xt")
    (terms,) = statement.terms(p, derivatives)
    assert terms.shape == (7, 3)
    torch.testing.assert_close(terms.sum(1), statement.residual(p, derivatives)[:, 0])


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan])
def test_scales_are_positive(scale):
    with pytest.raises(UserError, match="scale of 'u' is not a positive number"):
        stated(scales={"u": scale})


def test_a_derivative_is_built_from_smaller_ones():
    assert closure(["xxt"]) == ("", "t", "x", "xt", "xx", "xxt")


def test_unknown_numbers_have_their_truth_until_they_are_given():
    statement = stated(U - sp.Symbol("k"), unknowns=(Unknown("k", 2.0, 5.0),))
    p = points()
    zero = lambda field, name: torch.zeros(7, dtype=torch.float64)
    assert (statement.residual(p, zero) == -5).all()
    assert (statement.residual(p, zero, {"k": torch.tensor(2.0)}) == -2).all()


def test_evaluators_keep_the_gradient():
    p = points().requires_grad_()
    found = Evaluator([sp.exp(-(X**2)) * sp.tanh(T) + sp.sqrt(T + 1) + 2**X + sp.pi])(
        {"x": p[:, 0], "t": p[:, 1]}, p[:, 0]
    )
    assert torch.autograd.gradcheck(
        lambda q: Evaluator([sp.exp(-(X**2)) * sp.tanh(T) / (1 + T) + 2**X])({"x": q[:, 0], "t": q[:, 1]}, q[:, 0]),
        (p,),
    )
    x, t = p.detach().unbind(1)
    torch.testing.assert_close(found[:, 0].detach(), (-(x**2)).exp() * t.tanh() + (t + 1).sqrt() + 2**x + math.pi)


def test_input_functions_come_with_every_question():
    x, t, u, v = sp.symbols("x t u v")
    s = sp.Function("s")(x, t)
    plane = Domain((Coordinate("x", 0.0, 1.0), Coordinate("t", 0.0, 1.0)), time="t")
    statement = Statement(domain=plane, fields=("s",), equations=(s.diff(t) - u * s,), conditions=initial("s", v),
                          inputs={"u": (x,), "v": (1 - x,)})  # fmt: skip
    points = torch.tensor([[0.25, 0.5], [0.75, 1.0]]).double()
    values, inputs = torch.tensor([2.0, 3.0]).double(), {"u": torch.tensor([10.0, 20.0]).double()}
    derivatives = lambda name, order: values if not order else values + 1
    expected = values + 1 - inputs["u"] * values
    torch.testing.assert_close(statement.residual(points, derivatives, inputs)[:, 0], expected)
    torch.testing.assert_close(statement.arguments("v", points), torch.tensor([[0.75], [0.25]]).double())
    assert statement.has_unknown(0), "what is prescribed is no number that anybody could build in"
    torch.testing.assert_close(statement.fault(0, points, derivatives, {"v": values / 2}), values / 2)
    with pytest.raises(UserError, match="nobody knows the value of u"):
        statement.residual(points, derivatives)
    with pytest.raises(UnknownNameError, match="input function"):
        statement.arguments("w", points)
    with pytest.raises(UserError, match=r"coordinate of the input function 'u'.*\bv\b"):
        Statement(domain=plane, fields=("s",), equations=(s.diff(t) - u * s,), inputs={"u": (v,)})
    with pytest.raises(UserError, match="distinct names"):
        Statement(domain=plane, fields=("s",), equations=(s.diff(t),), inputs={"s": (x,)})
