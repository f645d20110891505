"""DeepXDE's examples as our statements: each is well posed, has the solution that is known, and stands in the docs."""

import inspect
import re
from pathlib import Path

import deepxde_evolving as evolving
import deepxde_inverse as inverse
import deepxde_operators as operators
import deepxde_steady as steady
import numpy as np
import pytest
import sympy as sp
import torch
from scipy.special import h1vp, hankel1, jvp

from sciml.core import registry
from sciml.core.derivatives import autograd_derivatives
from sciml.core.domain import Coordinate, Domain, initial
from sciml.core.errors import UserError
from sciml.core.expressions import Evaluator, columns
from sciml.core.shapes import uniform
from sciml.core.statement import Statement
from sciml.core.well_posed import check_determined

PAGE = Path(__file__).parents[2] / "docs" / "deepxde.md"
MODULES = (steady, evolving, inverse, operators)
SCRIPTS = {"pinn_forward": 39, "pinn_inverse": 11, "operator": 15, "function": 5}
x, t = sp.symbols("x t")


def statements():
    """By name: what the modules state."""
    return {
        name: made
        for module in MODULES
        for name, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__ and name[0] != "_"
        if not inspect.signature(function).parameters and isinstance(made := function(), Statement)
    }


STATED = statements()
EXACT = {name: made for name, made in STATED.items() if made.has_solution}


def faults(statement, exact, inputs=None):
    """The largest residual and faults of conditions that an exact solution leaves, relative to the terms."""
    draw = uniform(torch.Generator().manual_seed(0))

    def derivatives(points):
        return autograd_derivatives(exact, points, statement.fields, statement.names)

    def given(points):
        return {name: function(points) for name, function in (inputs or {}).items()}

    points = statement.domain.fill(60, draw)
    residual = statement.residual(points, derivatives(points), given(points)).detach().abs().amax(0)
    terms = statement.terms(points, derivatives(points), given(points))
    found = {f"equation {i}": float(r) / (1 + float(s.detach().abs().max()))
             for i, (r, s) in enumerate(zip(residual, terms, strict=True), 1)}  # fmt: skip
    for index, condition in enumerate(statement.conditions):
        places = statement.place_of(index, 20, draw)
        fault = statement.fault(index, places, derivatives(places), given(places)).detach()
        found[str(condition)] = float(fault.abs().max())
    return found


def closed_form(statement, expressions):
    """A function of points from expressions of the axes, one per field."""
    evaluator = Evaluator(expressions)
    return lambda points: evaluator(columns(points, statement.names), points[:, 0])


@pytest.mark.parametrize("name", STATED)
def test_every_example_is_well_posed(name):
    check_determined(STATED[name], STATED[name].observed)


@pytest.mark.parametrize("name", EXACT)
def test_equations_and_conditions_hold_on_the_known_solution(name):
    missed = {where: fault for where, fault in faults(EXACT[name], EXACT[name].exact).items() if fault > 1e-8}
    assert not missed


def test_most_solutions_are_known():
    assert len(EXACT) >= 25


@pytest.mark.parametrize(
    ("name", "source", "answer"),
    [
        ("antiderivative", sp.sin(sp.pi * x), (1 - sp.cos(sp.pi * x)) / sp.pi),
        ("advection", sp.sin(2 * sp.pi * x), sp.sin(2 * sp.pi * (x - t))),
        ("poisson_1d", 1 - 6 * x + x**2, x * (1 - x) * (x**2 - 11 * x - 5) / 12),
    ],
)
def test_operators_hold_on_the_answer_to_one_function(name, source, answer):
    statement = STATED[name]
    given = closed_form(statement, [source])
    assert max(faults(statement, closed_form(statement, [answer]), {"v": lambda p: given(p)[:, 0]}).values()) < 1e-8


def test_the_price_of_a_call_solves_its_equation():
    statement = STATED["black_scholes_call"]
    found = faults(statement, closed_form(statement, [evolving.call_price()]))
    assert found["equation 1"] < 1e-8
    assert found["v at the upper end of s"] < 1e-6


