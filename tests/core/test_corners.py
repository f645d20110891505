"""Re-entrant corners of polygons: functions that behave as solutions do there."""

import pytest
import sympy as sp
import torch

from sciml.core.corners import corner_functions, corner_level
from sciml.core.domain import Coordinate, Domain, EdgeCondition
from sciml.core.expressions import Evaluator, columns
from sciml.core.shapes import disc, polygon, rectangle, uniform
from sciml.core.statement import Statement
from sciml.solvers.pinn import PINN, PINNConfig

ELL = [(0, 0), (1, 0), (1, -1), (-1, -1), (-1, 1), (0, 1)]
TURNED = [(x * 0.6 - y * 0.8, x * 0.8 + y * 0.6) for x, y in ELL]
YOU = [(0, 0), (3, 0), (3, 2), (2, 2), (2, 1), (1, 1), (1, 2), (0, 2)]
CROSS = [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (2, 2), (2, 3), (1, 3), (1, 2), (0, 2), (0, 1), (1, 1)]
HOOK = [(0, 0), (4, 0), (4, 4), (1, 4), (1, 3), (3, 3), (3, 1), (0, 1)]


def values(expressions, points):
    return Evaluator(expressions)(columns(points, "xy"), points[:, 0])


def inside(shape, count=300, size=2.0):
    points = size * (2 * torch.rand(count, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1)
    return points[shape.contains(points, size)]


@pytest.mark.parametrize("corners", [ELL[::-1], TURNED])
def test_they_are_harmonic_and_vanish_on_both_sides(corners):
    shape = polygon(corners)
    functions = corner_functions(shape)
    assert len(functions) == 2
    points = inside(shape)
    laplacians = [sum(f.diff(sp.Symbol(a), 2) for a in "xy") for f in functions]
    assert values(laplacians, points).abs().max() < 1e-9
    shares = torch.linspace(0.1, 1, 7, dtype=torch.float64)[:, None]
    origin = next(i for i, corner in enumerate(corners) if max(map(abs, corner)) < 1e-12)
    for k in (-1, 1):
        side = torch.tensor([corners[(origin + k) % 6]], dtype=torch.float64)
        assert values(functions[:1], shares * side).abs().max() < 1e-8
    bisector = -torch.tensor([corners[(origin + 1) % 6], corners[origin - 1]], dtype=torch.float64).sum(0)
    near, far = (float(values(functions[:1], share * bisector[None])) for share in (0.01, 0.08))
    assert far / near == pytest.approx(4)  # r^(2/3)


@pytest.mark.parametrize("corners", [ELL, TURNED, CROSS])
def test_the_level_vanishes_on_the_boundary_and_nowhere_inside(corners):
    shape = polygon(corners)
    level = corner_level(shape)
    assert values([level], inside(shape, size=3.0)).min() > 0
    lower, extent = torch.full((2,), -3.0).double(), torch.full((2,), 6.0).double()
    edge = shape.on("polygon", 200, uniform(torch.Generator().manual_seed(0)), lower, extent)
    assert values([level], edge).abs().max() < 1e-7


@pytest.mark.parametrize("shape", [
    polygon(YOU), polygon(HOOK), disc((0, 0), 1), polygon([(0, 0), (1, 0), (0, 1)]), rectangle((0, 0), (1, 1)),
    polygon(ELL) - disc((-0.5, -0.5), 0.2),
])  # fmt: skip
def test_elsewhere_the_level_is_that_of_the_shape(shape):
    """Neighbouring re-entrant corners, sides that come back, convex polygons, shapes that are no polygons."""
    assert corner_level(shape) is None


def test_several_corners_have_functions_of_their_own():
    assert len(corner_functions(polygon(CROSS))) == 8
    assert len(corner_functions(polygon(YOU))) == 4
    assert corner_functions(None) == []


def test_a_network_on_a_polygon_meets_its_conditions_and_is_finite_in_the_corner():
    x, y = sp.symbols("x y")
    u = sp.Function("u")(x, y)
    box = (Coordinate("x", -1.0, 1.0), Coordinate("y", -1.0, 1.0))
    statement = Statement(
        domain=Domain(box, shape=polygon(ELL)), fields=("u",), equations=(u.diff(x, 2) + u.diff(y, 2) + 1,),
        conditions=(EdgeCondition("u", 3),),
    )  # fmt: skip
    torch.manual_seed(0)
    module = PINN(PINNConfig(width=4, layers=1), statement)
    draw = uniform(torch.Generator().manual_seed(0))
    edge = statement.domain.edge("polygon", 50, draw)
    assert (module(edge) - 3).abs().max() < 1e-7
    assert module(torch.zeros(1, 2).double()).isfinite().all()
    points = statement.domain.fill(20, draw)
    jet = module.jet(points, ("xx", "xy"))
    step = 1e-4
    shifted = [module(points + step * torch.tensor(d)) for d in ([1.0, 0.0], [0.0, 0.0], [-1.0, 0.0])]
    assert torch.allclose(jet["xx"], (shifted[0] - 2 * shifted[1] + shifted[2]) / step**2, atol=1e-4, rtol=1e-3)
