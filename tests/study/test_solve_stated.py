"""What people state: conditions inside, tables, parameters and weights by settings, derivatives, a warm start."""

import numpy as np
import pytest
import sympy as sp
import torch

import sciml
from sciml.core.config import override
from sciml.core.domain import Condition, Coordinate, Domain, PointCondition, dirichlet, neumann
from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError, UserError
from sciml.core.statement import Statement
from sciml.core.tabulated import tabulated
from sciml.solvers.pinn import DeepXDEConfig, deepxde, make_deepxde_model
from sciml.tasks.collocation import CollocationConfig

X, Y, K = sp.symbols("x y k")
SMALL = ["train.steps=30", "task.points=60", "model.width=8"]
LINE = Domain((Coordinate("x", 0.0, 1.0),))
U = sp.Function("u")(X)


def layer(**more):
    """u'' = k² u with exp(-k x), k = 1."""
    return Statement(
        domain=LINE,
        fields=("u",),
        equations=(U.diff(X, 2) - K**2 * U,),
        conditions=(Condition("u", "x", "lower", 1), Condition("u", "x", "upper", sp.exp(-K))),
        parameters={"k": 1.0},
        **more,
    )


@pytest.fixture(scope="module")
def solved():
    return sciml.solve(layer(solution={"u": sp.exp(-K * X)}), settings=SMALL)


def test_derivatives_of_the_solution(solved):
    found = solved(["u_x", "u_xx"], x=[[0.2], [0.7]])
    assert found["u_x"].shape == (2, 1)
    assert np.allclose(found["u_x"], -np.exp([[-0.2], [-0.7]]), atol=1e-5)
    assert np.allclose(found["u_xx"], np.exp([[-0.2], [-0.7]]), atol=1e-4)
    for wrong in ("u_y", "v_x", "ux", "u_xxxxx"):
        with pytest.raises(UserError, match=r"named by a field and the axes.*for example u_xx.*order 4"):
            solved([wrong], x=0.5)


def test_parameters_by_settings(solved):
    """The closed form follows the parameter and is compared with; one that does not solve the new equation is not."""
    steep = sciml.solve(solved.statement, settings=[*SMALL, "task.parameters.k=3"])
    assert steep.metrics["error/relative_l2"] < 1e-3
    assert abs(float(steep(x=0.5)["u"]) - np.exp(-1.5)) < 1e-4
    stale = sciml.solve(layer(solution={"u": sp.exp(-X)}), settings=[*SMALL, "train.steps=1", "task.parameters.k=2"])
    assert "error/relative_l2" not in stale.metrics
    with pytest.raises(UnknownNameError, match=r"parameter of case 'stated' 'q'.*one of: k"):
        sciml.solve(layer(), settings=[*SMALL, "task.parameters.q=3"])
    with pytest.raises(ConfigError, match=r"parameters\.k: Input should be a valid number"):
        override(CollocationConfig(), ["parameters.k=word"])
    assert override(CollocationConfig(), ["parameters.k=2", "parameters.m=1"]).parameters == {"k": 2.0, "m": 1.0}


def test_a_training_begins_with_another_solution(solved):
    """At a parameter nearby one step from the solution is far closer than one from nothing."""
    settings = ["train.steps=1", "task.points=60", "model.width=8", "task.parameters.k=1.2"]
    warm, cold = (sciml.solve(solved.statement, settings=settings, start=start) for start in (solved, None))
    assert warm.metrics["error/relative_l2"] < 0.2 * cold.metrics["error/relative_l2"]
    with pytest.raises(UserError, match="weights to begin with are those of another network"):
        sciml.solve(solved.statement, settings=["train.steps=1", "model.width=9"], start=solved)


def test_weights_of_equations():
    """Two equations for one field that contradict each other: the heavier one wins."""
    v = sp.Function("v")(X)
    torn = Statement(
        domain=LINE,
        fields=("u", "v"),
        equations=(U.diff(X, 2) - 2, U.diff(X, 2) - 4, v - U),
        conditions=dirichlet("u", "x"),
    )
    curvatures = [
        float(sciml.solve(torn, settings=[*SMALL, f"model.weigh.equations={weights}"])(["u_xx"], x=0.5)["u_xx"])
        for weights in ("[1,1,1]", "[9,1,1]")
    ]
    assert np.allclose(curvatures, [3.0, 2.2], atol=0.02)  # (9 · 2 + 4) / 10
    with pytest.raises(ConfigError, match="one weight per equation; got 2 weights; expected 3"):
        sciml.solve(torn, settings=[*SMALL, "model.weigh.equations=[1,2]"])


