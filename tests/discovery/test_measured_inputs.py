"""A measured input that needs no equation, in trajectories of unequal lengths and times of their own."""

import numpy as np
import pandas as pd
import pytest
import sympy
from scipy.integrate import solve_ivp

from sciml.discovery import EquationFinder, HiddenPrior


def test_the_coefficients_of_a_driven_system_are_right():
    """x' = -0.5 x + 2 u with u = sin t."""
    tables = []
    for k, (rows, start) in enumerate(((20, 0.0), (26, 1.0), (33, -1.0))):
        t = np.linspace(0, 6 + k, rows)
        x = solve_ivp(lambda t, x: -0.5 * x + 2 * np.sin(t), (0, t[-1]), [start], t_eval=t, rtol=1e-9, atol=1e-11).y[0]
        tables.append(pd.DataFrame({"trajectory": k, "t": t, "x": x, "u": np.sin(t)}))
    finder = EquationFinder("x' = 0", prior=HiddenPrior(inputs=("u",)), library=("x", "u"), noise=1e-6)
    finder.fit("t", pd.concat(tables))
    (equation,) = finder.equations_
    law = sympy.sympify(equation.partition("=")[2])
    measured = {str(term): float(law.coeff(term)) for term in sympy.symbols("x u")}
    assert measured == pytest.approx({"x": -0.5, "u": 2.0}, rel=0.02)
    assert sympy.expand(law).as_coefficients_dict().keys() == {*sympy.symbols("x u")}
