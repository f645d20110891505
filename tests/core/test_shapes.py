"""Shapes: inside, boundary, normals, points on edges, and conditions there."""

import math

import pytest
import sympy as sp
import torch

from sciml.core.ansatz import Ansatz
from sciml.core.derivatives import autograd_derivatives
from sciml.core.domain import Condition, Coordinate, Domain, EdgeCondition, initial
from sciml.core.errors import UnknownNameError, UserError
from sciml.core.shapes import ball, disc, implicit, polygon, rectangle
from sciml.core.statement import Statement

X, Y, T = sp.symbols("x y t")
SQUARE = (Coordinate("x", -1.0, 1.0), Coordinate("y", -1.0, 1.0))
ELL = polygon([(-1, -1), (1, -1), (1, 0), (0, 0), (0, 1), (-1, 1)])
RING = disc((0, 0), 1) - disc((0, 0), 0.5, edge="hole")
STAR = [(math.sin(k * math.pi / 5) * r, math.cos(k * math.pi / 5) * r) for k, r in enumerate([1, 0.4] * 5)]
SHAPES = {
    "disc": (disc((0, 0), 1), math.pi),
    "ring": (RING, 0.75 * math.pi),
    "ell": (ELL, 3.0),
    "backwards": (polygon(STAR[::-1]), 5 * 0.4 * math.sin(math.pi / 5)),
    "plate": (rectangle((-1, -1), (1, 1)) - disc((0.2, 0), 0.3), 4 - 0.09 * math.pi),
    "two": (disc((-0.5, 0), 0.4) | disc((0.5, 0), 0.4, edge="other"), 0.32 * math.pi),
    "lens": (disc((-0.5, 0), 1) & disc((0.5, 0), 1, edge="other"), 2 * math.pi / 3 - math.sqrt(3) / 2),
    "corner cut": (rectangle((-1, -1), (1, 1)) - rectangle((0, 0), (1, 1), edge="cut"), 3.0),
    "ellipse": (implicit(1 - X**2 - 4 * Y**2), math.pi / 2),
}


