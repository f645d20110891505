"""The steady forward examples of DeepXDE, and those on a line of time, as our statements.

Equations, domains and conditions are those of the scripts of the same names in examples/pinn_forward of
github.com/lululxvi/deepxde; docs/deepxde.md tables them.
"""

import sympy as sp

from sciml.core.domain import Condition, Coordinate, Domain, EdgeCondition, dirichlet, initial
from sciml.core.shapes import disc, polygon, rectangle
from sciml.core.statement import Statement

x, y, t = sp.symbols("x y t")
pi = sp.pi


def interval(lower, upper):
    """A line in x."""
    return Domain((Coordinate("x", lower, upper),))


def duration(end):
    """A line of time from 0."""
    return Domain((Coordinate("t", 0.0, end),), time="t")


def box(low, high, shape=None):
    """A rectangle in x and y between two corners."""
    return Domain((Coordinate("x", low[0], high[0]), Coordinate("y", low[1], high[1])), shape=shape)


def on_faces(domain, field, exact):
    """The values of an expression on all faces of space."""
    spatial = [axis for axis in domain.axes if axis.name != domain.time]
    return tuple(
        Condition(field, axis.name, side, exact.subs(sp.Symbol(axis.name), sp.nsimplify(axis.end(side))))
        for axis in spatial
        for side in ("lower", "upper")
    )


def laplacian(f):
    return f.diff(x, 2) + f.diff(y, 2)


def euler_beam():
    """A cantilever under an even load."""
    u = sp.Function("u")(x)
    return Statement(
        domain=interval(0.0, 1.0),
        fields=("u",),
        equations=(u.diff(x, 4) + 1,),
        conditions=(
            Condition("u", "x", "lower", 0),
            Condition("u", "x", "lower", 0, 1),
            Condition("u", "x", "upper", 0, 2),
            Condition("u", "x", "upper", 0, 3),
        ),
        solution={"u": -(x**4) / 24 + x**3 / 6 - x**2 / 4},
    )


def helmholtz_dirichlet_2d():
    u, k = sp.Function("u")(x, y), 4 * pi
    exact = sp.sin(k * x) * sp.sin(k * y)
    return Statement(
        domain=box((0, 0), (1, 1)),
        fields=("u",),
        equations=(-laplacian(u) - k**2 * u - k**2 * exact,),
        conditions=(*dirichlet("u", "x"), *dirichlet("u", "y")),
        solution={"u": exact},
    )


def helmholtz_neumann_2d_hole():
    """A square with a round hole: values outside, slopes on the hole, whose normal points to its middle."""
    u, k, radius = sp.Function("u")(x, y), 2 * pi, sp.Rational(1, 4)
    exact = sp.sin(k * x) * sp.sin(k * y)
    square = rectangle((-0.5, -0.5), (0.5, 0.5), edge="outside")
    return Statement(
        domain=box((-0.5, -0.5), (0.5, 0.5), square - disc((0, 0), 0.25, edge="hole")),
        fields=("u",),
        equations=(-laplacian(u) - k**2 * u - k**2 * exact,),
        conditions=(
            EdgeCondition("u", 0, edge="outside"),
            EdgeCondition("u", -(x * exact.diff(x) + y * exact.diff(y)) / radius, order=1, edge="hole"),
        ),
        solution={"u": exact},
    )


def helmholtz_sound_hard_abc_2d():
    """The wave p + i q that a hard cylinder scatters from e^(ikx), absorbed at first order: ∂n(p + i q) = ik(p + i q).

    On the cylinder of radius R, whose normal points to its middle, ∂n(p + i q) = -∂n e^(ikx).
    """
    p, q = (sp.Function(name)(x, y) for name in "pq")
    k, radius, half = 2, sp.pi / 4, float(sp.pi)
    square = rectangle((-half, -half), (half, half), edge="outside")
    return Statement(
        domain=box((-half, -half), (half, half), square - disc((0, 0), float(radius), edge="hard")),
        fields=("p", "q"),
        equations=(laplacian(p) + k**2 * p, laplacian(q) + k**2 * q),
        conditions=(
            EdgeCondition("p", -k * sp.sin(k * x) * x / radius, order=1, edge="hard"),
            EdgeCondition("q", k * sp.cos(k * x) * x / radius, order=1, edge="hard"),
            EdgeCondition("p", -k * q, order=1, edge="outside"),
            EdgeCondition("q", k * p, order=1, edge="outside"),
        ),
    )


