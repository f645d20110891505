"""The inverse examples of DeepXDE as our statements: see deepxde_steady. Values that are observed come as `seen`."""

import numpy as np
import sympy as sp
from deepxde_evolving import strip
from deepxde_steady import duration, interval
from scipy.integrate import solve_ivp

from sciml.core.domain import Coordinate, Domain, dirichlet, initial
from sciml.core.statement import Statement, Unknown

x, y, t = sp.symbols("x y t")
pi = sp.pi


def _lorenz(forcing):
    """Constants C, R, B from all three fields, whose start is known."""
    u, v, w = (sp.Function(name)(t) for name in "uvw")
    c, r, b = sp.symbols("C R B")
    return Statement(
        domain=duration(3.0),
        fields=("u", "v", "w"),
        equations=(u.diff(t) - c * (v - u), v.diff(t) - u * (r - w) + v, w.diff(t) - u * v + b * w - forcing),
        conditions=(*initial("u", -8), *initial("v", 7), *initial("w", 27)),
        unknowns=(Unknown("C", 1.0, 10.0), Unknown("R", 1.0, 15.0), Unknown("B", 1.0, 8 / 3)),
        observed=("u", "v", "w"),
    )


def lorenz_inverse():
    return _lorenz(0)


def lorenz_seen():
    """Sixty times of an integration with C = 10, R = 15, B = 8/3."""

    def slope(time, state):
        u, v, w = state
        return 10 * (v - u), u * (15 - w) - v, u * v - 8 / 3 * w

    times = np.linspace(0, 3, 60)
    u, v, w = solve_ivp(slope, (0, 3), (-8, 7, 27), t_eval=times, rtol=1e-10, atol=1e-10).y
    return {"t": times, "u": u, "v": v, "w": w}


def lorenz_inverse_forced():
    """The forcing, a table of 200 values there, is the sine that the table was made from."""
    return _lorenz(10 * sp.sin(2 * pi * t))


def navier_stokes_inverse():
    """Flow behind a cylinder: the weight of convection and the viscosity from velocities in a file."""
    u, v, p = (sp.Function(name)(x, y, t) for name in "uvp")
    inertia, viscosity = sp.symbols("C nu")
    domain = Domain((Coordinate("x", 1.0, 8.0), Coordinate("y", -2.0, 2.0), Coordinate("t", 0.0, 7.0)), time="t")

    def momentum(f, axis):
        carried = u * f.diff(x) + v * f.diff(y)
        return f.diff(t) + inertia * carried + p.diff(axis) - viscosity * (f.diff(x, 2) + f.diff(y, 2))

    return Statement(
        domain=domain,
        fields=("u", "v", "p"),
        equations=(u.diff(x) + v.diff(y), momentum(u, x), momentum(v, y)),
        unknowns=(Unknown("C", 0.0, 1.0), Unknown("nu", 0.0, 0.01)),
        observed=("u", "v"),
        judged=("u", "v"),
    )


def brinkman_forchheimer():
    """Flow in a porous channel: effective viscosity and permeability from five values of the speed."""
    u = sp.Function("u")(x)
    effective, permeability = sp.symbols("nu K")
    viscosity, porosity, push = sp.Rational(1, 1000), sp.Rational(2, 5), 1
    rate = sp.sqrt(viscosity * porosity) * 1000  # √(ν ε / (ν_e K)) with ν_e = K = 1e-3
    return Statement(
        domain=interval(0.0, 1.0),
        fields=("u",),
        equations=(-effective / porosity * u.diff(x, 2) + viscosity * u / permeability - push,),
        conditions=dirichlet("u", "x"),
        solution={"u": 1 - sp.cosh(rate * (x - sp.Rational(1, 2))) / sp.cosh(rate / 2)},
        unknowns=(Unknown("nu", 0.1, 1e-3, scale=1e-2), Unknown("K", 0.1, 1e-3, scale=1e-2)),
        observed=("u",),
    )


def brinkman_seen():
    """Five values."""
    places = np.linspace(0, 1, 7)[1:-1]
    speed = brinkman_forchheimer().solution["u"]
    return {"x": places, "u": [float(speed.subs(x, place)) for place in places]}


def diffusion_1d_inverse():
    """The case ``number`` of the registered problem diffusion_inverse."""
    u, exact, c = sp.Function("u")(x, t), sp.exp(-t) * sp.sin(pi * x), sp.Symbol("C")
    return Statement(
        domain=strip(-1.0, 1.0),
        fields=("u",),
        equations=(u.diff(t) - c * u.diff(x, 2) + (1 - pi**2) * exact,),
        conditions=(*dirichlet("u", "x"), *initial("u", exact.subs(t, 0))),
        solution={"u": exact},
        unknowns=(Unknown("C", 2.0, 1.0),),
        observed=("u",),
    )


def diffusion_1d_seen():
    """Ten values at the last time."""
    places = np.linspace(-1, 1, 10)
    return {"x": places, "t": np.ones(10), "u": np.exp(-1) * np.sin(np.pi * places)}


def diffusion_reaction_rate():
    """The rate k(x) as a second field; the true one is 0.1 + exp(-(x - 0.5)²/0.045)."""
    u, k = sp.Function("u")(x), sp.Function("k")(x)
    return Statement(
        domain=interval(0.0, 1.0),
        fields=("u", "k"),
        equations=(u.diff(x, 2) / 100 - k * u - sp.sin(2 * pi * x),),
        conditions=dirichlet("u", "x"),
        observed=("u",),
    )


def elliptic_inverse_field():
    """The source q as a second field; in elliptic_inverse_field_batch from 10000 values of u in batches."""
    u, q = sp.Function("u")(x), sp.Function("q")(x)
    return Statement(
        domain=interval(-1.0, 1.0),
        fields=("u", "q"),
        equations=(-u.diff(x, 2) + q,),
        conditions=dirichlet("u", "x"),
        solution={"u": sp.sin(pi * x), "q": -(pi**2) * sp.sin(pi * x)},
        observed=("u",),
    )


def elliptic_seen():
    """A hundred values."""
    places = np.linspace(-1, 1, 100)
    return {"x": places, "u": np.sin(np.pi * places)}


def reaction_inverse():
    """A + 2B: rate and diffusivity from two concentrations in a file. Start and end disagree by e⁻²⁰ at x = 1."""
    a, b = sp.Function("a")(x, t), sp.Function("b")(x, t)
    rate, diffusivity = sp.symbols("k D")
    speed = rate * a * b**2
    conditions = [
        condition
        for name in "ab"
        for condition in (*dirichlet(name, "x", 0)[1:], dirichlet(name, "x", 1)[0], *initial(name, sp.exp(-20 * x)))
    ]
    return Statement(
        domain=strip(0.0, 1.0, 10.0),
        fields=("a", "b"),
        equations=(
            a.diff(t) - diffusivity * a.diff(x, 2) / 1000 + speed,
            b.diff(t) - diffusivity * b.diff(x, 2) / 1000 + 2 * speed,
        ),
        conditions=tuple(conditions),
        unknowns=(Unknown("k", 0.05), Unknown("D", 1.0)),
        observed=("a", "b"),
        singular_corners=True,
    )
