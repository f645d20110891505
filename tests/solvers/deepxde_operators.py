"""The equations of DeepXDE's operator examples, for any input function, as our statements: see deepxde_steady."""

import sympy as sp
from deepxde_evolving import strip
from deepxde_steady import box, interval, laplacian

from sciml.core.domain import Condition, Coordinate, Domain, dirichlet, initial
from sciml.core.statement import Statement

x, y, t, v = sp.symbols("x y t v")


def antiderivative():
    """The equation of the registered problem."""
    u = sp.Function("u")(x)
    return Statement(
        domain=interval(0.0, 1.0),
        fields=("u",),
        equations=(u.diff(x) - v,),
        conditions=(Condition("u", "x", "lower"),),
        inputs={"v": (x,)},
    )


def advection():
    """A wave that is carried round: aligned or not, with time as an axis of its own or as a second one of space."""
    u = sp.Function("u")(x, t)
    return Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0, periodic=True), Coordinate("t", 0.0, 1.0)), time="t"),
        fields=("u",),
        equations=(u.diff(t) + u.diff(x),),
        conditions=initial("u", v),
        inputs={"v": (x,)},
    )


def diffusion_reaction_source():
    """With a source v(x)."""
    u = sp.Function("u")(x, t)
    few = sp.Rational(1, 100)
    return Statement(
        domain=strip(0.0, 1.0),
        fields=("u",),
        equations=(u.diff(t) - few * u.diff(x, 2) + few * u**2 - v,),
        conditions=(*dirichlet("u", "x"), *initial("u", 0)),
        inputs={"v": (x,)},
    )


def poisson_1d():
    u = sp.Function("u")(x)
    return Statement(
        domain=interval(0.0, 1.0),
        fields=("u",),
        equations=(-u.diff(x, 2) - v,),
        conditions=dirichlet("u", "x"),
        inputs={"v": (x,)},
    )


def stokes():
    """A lid that moves with (1 + v(x)/10) x (1 - x) over a slow flow; the pressure vanishes at the bottom."""
    u, w, p = (sp.Function(name)(x, y) for name in "uwp")
    viscosity = sp.Rational(1, 100)
    return Statement(
        domain=box((0, 0), (1, 1)),
        fields=("u", "w", "p"),
        equations=(viscosity * laplacian(u) - p.diff(x), viscosity * laplacian(w) - p.diff(y), u.diff(x) + w.diff(y)),
        conditions=(
            *dirichlet("u", "x"),
            Condition("u", "y", "lower"),
            Condition("u", "y", "upper", (1 + v / 10) * x * (1 - x)),
            *dirichlet("w", "x"),
            *dirichlet("w", "y"),
            Condition("p", "y", "lower"),
        ),
        inputs={"v": (x,)},
    )


def func():
    """A function that is fitted, no equation: u = x sin 5x."""
    u = sp.Function("u")(x)
    exact = x * sp.sin(5 * x)
    return Statement(domain=interval(-1.0, 1.0), fields=("u",), equations=(u - exact,), solution={"u": exact})