def kovasznay_flow():
    u, v, p = (sp.Function(name)(x, y) for name in "uvp")
    reynolds = 20
    rate = sp.Rational(reynolds, 2) - sp.sqrt(sp.Rational(reynolds**2, 4) + 4 * pi**2)
    domain = box((-0.5, -0.5), (1.0, 1.5))
    exact = {
        "u": 1 - sp.exp(rate * x) * sp.cos(2 * pi * y),
        "v": rate / (2 * pi) * sp.exp(rate * x) * sp.sin(2 * pi * y),
        "p": (1 - sp.exp(2 * rate * x)) / 2,
    }
    return Statement(
        domain=domain,
        fields=("u", "v", "p"),
        equations=(
            u * u.diff(x) + v * u.diff(y) + p.diff(x) - laplacian(u) / reynolds,
            u * v.diff(x) + v * v.diff(y) + p.diff(y) - laplacian(v) / reynolds,
            u.diff(x) + v.diff(y),
        ),
        conditions=(
            *on_faces(domain, "u", exact["u"]),
            *on_faces(domain, "v", exact["v"]),
            Condition("p", "x", "upper", exact["p"].subs(x, 1)),
        ),
        solution=exact,
    )


def laplace_disk():
    """There in polar coordinates, u = cos θ at r = 1; here on a disc, where that is u = x."""
    u = sp.Function("u")(x, y)
    return Statement(
        domain=box((-1, -1), (1, 1), disc((0, 0), 1.0)),
        fields=("u",),
        equations=(laplacian(u),),
        conditions=(EdgeCondition("u", x),),
        solution={"u": x},
    )


def lotka_volterra():
    """Prey r and predators p in units of 200, time in units of 20."""
    r, p = sp.Function("r")(t), sp.Function("p")(t)
    return Statement(
        domain=duration(1.0),
        fields=("r", "p"),
        equations=(r.diff(t) - 40 * r + 160 * r * p, p.diff(t) - 80 * r * p + 21.2 * p),
        conditions=(*initial("r", 0.5), *initial("p", 0.075)),
    )


def _parabola(*right):
    """u'' = 2 on [-1, 1], u(-1) = 0, with u = (x + 1)²."""
    u = sp.Function("u")(x)
    return Statement(
        domain=interval(-1.0, 1.0),
        fields=("u",),
        equations=(u.diff(x, 2) - 2,),
        conditions=(Condition("u", "x", "lower", 0), *right),
        solution={"u": (x + 1) ** 2},
    )


def poisson_neumann_1d():
    """A slope at the right end; as the value of an operator at points in Poisson_PointSetOperator_1d."""
    return _parabola(Condition("u", "x", "upper", 4, 1))


def poisson_robin_1d():
    """∂u/∂n = u at the right end."""
    return _parabola(Condition("u", "x", "upper", sp.Function("u")(x), 1))


def poisson_dirichlet_1d():
    """Also Poisson_periodic_1d, where u(-1) = 0 and u(1) = u(-1)."""
    u, exact = sp.Function("u")(x), sp.sin(pi * x)
    return Statement(
        domain=interval(-1.0, 1.0),
        fields=("u",),
        equations=(-u.diff(x, 2) - pi**2 * exact,),
        conditions=dirichlet("u", "x"),
        solution={"u": exact},
    )


def poisson_dirichlet_1d_exactbc():
    u = sp.Function("u")(x)
    source = sum(i * sp.sin(i * x) for i in (1, 2, 3, 4, 8))
    return Statement(
        domain=interval(0.0, float(pi)),
        fields=("u",),
        equations=(-u.diff(x, 2) - source,),
        conditions=(Condition("u", "x", "lower", 0), Condition("u", "x", "upper", pi)),
        solution={"u": x + sum(sp.sin(i * x) / i for i in (1, 2, 3, 4, 8))},
    )


