"""The wave equation on a string with fixed ends."""

from dataclasses import dataclass

from sciml.core.capabilities import HasResidual
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations


@dataclass(frozen=True, kw_only=True)
class Wave(HasResidual):
    """u_tt = c² u_xx, exact.

    What to expect: ``one`` is half a period of one arch; ``two`` one period of it with four periods of a mode four
    times as fast, where networks with soft conditions are known to fail.
    """

    cases: tuple[str, ...] = equations.CASES

    def statement(self, case: str) -> Statement:
        """See `equations.statement`."""
        return equations.statement(case)


PROBLEM = Wave(
    name="wave",
    title="Wave equation",
    equation=equations.EQUATION,
    fields=(Field("u", "u", "1", "displacement"),),
    boundary={"x": "wall"},
    metrics=("error/relative_l2", "residual/rms"),
    solver="pinn",
    citation="J. d'Alembert (1747); the case 'two' is that of S. Wang, X. Yu, P. Perdikaris, When and why PINNs fail "
    "to train, J. Comput. Phys. 449 (2022) 110768, doi:10.1016/j.jcp.2021.110768",
)