def test_conditions_inside():
    """Value and slope in the middle; a pinned value where only derivatives are prescribed; a line of a plane."""
    middle = Statement(
        domain=LINE, fields=("u",), equations=(U.diff(X, 2) - 2,),
        conditions=(PointCondition("u", {"x": 0.5}, 1, "x"), PointCondition("u", {"x": 0.5}, 0.25)),
        solution={"u": X**2},
    )  # fmt: skip
    assert sciml.solve(middle, settings=SMALL).metrics["error/relative_l2"] < 1e-4
    w = sp.Function("w")(X, Y)
    wave = sp.cos(sp.pi * X) * sp.cos(sp.pi * Y)
    square = Domain((Coordinate("x", 0.0, 1.0), Coordinate("y", 0.0, 1.0)))
    laplacian = w.diff(X, 2) + w.diff(Y, 2)
    pinned = Statement(
        domain=square, fields=("w",), equations=(laplacian + 2 * sp.pi**2 * wave,),
        conditions=(*neumann("w", "x"), *neumann("w", "y"), PointCondition("w", {"x": 0.0, "y": 0.0}, 1)),
        solution={"w": wave},
    )  # fmt: skip
    settings = ["train.steps=40", "task.points=200", "model.width=10", "task.face_points=40"]
    assert sciml.solve(pinned, settings=settings).metrics["error/relative_l2"] < 2e-3
    harmonic = sp.sin(sp.pi * X) * sp.sinh(sp.pi * Y)
    line = Statement(
        domain=square, fields=("w",), equations=(laplacian,), solution={"w": harmonic},
        conditions=(*dirichlet("w", "x"), Condition("w", "y", "lower", 0), PointCondition("w", {"y": 0.5}, harmonic)),
    )  # fmt: skip
    assert torch.equal(line.place_of(3, 10, lambda n, d: torch.rand(n, d))[:, 1], torch.full((10,), 0.5))
    assert sciml.solve(line, settings=settings).metrics["error/relative_l2"] < 2e-3


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (PointCondition("u", {"x": 1.5}), r"u at x = 1.5 lies outside of the domain.*x in \[0, 1\]"),
        (PointCondition("u", {"z": 0.5}), "unknown axis 'z'"),
        (PointCondition("q", {"x": 0.5}), "field of a condition 'q'"),
        (PointCondition("u", {"x": 0.5}, U), "holds on both sides what it prescribes"),
    ],
)
def test_conditions_inside_that_cannot_hold(condition, words):
    with pytest.raises(UserError, match=words):
        Statement(
            domain=LINE, fields=("u",), equations=(U.diff(X, 2),),
            conditions=(Condition("u", "x", "lower", 0), condition),
        )  # fmt: skip


def test_a_condition_nowhere_and_one_that_deepxde_does_not_get():
    with pytest.raises(UserError, match="names no place"):
        PointCondition("u", {})
    statement = Statement(
        domain=LINE, fields=("u",), equations=(U.diff(X, 2) - 2,),
        conditions=(Condition("u", "x", "lower", 0), PointCondition("u", {"x": 0.5}, 0.25)),
    )  # fmt: skip
    recipe = DeepXDEConfig(hidden=(5,), domain=8, boundary=2, adam=1, lbfgs=0)
    with deepxde() as dde, pytest.raises(UnsupportedError, match=r"does not get the condition on u at x = 0\.5"):
        make_deepxde_model(dde, statement, recipe, seed=0)


def test_a_tabulated_coefficient():
    """(k u')' = 0 with k from a table: u' is inversely proportional to it."""
    places, values = [0.0, 0.5, 1.0], [1.0, 1.5, 3.0]
    k = tabulated(X, places, values)
    at = np.array([-1.0, 0.0, 0.25, 0.5, 0.9, 1.0, 7.0])
    assert np.allclose([float(k.subs(X, value)) for value in at], np.interp(at, places, values))
    rod = Statement(
        domain=LINE, fields=("u",), equations=((k * U.diff(X)).diff(X),),
        conditions=(Condition("u", "x", "lower", 0), Condition("u", "x", "upper", 1)),
    )  # fmt: skip
    grid = np.linspace(0, 1, 4001)
    resistance = 1 / np.interp(grid, places, values)
    exact = np.concatenate([[0], np.cumsum(resistance[1:] + resistance[:-1])])
    solved = sciml.solve(rod, settings=["train.steps=60", "task.points=150", "model.width=12"])
    assert np.abs(solved(x=grid)["u"] - exact / exact[-1]).max() < 5e-3


@pytest.mark.parametrize(
    ("places", "values", "words"),
    [
        ([0, 1], [1.0], "2 places and 1 values"),
        ([0.0], [1.0], "at least two"),
        ([0, 1, 1], [1, 2, 3], "must increase; got 1 followed by 1"),
        ([0, 1], [1, float("nan")], "not finite"),
    ],
)
def test_tables_that_are_no_function(places, values, words):
    with pytest.raises(UserError, match=words):
        tabulated(X, places, values)
