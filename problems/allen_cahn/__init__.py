"""The Allen-Cahn equation with fixed ends: plateaus and thin walls between them."""

from dataclasses import dataclass

from torch import Tensor

from sciml.core.capabilities import HasResidual
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class AllenCahn(HasResidual):
    """u_t = D u_xx + 5 (u - u³).

    What to expect: u goes to ±1 within a time of 1, from the small values at the centre last, with walls √(D/5) wide,
    which is 0.0045 for ``sharp`` and 0.045 for ``smooth``. ``sharp`` is the case of the literature, hard for
    first-order methods.
    """

    cases: tuple[str, ...] = equations.CASES

    def statement(self, case: str) -> Statement:
        """See `equations.statement`."""
        return equations.statement(case)

    def reference(self, points: Tensor, case: str) -> Tensor:
        """The spectral solution."""
        return reference.solution(points, self.statement(case).parameters["D"])


PROBLEM = AllenCahn(
    name="allen_cahn",
    title="Allen-Cahn equation",
    equation=equations.EQUATION,
    fields=(Field("u", "u", "1", "order parameter"),),
    boundary={"x": "wall"},
    metrics=("error/relative_l2", "residual/rms"),
    solver="pinn",
    citation="S. Allen, J. Cahn, Acta Metallurgica 27 (1979) 1085-1095, doi:10.1016/0001-6160(79)90196-2; as a test of "
    "networks M. Raissi et al., J. Comput. Phys. 378 (2019) 686-707, doi:10.1016/j.jcp.2018.10.045 (periodic there)",
)
