"""Diffusion with an unknown coefficient and a few noisy observations."""

from dataclasses import dataclass

from sciml.core.capabilities import HasResidual
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations


@dataclass(frozen=True, kw_only=True)
class DiffusionInverse(HasResidual):
    """A number C, or a function k(x), from observations of u.

    What to expect: C within a percent from a hundred observations with an error of 0.01. The function is determined by
    k u_x up to a constant that its ends fix, and worst where u_x vanishes.
    """

    cases: tuple[str, ...] = equations.CASES

    def statement(self, case: str) -> Statement:
        """See `equations.statement`."""
        return equations.statement(case)


PROBLEM = DiffusionInverse(
    name="diffusion_inverse",
    title="Diffusion with an unknown coefficient",
    equation=equations.EQUATION,
    fields=(Field("u", "u", "1", "concentration"), Field("k", "k", "1", "diffusivity")),
    boundary={"x": "wall"},
    metrics=("error/relative_l2", "unknown/C", "residual/rms"),
    solver="pinn",
    citation="The case 'number' is the example diffusion_1d_inverse of DeepXDE, "
    "L. Lu, X. Meng, Z. Mao, G. E. Karniadakis, SIAM Review 63 (2021) 208-228, doi:10.1137/19M1274067",
)
