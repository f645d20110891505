"""Laws from noisy tables: how often the true form comes out, how often intervals hold the truth, and how long it takes.

Every system is measured anew in every draw: three trajectories, forty points each, with independent noise in proportion
to the standard deviation of each column. Ours is `EquationFinder` with its fast engine; the peer is PySINDy with
monomials up to the third degree, smoothed finite differences, and the best of five thresholds, chosen by the truth. A
form is found if it has the true terms and no other. Intervals are those of the numbers of the true form, known part
included, fitted to the observations of other draws with starts that nobody knows.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import sympy as sp
import torch

from benchmarks import Row, version
from sciml.discovery import (
    EquationFinder,
    HiddenPrior,
    TableData,
    confirm,
    measure_by_curves,
    parse_formula,
    read_table,
    smooth,
)

DRAWS, FITS = 2, 20
"""Draws in which a law is looked for, and in which the true form is fitted."""
THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.4)
JUDGED = ("Allee", "FitzHugh-Nagumo", "SIR")
Rates = Callable[[float, np.ndarray], list[float]]


@dataclass(frozen=True)
class System:
    """A law to be found.

    Arguments:
        name: what it is called.
        rates: all of the right-hand side.
        starts: of the trajectories.
        end: of time.
        known: the part that is told.
        hidden: the true hidden part of every column, as text.
        noise: share of each column's standard deviation.
        prior: what else is told.
        has_peer: whether sums of monomials hold the truth.
    """

    name: str
    rates: Rates
    starts: tuple[tuple[float, ...], ...]
    end: float
    known: str
    hidden: Mapping[str, str]
    noise: float = 0.01
    prior: HiddenPrior = field(default_factory=HiddenPrior)
    has_peer: bool = True

    def draw(self, seed: int, points: int = 40) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Times and noisy values of the trajectories."""
        from scipy.integrate import solve_ivp

        random, times = np.random.default_rng(seed), np.linspace(0, self.end, points)
        exact = [solve_ivp(self.rates, (0, self.end), y, t_eval=times, rtol=1e-9, atol=1e-12).y.T for y in self.starts]
        spread = np.concatenate(exact).std(0)
        return [times] * len(exact), [y + self.noise * spread * random.normal(size=y.shape) for y in exact]


