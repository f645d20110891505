"""Integral conditions: over the domain, an axis, a shape, and of functions of the fields."""

import math

import numpy as np
import pytest
import sympy as sp
import torch

from sciml import solve
from sciml.core.domain import Condition, Coordinate, Domain, EdgeCondition, IntegralCondition, dirichlet, neumann
from sciml.core.errors import UnsupportedError, UserError
from sciml.core.quadrature import quadrature
from sciml.core.shapes import disc, polygon, rectangle
from sciml.core.statement import Statement, Unknown
from sciml.solvers.pinn import DeepXDEConfig, deepxde, make_deepxde_model

X, Y, T, LAM = sp.symbols("x y t lam")
U = sp.Function("u")(X)
LINE = Domain((Coordinate("x", 0.0, 1.0),))
SQUARE = (Coordinate("x", -1.0, 1.0), Coordinate("y", -1.0, 1.0))
SMALL = ["train.steps=30", "task.points=60", "model.width=8"]


def test_a_mean_pins_what_slopes_leave_open():
    wave = sp.cos(sp.pi * X)
    statement = Statement(
        domain=LINE, fields=("u",), equations=(U.diff(X, 2) + sp.pi**2 * wave,), solution={"u": wave + 2},
        conditions=(*neumann("u", "x"), IntegralCondition("u", 2)),
    )  # fmt: skip
    assert solve(statement, settings=SMALL).metrics["error/relative_l2"] < 1e-4


def test_an_integral_of_a_function_of_the_field_chooses_an_eigenfunction():
    statement = Statement(
        domain=LINE, fields=("u",), equations=(U.diff(X, 2) + LAM * U,), unknowns=(Unknown("lam", 8.0),),
        conditions=(*dirichlet("u", "x"), IntegralCondition("u", sp.Rational(1, 2), integrand=U**2)),
    )  # fmt: skip
    found = solve(statement, settings=SMALL)
    assert abs(found.unknowns["lam"].value / math.pi**2 - 1) < 1e-5
    assert np.allclose(np.abs(found(x=[0.25, 0.5])["u"]), [math.sqrt(0.5), 1], atol=1e-4)


def test_an_integral_over_one_axis_at_all_times():
    u, decay = sp.Function("u")(X, T), sp.exp(-T / 10)
    statement = Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("t", 0.0, 1.0)), time="t"),
        fields=("u",),
        equations=(u.diff(T) - u.diff(X, 2) / 10,),
        conditions=(
            Condition("u", "x", "lower", 0, 1), Condition("u", "t", "lower", sp.cos(X)),
            IntegralCondition("u", decay * sp.sin(1), over="x"),
        ),
        solution={"u": decay * sp.cos(X)},
    )  # fmt: skip
    settings = ["train.steps=25", "task.points=200", "model.width=8", "task.face_points=20"]
    solved = solve(statement, settings=settings)
    assert solved.metrics["error/relative_l2"] < 1e-4
    assert solved.trusted


def test_a_mean_over_a_disc():
    u = sp.Function("u")(X, Y)
    statement = Statement(
        domain=Domain(SQUARE, shape=disc((0, 0), 1)), fields=("u",), equations=(u.diff(X, 2) + u.diff(Y, 2),),
        conditions=(EdgeCondition("u", X, order=1), IntegralCondition("u", sp.pi)), solution={"u": X + 1},
    )  # fmt: skip
    settings = ["train.steps=10", "task.points=100", "model.width=6", "task.face_points=40"]
    assert solve(statement, settings=settings).metrics["error/relative_l2"] < 1e-3


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        (disc((0, 0), 1), math.pi),
        (disc((0, 0), 0.9) - disc((0.1, 0), 0.4, edge="hole"), math.pi * (0.81 - 0.16)),
        (rectangle((-1, -1), (1, 1)) - rectangle((-0.3, -0.2), (0.45, 0.5), edge="hole"), 4 - 0.75 * 0.7),
        (polygon([(0.137, 0.137), (1, 0.137), (1, -1), (-1, -1), (-1, 1), (0.137, 1)]), 4 - 0.863**2),
    ],
)
def test_quadratures_of_shapes_find_their_areas(shape, area):
    _, weights = quadrature(Domain(SQUARE, shape=shape), ("x", "y"))
    assert float(weights.sum()) == pytest.approx(area, rel=1e-7)


def test_quadratures_of_boxes_converge():
    nodes, weights = quadrature(Domain(SQUARE), ("y",))
    assert float((weights * torch.exp(nodes[:, 0])).sum()) == pytest.approx(math.e - 1 / math.e, rel=1e-13)
    nodes, weights = quadrature(Domain(SQUARE), ("x", "y"))
    assert float((weights * (5 * nodes[:, 0]).cos() * nodes[:, 1].abs()).sum()) == pytest.approx(
        2 * math.sin(5) / 5, rel=1e-7
    )


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (IntegralCondition("q"), "field of a condition 'q'"),
        (IntegralCondition("u", 0, over="z"), "unknown axis 'z'"),
        (IntegralCondition("u", X), "is no number there"),
        (IntegralCondition("u", U), "is no number there"),
        (IntegralCondition("u", 0, integrand=X**2), "holds no unknown function"),
        (IntegralCondition("u", 0, integrand=sp.Symbol("k") * U), "neither axis nor parameter; got k"),
    ],
)
def test_integrals_that_cannot_be_are_refused(condition, words):
    with pytest.raises(UserError, match=words):
        Statement(domain=LINE, fields=("u",), equations=(U.diff(X, 2),), conditions=(condition,))


def test_what_takes_no_integral_says_so():
    statement = Statement(
        domain=LINE, fields=("u",), equations=(U.diff(X) - 2 * X,), conditions=(IntegralCondition("u", 1),)
    )
    recipe = DeepXDEConfig(hidden=(5,), domain=8, boundary=2, adam=1, lbfgs=0)
    with deepxde() as dde, pytest.raises(UnsupportedError, match="does not get the condition on the integral of u"):
        make_deepxde_model(dde, statement, recipe, seed=0)
    flow = sp.Function("u")(X, Y)
    slopes = (EdgeCondition("u", 0, order=1), IntegralCondition("u", over="x"))
    with pytest.raises(UserError, match="is over a part of the shape's axes; got x; expected all of x, y"):
        Statement(domain=Domain(SQUARE, shape=disc((0, 0), 1)), fields=("u",), equations=(flow.diff(X, 2),),
                  conditions=slopes)  # fmt: skip
