"""Viscous Burgers' equation from a sine, the usual first test of a physics-informed network."""

from dataclasses import dataclass

from torch import Tensor

from sciml.core.capabilities import HasResidual
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class Burgers(HasResidual):
    """u_t + u u_x = ν u_xx.

    What to expect: the sine steepens at x = 0 until t = 1/π and is then a front that diffusion holds at a width of
    about 4ν. ``smooth`` has a front a tenth of the domain wide, ``sharp`` a hundredth, with |u_x| up to 152.
    """

    cases: tuple[str, ...] = equations.CASES

    def statement(self, case: str) -> Statement:
        """See `equations.statement`."""
        return equations.statement(case)

    def reference(self, points: Tensor, case: str) -> Tensor:
        """The solution by quadrature of the Cole-Hopf integral."""
        return reference.cole_hopf(points, self.statement(case).parameters["nu"])


PROBLEM = Burgers(
    name="burgers",
    title="Burgers' equation",
    equation=equations.EQUATION,
    fields=(Field("u", "u", "1", "velocity"),),
    boundary={"x": "wall"},
    metrics=("error/relative_l2", "residual/rms"),
    solver="pinn",
    citation="C. Basdevant et al., Spectral and finite difference solutions of the Burgers equation, "
    "Computers & Fluids 14 (1986) 23-41, doi:10.1016/0045-7930(86)90036-8; "
    "M. Raissi, P. Perdikaris, G. E. Karniadakis, J. Comput. Phys. "
    "378 (2019) 686-707, doi:10.1016/j.jcp.2018.10.045",
)
