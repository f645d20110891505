"""Helmholtz' equation on a square whose sides are nodes."""

from dataclasses import dataclass

from sciml.core.capabilities import HasResidual
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations


@dataclass(frozen=True, kw_only=True)
class Helmholtz(HasResidual):
    """Δu + k² u = f.

    What to expect: ``two`` is the case of DeepXDE's example, four by four cells. The operator is indefinite, so a small
    residual is a weaker promise of a small error than it is for Poisson's equation.
    """

    cases: tuple[str, ...] = equations.CASES

    def statement(self, case: str) -> Statement:
        """See `equations.statement`."""
        return equations.statement(case)


PROBLEM = Helmholtz(
    name="helmholtz",
    title="Helmholtz' equation",
    equation=equations.EQUATION,
    fields=(Field("u", "u", "1", "amplitude"),),
    boundary={"x": "wall", "y": "wall"},
    metrics=("error/relative_l2", "residual/rms"),
    solver="pinn",
    citation="Manufactured solution; the case 'two' is the example helmholtz_2d_dirichlet of DeepXDE, "
    "L. Lu, X. Meng, Z. Mao, G. E. Karniadakis, SIAM Review 63 (2021) 208-228, doi:10.1137/19M1274067",
)