SYSTEMS = (
    System(
        "Allee", lambda t, u: [0.8 * u[0] * (1 - u[0] / 3) * (u[0] / 0.8 - 1)], ((0.85,), (2.0,), (0.7,)), 6.0,
        "x' = 0", {"x": "-0.8*x + 1.2666666666666667*x**2 - 0.33333333333333333*x**3"},
    ),
    System(
        "FitzHugh-Nagumo", lambda t, u: [u[0] - u[1] + 0.5 - u[0] ** 3 / 3, 0.08 * u[0] + 0.056 - 0.064 * u[1]],
        ((-1.0, 1.0), (1.5, 0.5), (0.0, -0.3)), 20.0, "v' = v - w + 0.5; w' = 0.08*v + 0.056 - 0.064*w",
        {"v": "-0.33333333333333333*v**3", "w": "0"},
    ),
    System(
        "SIR", lambda t, u: [-0.9 * u[0] * u[1], 0.9 * u[0] * u[1] - 0.25 * u[1], 0.25 * u[1]],
        ((0.99, 0.01, 0.0), (0.8, 0.05, 0.15), (0.6, 0.3, 0.1)), 25.0, "s' = 0; i' = -0.25*i; r' = 0.25*i",
        {"s": "-0.9*i*s", "i": "0.9*i*s", "r": "0"},
    ),
    System(
        "Lotka-Volterra", lambda t, u: [1.3 * u[0] - 0.9 * u[0] * u[1], -1.8 * u[1] + 0.8 * u[0] * u[1]],
        ((0.44, 4.6), (1.5, 1.0), (3.0, 2.0)), 6.0, "x' = 1.3*x; y' = -1.8*y", {"x": "-0.9*x*y", "y": "0.8*x*y"},
    ),
    System(
        "Lorenz",
        lambda t, u: [10 * (u[1] - u[0]), u[0] * (28 - u[2]) - u[1], u[0] * u[1] - 8 / 3 * u[2]],
        ((1.0, 1.0, 20.0), (-5.0, -3.0, 25.0), (8.0, 4.0, 15.0)), 1.5, "x' = 0; y' = 0; z' = 0",
        {"x": "-10.0*x + 10.0*y", "y": "28.0*x - 1.0*x*z - 1.0*y", "z": "1.0*x*y - 2.6666666666666667*z"},
    ),
    System(
        "Michaelis-Menten (quotient), 5 % noise", lambda t, u: [0.3 - 1.5 * u[0] / (0.6 + u[0])],
        ((5.0,), (2.0,), (0.5,)), 4.0, "C' = 0.3", {"C": "-1.5*C/(C + 0.6)"}, noise=0.05, has_peer=False,
    ),
    System(
        "Drag (modulus)", lambda t, u: [u[1], -u[0] - 0.5 * abs(u[1]) * u[1]],
        ((2.0, 0.0), (0.0, 3.0), (-1.0, -1.0)), 8.0,
        "x' = v; v' = -x", {"x": "0", "v": "-0.5*v*abs(v)"},
        prior=HiddenPrior(complete=("x",)), has_peer=False,
    ),
    System(
        "Hill switch (quotient)", lambda t, u: [0.1 + 1.5 * u[0] ** 4 / (1 + u[0] ** 4) - 0.8 * u[0]],
        ((0.05,), (0.9,), (3.0,)), 8.0, "x' = 0", {"x": "0.1 + 1.5*x**4/(x**4 + 1.0) - 0.8*x"}, has_peer=False,
    ),
    System(
        "Holling's predators (quotient)",
        lambda t, u: [
            u[0] * (1 - u[0] / 3) - 1.2 * u[0] * u[1] / (0.5 + u[0]), 0.7 * u[0] * u[1] / (0.5 + u[0]) - 0.3 * u[1]
        ],
        ((1.0, 0.5), (2.5, 1.0), (0.3, 1.5)), 15.0, "x' = 0; y' = 0",
        {"x": "1.0*x - 0.3333*x**2 - 1.2*x*y/(x + 0.5)", "y": "0.7*x*y/(x + 0.5) - 0.3*y"}, has_peer=False,
    ),
    System(
        "Cubic, 5 % noise", lambda t, u: [u[1], -0.2 * u[1] + u[0] - u[0] ** 3],
        ((1.5, 0.0), (0.5, 1.0), (-1.2, 0.8)), 8.0, "x' = v; v' = 0", {"x": "0", "v": "-1.0*x**3 + 1.0*x - 0.2*v"},
        noise=0.05, prior=HiddenPrior(complete=("x",)),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """One draw: whether the form came out, and seconds."""

    found: bool
    seconds: float


def ours(system: System, seed: int) -> Outcome:
    """`EquationFinder` on one draw."""
    times, values = system.draw(seed)
    start = time.perf_counter()
    finder = EquationFinder(system.known, prior=system.prior, engine="auto").fit(times, values)
    seconds = time.perf_counter() - start
    right = [shape(c.expr) == shape(parse_formula(system.hidden[c.field])) for c in finder.named_.components]
    return Outcome(bool(right) and all(right), seconds)


def shape(expr: sp.Expr) -> sp.Expr:
    """The formula with one symbol for all its numbers."""
    terms = sp.Add.make_args(sp.expand(expr) if expr.is_polynomial() else expr)
    cores = [term.as_coeff_Mul()[1] for term in terms if term != 0]
    return sp.Add(*(core.xreplace({value: sp.Symbol("_k") for value in core.atoms(sp.Float)}) for core in cores))


def covered(system: System, seed: int, folder: Path) -> tuple[int, int]:
    """How many intervals of the whole law's numbers hold the truth in one draw, and how many there are."""
    times, values = system.draw(seed)
    names = list(system.hidden)
    rows = [
        ",".join(map(repr, map(float, (k, *row))))
        for k, (t, y) in enumerate(zip(times, values, strict=True))
        for row in np.column_stack([t, y])
    ]
    path = folder / "draw.csv"
    path.write_text("\n".join([",".join(("trajectory", "t", *names)), *rows]), encoding="utf-8")
    source = read_table(path, "; ".join(f"{name}' = 0" for name in names)).source
    problem = TableData.model_validate({**source.model_dump(), "hold_out": False}).problem()
    seen, measured = problem.tables, measure_by_curves(problem, problem.tables)
    starts = torch.stack([measured.inputs[measured.trajectory == k][0] for k in range(len(seen))])
    true = [sp.expand(known + hidden) for known, hidden in _whole(system)]
    true = [
        sp.Add(*(sp.Float(float(c)) * t for t, c in sp.expand(expr).as_coefficients_dict().items())) for expr in true
    ]
    noise = smooth(problem, seen).noise
    fitted = confirm(problem, seen, starts, [[expr] for expr in true], alphabet=8, noise=noise)
    held = numbers = 0
    for expr, formula, constants in zip(true, fitted.formulas, fitted.constants, strict=True):
        got = formula.as_coefficients_dict()
        for term, value in expr.as_coefficients_dict().items():
            interval = min(constants, key=lambda c, v=float(got[term]): abs(c.value - v))
            numbers, held = numbers + 1, held + (interval.low <= float(value) <= interval.high)
    return held, numbers


def pysindy(system: System, seed: int) -> Outcome:
    """PySINDy on the same draw; the best of several thresholds."""
    import pysindy as ps

    times, values = system.draw(seed)
    names = list(system.hidden)
    start, hit = time.perf_counter(), False
    truth = [set(sp.expand(a + b).as_coefficients_dict()) - {sp.Integer(0)} for a, b in _whole(system)]
    for threshold in THRESHOLDS:
        model = ps.SINDy(
            optimizer=ps.STLSQ(threshold=threshold), feature_library=ps.PolynomialLibrary(3),
            differentiation_method=ps.SmoothedFiniteDifference(),
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(values, t=times, feature_names=names)
        terms = [name.replace("^", "**").replace(" ", "*") for name in model.get_feature_names()]
        library = [parse_formula(term) for term in terms]
        found = [{t for t, c in zip(library, row, strict=True) if c} for row in model.coefficients()]
        hit |= found == truth
    return Outcome(hit, (time.perf_counter() - start) / len(THRESHOLDS))


def _whole(system: System) -> list[tuple[sp.Expr, sp.Expr]]:
    """The known and the hidden part of every column."""
    known = [parse_formula(line.partition("=")[2].strip()) for line in system.known.split(";")]
    return list(zip(known, map(parse_formula, system.hidden.values()), strict=True))


def race(quick: bool) -> Iterator[Row]:
    """A row per system."""
    peer_version, draws, fits = version("pysindy"), 1 if quick else DRAWS, 2 if quick else FITS
    for system in SYSTEMS:
        mine = [ours(system, seed) for seed in range(draws)]
        theirs = [pysindy(system, seed) for seed in range(draws)] if peer_version and system.has_peer else []
        note = f"form found in {sum(one.found for one in mine)} of {draws}"
        if theirs:
            note += f" (PySINDy {sum(one.found for one in theirs)})"
        elif not system.has_peer:
            note += " (no sum of monomials)"
        if system.name in JUDGED:
            with tempfile.TemporaryDirectory() as folder:
                counts = [covered(system, 1000 + seed, Path(folder)) for seed in range(fits)]
            held, numbers = (sum(column) for column in zip(*counts, strict=True))
            note += f"; in {fits} draws {held} of {numbers} intervals hold the truth ({100 * held / numbers:.0f} %)"
        yield Row(
            case=system.name, ours_s=median(one.seconds for one in mine), peer="PySINDy", peer_version=peer_version,
            peer_s=median(one.seconds for one in theirs) if theirs else None, equal=None, note=note,
        )  # fmt: skip