def draw(count, dim, *, seed=0):
    return torch.rand(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_its_area_and_its_edges_lie_on_its_boundary(name):
    shape, area = SHAPES[name]
    domain = Domain(SQUARE, shape=shape)
    unit = torch.quasirandom.SobolEngine(2, scramble=True, seed=0).draw(2**14, dtype=torch.float64)
    assert 4 * float(domain.contains(domain.place(unit)).double().mean()) == pytest.approx(area, abs=0.02)
    for edge in shape.names:
        there = domain.edge(edge, 100, draw)
        assert len(there) == 100
        assert shape.depth(there).abs().max() < 1e-9
        probe = there.clone().requires_grad_()
        (slope,) = torch.autograd.grad(shape.edge_depth(edge, probe).sum(), probe)
        torch.testing.assert_close(slope.norm(dim=1), torch.ones(100).double(), rtol=0, atol=1e-5)


def test_a_line_that_boolean_operations_leave_over_is_not_inside():
    places = torch.tensor([[1.0, 0.5], [0.5, 0.5], [0.0, 0.5], [1.0, -0.5], [0.0, 0.0], [-1.0, 1.0]]).double()
    expected = [False, False, True, True, True, True]
    for shape in (ELL, SHAPES["corner cut"][0]):
        assert shape.contains(places, 2.0).tolist() == expected
        assert shape.contains(places, 2.0, slack=1e-6).tolist() == expected
        assert shape.bounds(places, 2.0).tolist() == expected


def test_normals_point_outwards():
    u = sp.Function("u")(X, Y)
    statement = Statement(
        domain=Domain(SQUARE, shape=RING),
        fields=("u",),
        equations=(u.diff(X, 2) + u.diff(Y, 2),),
        conditions=(EdgeCondition("u", 0, 1), EdgeCondition("u", 3, 1, edge="hole")),
    )
    assert statement.edges_of(0) == ("disc",)
    for index, sign in ((0, 1), (1, -1)):
        places = statement.place_of(index, 20, draw)
        normal = torch.stack(list(statement.normal(index, places).values()), dim=1)
        torch.testing.assert_close(normal, sign * places / places.norm(dim=1, keepdim=True))
    missed = statement.fault(
        1, places, autograd_derivatives(lambda p: p.norm(dim=1, keepdim=True), places, ("u",), "xy")
    )
    torch.testing.assert_close(missed.detach(), torch.full((20,), -4.0).double())


def test_sides_on_one_line_that_do_not_touch_are_no_crossing():
    """A U has two ends on one line."""
    shape = polygon([(-1, -1), (1, -1), (1, 1), (0.5, 1), (0.5, 0), (-0.5, 0), (-0.5, 1), (-1, 1)])
    places = torch.tensor([[0.75, 0.75], [0.0, 0.5], [-0.75, 0.75], [0.0, -0.5]], dtype=torch.float64)
    assert shape.contains(places, 2.0).tolist() == [True, False, True, True]


def test_points_of_a_polygon_s_edge_are_evenly_spread_over_its_sides():
    there = Domain(SQUARE, shape=ELL).edge("polygon", 4000, draw)
    share = [
        ((there[:, 1] + 1).abs() < 1e-9).double().mean(),
        ((there[:, 1].abs() < 1e-9) & (there[:, 0] > 0)).double().mean(),
    ]
    assert float(share[0]) == pytest.approx(2 / 8, abs=0.03)
    assert float(share[1]) == pytest.approx(1 / 8, abs=0.03)


def heated(shape, conditions, **more):
    u = sp.Function("u")(X, Y, T)
    axes = (*SQUARE, Coordinate("t", 0.0, 1.0))
    return Statement(
        domain=Domain(axes, time="t", shape=shape),
        fields=("u",),
        equations=(u.diff(T) - u.diff(X, 2) - u.diff(Y, 2),),
        conditions=conditions,
        **more,
    )


def test_values_on_edges_and_a_start_hold_for_any_network():
    exact = (1 + T) * (X**2 + Y**2) + X
    sides = (EdgeCondition("u", exact), *initial("u", exact.subs(T, 0)))
    parts = (EdgeCondition("u", X + 1 + T), EdgeCondition("u", exact, edge="hole"), sides[1])
    for statement in (heated(RING, sides), heated(RING, parts), heated(ELL, sides)):
        ansatz = Ansatz(statement)
        assert ansatz.soft == []
        for index in range(len(statement.conditions)):
            places = statement.place_of(index, 50, draw)
            assert len(places) >= 10
            lift, cut = ansatz.parts(places, ("",))
            known = statement.value(index, places)
            torch.testing.assert_close(lift[""][:, 0], known, rtol=0, atol=1e-8)
            assert cut[""].abs().max() < 1e-8
        inside = statement.domain.fill(200, draw)
        assert (ansatz.parts(inside, ("",))[1][""] > 0).all()


def test_what_cannot_be_told_apart_is_left_to_the_loss():
    square = polygon([(-1, -1), (1, -1), (1, 1), (-1, 1)], edge=["south", "east", "north", "west"])
    touching = heated(square, (EdgeCondition("u", T, edge="south"), EdgeCondition("u", 0)))
    assert Ansatz(touching).soft == [0, 1]
    through = heated(SHAPES["lens"][0] | disc((0.5, 0), 0.5, edge="third"), (EdgeCondition("u", 0, edge="third"),))
    assert Ansatz(through).soft == [0]
    assert Ansatz(heated(square, (EdgeCondition("u", T),))).soft == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: disc((0, 0), -1), "radius is not a positive number"),
        (lambda: rectangle((0, 1), (1, 0)), "lower < upper"),
        (lambda: polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), "sides of the polygon cross"),
        (lambda: polygon([(0, 0), (1, 1), (2, 2)]), "three corners that are not on a line"),
        (lambda: polygon([(0, 0), (1, 0), (0, 1)], edge=["a", "b"]), "distinct names"),
        (lambda: disc((0, 0), 1) - disc((0, 0), 0.5), "two edges are called 'disc'"),
        (lambda: disc((0, 0), 1) & ball((0, 0, 0), 1, edge="b"), "different coordinates"),
        (lambda: implicit(1 - sp.Symbol("r")), "no coordinate"),
        (lambda: Domain(SQUARE, shape=disc((0.5, 0), 1)), "reaches out of the box at the upper end of x"),
        (lambda: Domain(SQUARE, shape=disc((0, 0), 0.5, axes=("x", "z"))), "unknown axis 'z'"),
        (lambda: heated(RING, (Condition("u", "x", "lower"),)), "which is no face"),
        (lambda: heated(None, (EdgeCondition("u"),)), "needs a shape"),
        (lambda: heated(RING, (EdgeCondition("u", edge="whole"),)), "unknown edge of the shape 'whole'"),
        (lambda: heated(RING, (EdgeCondition("u"), EdgeCondition("u", 1))), "two conditions on u on the boundary"),
        (lambda: heated(RING, (EdgeCondition("u", 1), *initial("u", 0))), "contradict each other where they meet"),
        (lambda: EdgeCondition("u", 0, 2), "bad order"),
        (lambda: heated(RING, (EdgeCondition("u", sp.Function("u")(X, Y, T)),)), "on both sides"),
    ],
)
def test_what_makes_no_sense_is_refused(make, words):
    with pytest.raises((UserError, UnknownNameError), match=words):
        make()


def test_an_edge_that_was_cut_away_is_said():
    shape = disc((0, 0), 1) - disc((3, 0), 0.5, edge="far")
    with pytest.raises(UserError, match="no part of the shape's boundary is the edge 'far'"):
        Domain(SQUARE, shape=shape).edge("far", 10, draw)


def test_a_shape_that_is_lost_in_its_box_is_refused():
    with pytest.raises(UserError, match="fills too little of its box"):
        Domain(SQUARE, shape=disc((0, 0), 1e-3)).fill(1000, draw)


def test_points_of_single_precision_on_an_edge_belong_to_the_shape():
    there = Domain(SQUARE, shape=RING).edge("hole", 50, draw).float().double()
    assert Domain(SQUARE, shape=RING).contains(there, slack=1e-6).all()
    assert not Domain(SQUARE, shape=RING).contains(0.999 * there, slack=1e-6).any()
