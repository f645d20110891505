"""The forward examples of DeepXDE in space and time as our statements: see deepxde_steady."""

import sympy as sp
from deepxde_steady import on_faces

from sciml.core.domain import Condition, Coordinate, Domain, dirichlet, initial
from sciml.core.statement import Statement

x, y, z, t = sp.symbols("x y z t")
pi = sp.pi


def strip(lower, upper, end=1.0, space="x"):
    """A line in space over a time from 0."""
    return Domain((Coordinate(space, lower, upper), Coordinate("t", 0.0, end)), time="t")


def allen_cahn():
    """The registered problem has D = 1e-2 and 1e-4; this one 1e-3."""
    u = sp.Function("u")(x, t)
    return Statement(
        domain=strip(-1.0, 1.0),
        fields=("u",),
        equations=(u.diff(t) - sp.Rational(1, 1000) * u.diff(x, 2) - 5 * (u - u**3),),
        conditions=(*dirichlet("u", "x", -1), *initial("u", x**2 * sp.cos(pi * x))),
    )


def burgers():
    u = sp.Function("u")(x, t)
    return Statement(
        domain=strip(-1.0, 1.0, 0.99),
        fields=("u",),
        equations=(u.diff(t) + u * u.diff(x) - u.diff(x, 2) / (100 * pi),),
        conditions=(*dirichlet("u", "x"), *initial("u", -sp.sin(pi * x))),
    )


def beltrami_flow():
    """Ethier's and Steinman's flow with a = d = Re = 1. Nothing but its gradient is said of the pressure."""
    u, v, w, p = (sp.Function(name)(x, y, z, t) for name in "uvwp")
    turned = [(x, y, z), (y, z, x), (z, x, y)]
    velocity = [-(sp.exp(a) * sp.sin(b + c) + sp.exp(c) * sp.cos(a + b)) * sp.exp(-t) for a, b, c in turned]
    mixed = sum(2 * sp.sin(a + b) * sp.cos(c + a) * sp.exp(b + c) for a, b, c in turned)
    pressure = -(sp.exp(2 * x) + sp.exp(2 * y) + sp.exp(2 * z) + mixed) * sp.exp(-2 * t) / 2
    exact = dict(zip("uvwp", (*velocity, pressure), strict=True))
    domain = Domain((*(Coordinate(axis, -1.0, 1.0) for axis in "xyz"), Coordinate("t", 0.0, 1.0)), time="t")

    def momentum(f, axis):
        carried = f.diff(t) + u * f.diff(x) + v * f.diff(y) + w * f.diff(z)
        return carried + p.diff(axis) - f.diff(x, 2) - f.diff(y, 2) - f.diff(z, 2)

    conditions = [
        condition
        for name in "uvw"
        for condition in (*on_faces(domain, name, exact[name]), *initial(name, exact[name].subs(t, 0)))
    ]
    return Statement(
        domain=domain,
        fields=("u", "v", "w", "p"),
        equations=(momentum(u, x), momentum(v, y), momentum(w, z), u.diff(x) + v.diff(y) + w.diff(z)),
        conditions=tuple(conditions),
        solution=exact,
        judged=("u", "v", "w"),
    )


def klein_gordon():
    u, exact = sp.Function("u")(x, t), x * sp.cos(t)
    domain = strip(-1.0, 1.0, 10.0)
    return Statement(
        domain=domain,
        fields=("u",),
        equations=(u.diff(t, 2) - u.diff(x, 2) + u**2 + x * sp.cos(t) - x**2 * sp.cos(t) ** 2,),
        conditions=(*on_faces(domain, "u", exact), *initial("u", x, 0)),
        solution={"u": exact},
    )


def american_put():
    """Min(V - payoff, V_t - L V) = 0 in Fischer's and Burmeister's smooth form, over the time that is left."""
    s = sp.Symbol("s")
    v, strike, rate, spread = sp.Function("v")(s, t), 1, sp.Rational(1, 20), sp.Rational(1, 5)
    payoff = sp.Max(strike - s, 0)
    above = v - payoff
    decay = v.diff(t) - spread**2 * s**2 * v.diff(s, 2) / 2 - rate * s * v.diff(s) + rate * v
    return Statement(
        domain=strip(0.0, 4.0, space="s"),
        fields=("v",),
        equations=(sp.sqrt(above**2 + decay**2 + sp.Float(1e-8)) - above - decay,),
        conditions=(
            Condition("v", "s", "lower", strike),
            Condition("v", "s", "upper", 0),
            *initial("v", payoff),
        ),
    )


