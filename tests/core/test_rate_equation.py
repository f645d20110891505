"""Marked statements taken apart: known and hidden part, columns, derivatives with boundary conditions, clear errors."""

import math

import pytest
import sympy as sp
import torch

from sciml.core.derivatives import autograd_derivatives
from sciml.core.domain import Coordinate, Domain, dirichlet, initial, neumann
from sciml.core.errors import UserError
from sciml.core.marks import hidden
from sciml.core.rate_equation import RateEquation
from sciml.core.statement import Statement, Unknown

X, T, NU = sp.symbols("x t nu")
U = sp.Function("u")(X, T)
BOX = Domain((Coordinate("x", -1.0, 1.0), Coordinate("t", 0.0, 1.0)), time="t")


WALLS = dirichlet("u", "x")


def stated(equation, conditions=WALLS, domain=BOX, **more):
    conditions = (*conditions, *initial("u", -sp.sin(sp.pi * X)))
    parts = {"domain": domain, "fields": ("u",), "equations": (equation,), "conditions": conditions}
    return Statement(**parts | {"parameters": {"nu": 0.1}} | more)


MARKED = U.diff(T) + hidden(U * U.diff(X)) - NU * U.diff(X, 2)


def test_marks_do_not_change_the_statement():
    plain, marked = (stated(e) for e in (U.diff(T) + U * U.diff(X) - NU * U.diff(X, 2), MARKED))
    points = torch.rand(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    derivatives = autograd_derivatives(lambda p: (p[:, :1] * p[:, 1:]).sin(), points, ("u",), "xt")
    assert plain.needs == marked.needs
    assert torch.equal(plain.residual(points, derivatives), marked.residual(points, derivatives))


def test_the_rate_is_known_and_hidden_part():
    rates = RateEquation(stated(MARKED), ("u", "u_x"))
    assert rates.inputs == ("u", "u_x", "u_xx")
    assert rates.axes == ("t", "x")
    assert [str(term) for term in (*rates.known_terms, *rates.hidden_terms)] == ["0.1*u_xx", "-u*u_x"]
    inputs = torch.tensor([[2.0, 3.0, 5.0]], dtype=torch.float64)
    assert float(rates.known(torch.zeros(1), inputs)) == 0.5
    assert float(rates.hidden(inputs)) == -6.0


def test_unknown_numbers_stay_open_and_unknown_terms_are_none():
    statement = stated(U.diff(T) - NU * U.diff(X, 2) - hidden(), parameters={}, unknowns=(Unknown("nu", 0.3),))
    rates = RateEquation(statement)
    assert rates.unknowns == {"nu": 0.3}
    assert rates.hidden_terms is None
    inputs = torch.tensor([[2.0, 5.0]], dtype=torch.float64)
    assert float(rates.known(torch.zeros(1), inputs, {"nu": torch.tensor([0.2])})) == pytest.approx(1.0)
    with pytest.raises(UserError, match="nobody knows"):
        statement.residual(inputs, lambda field, name: inputs[:, 0])


@pytest.mark.parametrize("periodic", [True, False])
def test_derivative_columns_of_a_sine(periodic):
    domain = Domain((Coordinate("x", -1.0, 1.0, periodic=periodic), Coordinate("t", 0.0, 1.0)), time="t")
    rates = RateEquation(stated(MARKED, () if periodic else dirichlet("u", "x"), domain))
    x = torch.linspace(-1, 1, 66, dtype=torch.float64)
    x = x[:-1] if periodic else x[1:-1]
    table = rates.table(torch.sin(math.pi * x)[None, None])[0]
    expected = [torch.sin(math.pi * x), math.pi * torch.cos(math.pi * x), -(math.pi**2) * torch.sin(math.pi * x)]
    torch.testing.assert_close(table, torch.stack(expected, 1), rtol=0, atol=1e-10 if periodic else 2e-5)


@pytest.mark.parametrize(
    ("equation", "match"),
    [
        (U.diff(T, 2) + hidden(U), "not of the form"),
        (U * U.diff(T) + hidden(U), "not of the form"),
        (U.diff(T) + hidden(U) * hidden(U.diff(X)), "not added to the known part"),
        (U.diff(T) + hidden(U) - X, "depends on x"),
        (U.diff(T) + hidden(U * U.diff(X, 3)), "no column 'u_xxx'"),
    ],
)
def test_equations_that_cannot_be_taken_apart_say_why(equation, match):
    with pytest.raises(UserError, match=match):
        RateEquation(stated(equation))


def test_inputs_and_walls_that_do_not_exist_are_refused():
    with pytest.raises(UserError, match="'v_x', is neither a field nor a derivative"):
        RateEquation(stated(MARKED), ("v_x",))
    with pytest.raises(UserError, match="hidden part of a rate depends on u_x"):
        RateEquation(stated(MARKED), ("u",))
    insulated = Statement(
        domain=BOX, fields=("u",), equations=(MARKED,), conditions=neumann("u", "x"), parameters={"nu": 0.1}
    )
    with pytest.raises(UserError, match="cannot be simulated with this condition at the lower end of 'x'"):
        RateEquation(insulated).table(torch.zeros(1, 1, 16, dtype=torch.float64))
