"""The lid-driven cavity at a Reynolds number of 100, steady, by its stream function."""

from dataclasses import dataclass

from torch import Tensor

from sciml.core.capabilities import HasResidual
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class Cavity(HasResidual):
    """ψ_y Δψ_x - ψ_x Δψ_y = Δ²ψ / Re, the curl of the steady Navier-Stokes equations; the flow is free of divergence.

    What to expect: one large vortex that the lid drives, ψ between -0.1 and 0, and two faint ones in the lower corners.
    ``plain`` is the classical case, whose velocity jumps where lid and walls meet; ``smooth`` has a lid that is at rest
    there, so that all conditions can be met at once.
    """

    cases: tuple[str, ...] = equations.CASES

    def statement(self, case: str) -> Statement:
        """See `equations.statement`."""
        return equations.statement(case)

    def reference(self, points: Tensor, case: str) -> Tensor:
        """Polynomials or finite differences, see `reference`."""
        solution = reference.plain if self.statement(case).singular_corners else reference.smooth
        return solution(points, equations.REYNOLDS)


PROBLEM = Cavity(
    name="cavity",
    title="Lid-driven cavity",
    equation=equations.EQUATION,
    fields=(Field("psi", "ψ", "1", "stream function"),),
    boundary={"x": "wall", "y": "wall"},
    metrics=("error/relative_l2", "residual/rms"),
    solver="pinn",
    citation="U. Ghia, K. N. Ghia, C. T. Shin, High-Re solutions for incompressible flow using the Navier-Stokes "
    "equations and a multigrid method, J. Comput. Phys. 48 (1982) 387-411, doi:10.1016/0021-9991(82)90058-4",
)
