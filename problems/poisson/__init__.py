"""Poisson's equation on a line, a square and a plate with a hole, with manufactured solutions."""

from dataclasses import dataclass

from sciml.core.capabilities import HasResidual
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations


@dataclass(frozen=True, kw_only=True)
class Poisson(HasResidual):
    """Δu = f with values given all round, or slopes on the edge of a hole.

    What to expect: ``line`` is one smooth arch up and one down, ``waves`` adds six fast ones, ``square`` has two cells
    on a slope, ``plate`` has a hole. All are smooth: an error of 1e-5 is nothing special.
    """

    cases: tuple[str, ...] = equations.CASES

    def statement(self, case: str) -> Statement:
        """See `equations.statement`."""
        return equations.statement(case)


PROBLEM = Poisson(
    name="poisson",
    title="Poisson's equation",
    equation=equations.EQUATION,
    fields=(Field("u", "u", "1", "potential"),),
    boundary={"x": "wall"},
    metrics=("error/relative_l2", "residual/rms"),
    solver="pinn",
    citation="Manufactured solutions; the case 'line' is the example poisson_1d_dirichlet of DeepXDE, "
    "L. Lu, X. Meng, Z. Mao, G. E. Karniadakis, SIAM Review 63 (2021) 208-228, doi:10.1137/19M1274067",
)