def black_scholes_call():
    """Over the time that is left; `call_price` is exact but for the far end, where it is off by 1e-6."""
    s = sp.Symbol("s")
    v, strike, rate, spread = sp.Function("v")(s, t), 50, sp.Rational(1, 20), sp.Rational(1, 5)
    return Statement(
        domain=strip(0.0, 150.0, space="s"),
        fields=("v",),
        equations=(v.diff(t) - spread**2 * s**2 * v.diff(s, 2) / 2 - rate * s * v.diff(s) + rate * v,),
        conditions=(
            Condition("v", "s", "lower", 0),
            Condition("v", "s", "upper", 150 - strike * sp.exp(-rate * t)),
            *initial("v", sp.Max(s - strike, 0)),
        ),
    )


def call_price():
    """Black's and Scholes' formula, which has no value at s = 0 and t = 0 but limits."""
    s, strike, rate, spread = sp.Symbol("s"), 50, sp.Rational(1, 20), sp.Rational(1, 5)
    first = (sp.log(s / strike) + (rate + spread**2 / 2) * t) / (spread * sp.sqrt(t))

    def normal(value):
        return (1 + sp.erf(value / sp.sqrt(2))) / 2

    return s * normal(first) - strike * sp.exp(-rate * t) * normal(first - spread * sp.sqrt(t))


def diffusion_1d():
    """Also diffusion_1d_exactBC, whose conditions we build in by default, and diffusion_1d_resample."""
    u, exact = sp.Function("u")(x, t), sp.exp(-t) * sp.sin(pi * x)
    return Statement(
        domain=strip(-1.0, 1.0),
        fields=("u",),
        equations=(u.diff(t) - u.diff(x, 2) + (1 - pi**2) * exact,),
        conditions=(*dirichlet("u", "x"), *initial("u", exact.subs(t, 0))),
        solution={"u": exact},
    )


def diffusion_reaction():
    u = sp.Function("u")(x, t)
    waves = sum(sp.sin(n * x) / n for n in (1, 2, 3, 4, 8))
    source = sum(sp.Rational(n * n - 1, n) * sp.sin(n * x) for n in (2, 3, 4, 8))
    return Statement(
        domain=strip(-float(pi), float(pi)),
        fields=("u",),
        equations=(u.diff(t) - u.diff(x, 2) - sp.exp(-t) * source,),
        conditions=(*dirichlet("u", "x"), *initial("u", waves)),
        solution={"u": sp.exp(-t) * waves},
    )


def heat():
    """The case ``sine`` of the registered problem; also heat_resample."""
    u = sp.Function("u")(x, t)
    a = sp.Rational(2, 5)
    return Statement(
        domain=strip(0.0, 1.0),
        fields=("u",),
        equations=(u.diff(t) - a * u.diff(x, 2),),
        conditions=(*dirichlet("u", "x"), *initial("u", sp.sin(pi * x))),
        solution={"u": sp.exp(-a * pi**2 * t) * sp.sin(pi * x)},
    )


def wave_1d():
    u, c = sp.Function("u")(x, t), 10
    exact = sum(sp.sin(n * pi * x) * sp.cos(n * c * pi * t) for n in (1, 2))
    return Statement(
        domain=strip(0.0, 1.0),
        fields=("u",),
        equations=(u.diff(t, 2) - c**2 * u.diff(x, 2),),
        conditions=(*dirichlet("u", "x"), *initial("u", exact.subs(t, 0), 0)),
        solution={"u": exact},
    )


def adr_solver():
    """The equation that a finite-difference solver of examples/operator is tried on."""
    u, exact = sp.Function("u")(x, t), sp.exp(-t) * (1 - x**2)
    source = sp.exp(-t) * (1 + x**2 - 2 * x) - exact**3
    return Statement(
        domain=strip(-1.0, 1.0),
        fields=("u",),
        equations=(u.diff(t) - u.diff(x, 2) + u.diff(x) - u**3 - source,),
        conditions=(*dirichlet("u", "x"), *initial("u", 1 - x**2)),
        solution={"u": exact},
    )
