"""The heat equation on a rod whose ends are kept cold."""

from dataclasses import dataclass

from sciml.core.capabilities import HasResidual
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations


@dataclass(frozen=True, kw_only=True)
class Heat(HasResidual):
    """u_t = α u_xx, exact.

    What to expect: ``sine`` falls to a fiftieth (e^-3.95) by the end, so the error at late times is hidden in a norm
    over all of them; ``modes`` loses its fast mode by t = 0.3.
    """

    cases: tuple[str, ...] = equations.CASES

    def statement(self, case: str) -> Statement:
        """See `equations.statement`."""
        return equations.statement(case)


PROBLEM = Heat(
    name="heat",
    title="Heat equation",
    equation=equations.EQUATION,
    fields=(Field("u", "u", "1", "temperature"),),
    boundary={"x": "wall"},
    metrics=("error/relative_l2", "residual/rms"),
    solver="pinn",
    citation="J. Fourier, Théorie analytique de la chaleur (1822); the case 'sine' is the example heat of DeepXDE, "
    "L. Lu, X. Meng, Z. Mao, G. E. Karniadakis, SIAM Review 63 (2021) 208-228, doi:10.1137/19M1274067",
)