def scattered(points, order):
    """A derivative of Σ c_n H_n(kr) e^(inθ), what a hard cylinder scatters from e^(ikx): c_n = -iⁿ J_n'(kR)/H_n'(kR).

    Either derivative of a wave of order n is made of those of orders n - 1 and n + 1.
    """
    k, radius, orders = 2, np.pi / 4, np.arange(-30, 31)
    waves = {n: -(1j**n) * jvp(n, k * radius) / h1vp(n, k * radius) for n in orders}
    for axis in order:
        turn = {"x": 1, "y": 1j}[axis] * k / 2
        wanted = {}
        for n, c in waves.items():
            wanted[n - 1] = wanted.get(n - 1, 0) + c * turn
            wanted[n + 1] = wanted.get(n + 1, 0) - c * turn * (-1 if axis == "y" else 1)
        waves = wanted
    x, y = points.numpy().T
    r, angle = np.hypot(x, y), np.arctan2(y, x)
    return sum(c * hankel1(n, k * r) * np.exp(1j * n * angle) for n, c in waves.items())


def test_the_scattered_wave_meets_the_hard_cylinder_and_nearly_the_absorbing_walls():
    """The absorbing condition is that of a plane wave at right angles, so that it holds to a third in the corners."""
    statement = STATED["helmholtz_sound_hard_abc_2d"]
    draw = uniform(torch.Generator().manual_seed(0))

    def derivatives(points):
        return lambda field, order: torch.as_tensor(
            getattr(scattered(points, order), {"p": "real", "q": "imag"}[field])
        )

    points = statement.domain.fill(40, draw)
    assert float(statement.residual(points, derivatives(points)).abs().max()) < 1e-8
    for index, condition in enumerate(statement.conditions):
        places = statement.place_of(index, 40, draw)
        fault = float(statement.fault(index, places, derivatives(places)).square().mean().sqrt())
        slope = 2 * float(np.abs(scattered(places, "")).mean())
        assert fault < (1e-8 if condition.edge == "hard" else 0.35 * slope)


@pytest.mark.parametrize(
    ("name", "problem", "case"),
    [
        ("poisson_dirichlet_1d", "poisson", "line"),
        ("helmholtz_dirichlet_2d", "helmholtz", "two"),
        ("heat", "heat", "sine"),
        ("diffusion_1d_inverse", "diffusion_inverse", "number"),
    ],
)
def test_registered_problems_named_in_the_docs_are_the_same(name, problem, case):
    """Up to a sign of the equation."""
    ours = registry.problem(problem).statement(case)
    assert ours.domain == STATED[name].domain
    assert max(faults(ours, STATED[name].exact).values()) < 1e-8


def rows():
    """Script, folder, words and function of every row of the docs' tables."""
    folder, found = "", []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"## .*\(`examples/(\w+)`\)", line):
            folder = heading[1]
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("| ") else []
        if cells and cells[0] != "script":
            found.append((cells[0], folder, line.split(" | ")[2], re.findall(r"\| `(\w+)` \|$", line)))
    return found


def test_docs_have_every_script_and_say_where_it_is_stated():
    table = rows()
    assert {folder: sum(row[1] == folder for row in table) for folder in SCRIPTS} == SCRIPTS
    assert len({row[0] for row in table}) == 70
    stated = {row[0]: row[3][0] for row in table if row[3]}
    assert set(stated.values()) == {*STATED, "dataset"}
    assert len(stated) >= 60
    assert all(words.startswith("no") for script, _, words, _ in table if script not in stated)


def test_integrals_are_refused_with_the_way_to_state_them():
    s = sp.Symbol("s")
    u = sp.Function("u")
    domain = Domain((Coordinate("t", 0.0, 1.0),), time="t")
    for integral in (sp.Integral(u(s), (s, 0, t)), sp.Integral(sp.exp(s - t), (s, 0, t))):
        with pytest.raises(UserError, match="integral") as refused:
            Statement(domain=domain, fields=("u",), equations=(u(t).diff(t) + integral,), conditions=initial("u", 0))
        assert "a field of its own" in str(refused.value) or ".doit()" in str(refused.value)