def poisson_lshape():
    u = sp.Function("u")(x, y)
    corners = [(0, 0), (1, 0), (1, -1), (-1, -1), (-1, 1), (0, 1)]
    return Statement(
        domain=box((-1, -1), (1, 1), polygon(corners)),
        fields=("u",),
        equations=(laplacian(u) + 1,),
        conditions=(EdgeCondition("u", 0),),
    )


def poisson_multiscale_1d():
    u = sp.Function("u")(x)
    exact = sp.sin(2 * pi * x) + sp.sin(50 * pi * x) / 10
    return Statement(
        domain=interval(0.0, 1.0),
        fields=("u",),
        equations=(u.diff(x, 2) - exact.diff(x, 2),),
        conditions=dirichlet("u", "x"),
        solution={"u": exact},
    )


def volterra_ide():
    """u' + u = v with v = ∫₀ᵗ e^(s - t) u(s) ds, which is the field with v' = u - v, v(0) = 0."""
    u, v = sp.Function("u")(t), sp.Function("v")(t)
    return Statement(
        domain=duration(5.0),
        fields=("u", "v"),
        equations=(u.diff(t) + u - v, v.diff(t) - u + v),
        conditions=(*initial("u", 1), *initial("v", 0)),
        solution={"u": sp.exp(-t) * sp.cosh(t), "v": sp.exp(-t) * sp.sinh(t)},
    )


def ide():
    """u' + v = f with v = ∫₀ᵗ u(s) ds, which is the field with v' = u, v(0) = 0."""
    u, v = sp.Function("u")(t), sp.Function("v")(t)
    integral = sp.sin(pi * t) ** 2 / pi
    return Statement(
        domain=duration(1.0),
        fields=("u", "v"),
        equations=(u.diff(t) + v - 2 * pi * sp.cos(2 * pi * t) - integral, v.diff(t) - u),
        conditions=(*initial("u", 0), *initial("v", 0)),
        solution={"u": sp.sin(2 * pi * t), "v": integral},
    )


def ode_2nd():
    u = sp.Function("u")(t)
    exact = sp.Rational(50, 81) + 5 * t / 9 - 2 * sp.exp(t) + sp.Rational(31, 81) * sp.exp(9 * t)
    return Statement(
        domain=duration(0.25),
        fields=("u",),
        equations=(u.diff(t, 2) - 10 * u.diff(t) + 9 * u - 5 * t,),
        conditions=initial("u", -1, 2),
        solution={"u": exact},
    )


def ode_system():
    u, v = sp.Function("u")(t), sp.Function("v")(t)
    return Statement(
        domain=duration(10.0),
        fields=("u", "v"),
        equations=(u.diff(t) - v, v.diff(t) + u),
        conditions=(*initial("u", 0), *initial("v", 1)),
        solution={"u": sp.sin(t), "v": sp.cos(t)},
    )


def elasticity_plate():
    """Displacements u, v and stresses a = σ_xx, b = σ_yy, c = σ_xy under a body force that makes them exact."""
    u, v, a, b, c = (sp.Function(name)(x, y) for name in "uvabc")
    lame, shear, load = 1, sp.Rational(1, 2), 4

    def stresses(u, v):
        spread = lame * (u.diff(x) + v.diff(y))
        return (
            spread + 2 * shear * u.diff(x),
            spread + 2 * shear * v.diff(y),
            shear * (u.diff(y) + v.diff(x)),
        )

    moved = sp.cos(2 * pi * x) * sp.sin(pi * y), load * sp.sin(pi * x) * y**4 / 4
    exact = dict(zip("uvabc", (*moved, *stresses(*moved)), strict=True))
    force = exact["a"].diff(x) + exact["c"].diff(y), exact["c"].diff(x) + exact["b"].diff(y)
    laws = [found - named for found, named in zip(stresses(u, v), (a, b, c), strict=True)]
    return Statement(
        domain=box((0, 0), (1, 1)),
        fields=("u", "v", "a", "b", "c"),
        equations=(a.diff(x) + c.diff(y) - force[0], c.diff(x) + b.diff(y) - force[1], *laws),
        conditions=(
            *dirichlet("u", "y"),
            *dirichlet("v", "x"),
            Condition("v", "y", "lower", 0),
            *dirichlet("a", "x"),
            Condition("b", "y", "upper", (2 * shear + lame) * load * sp.sin(pi * x)),
        ),
        solution=exact,
    )
