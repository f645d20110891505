"""Viscous Burgers' equation from a sine, the usual first test of a physics-informed network."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, HasResidual, HeldOut, HiddenSpec
from sciml.core.clock import Clock
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class Burgers(HasResidual, HasHiddenTerm):
    """u_t + u u_x = ν u_xx.

    What to expect: the sine steepens at x = 0 until t = 1/π and is then a front that diffusion holds at a width of
    about 4ν. ``smooth`` has a front a tenth of the domain wide, ``sharp`` a hundredth, with |u_x| up to 152.

    For discovery diffusion is known and advection is hidden, in the case ``smooth``. One solution visits a surface of
    (u, u_x), so a single trajectory is enough to tell candidate terms apart. Good values: a hundred points, one per
    cent of noise.
    """

    cases: tuple[str, ...] = equations.CASES
    hidden: HiddenSpec = equations.HIDDEN

    def statement(self, case: str) -> Statement:
        """See `equations.statement`."""
        return equations.statement(case)

    def reference(self, points: Tensor, case: str) -> Tensor:
        """The solution by quadrature of the Cole-Hopf integral."""
        return reference.cole_hopf(points, self.statement(case).parameters["nu"])

    def hidden_statement(self, trajectory: int = 0) -> Statement:
        """The smooth case from one of the observed waves."""
        return equations.statement(equations.HIDDEN_CASE, equations.WAVES[trajectory])

    def reference_trajectory(self, trajectory: int, coordinates: Tensor) -> Tensor:
        """The Cole-Hopf integral from that wave."""
        time, x = coordinates.double().unbind(1)
        return self._from_wave(equations.WAVES[trajectory], time, x)[:, None]

    def held_out(self) -> HeldOut:
        """From another mixture of two sines, on the inner points of a grid."""
        times = Clock(0.0, 1.0).ticks(21)
        x = torch.linspace(-1.0, 1.0, equations.INNER + 2, dtype=torch.float64)[1:-1]
        states = [self._from_wave(equations.HELD_OUT, time.expand(len(x)), x) for time in times]
        return HeldOut(times, torch.stack(states)[:, None], (x,))

    def _from_wave(self, wave: equations.Wave, time: Tensor, x: Tensor) -> Tensor:
        return reference.cole_hopf_of(wave, equations.VISCOSITY[equations.HIDDEN_CASE], time, x)


PROBLEM = Burgers(
    name="burgers",
    title="Burgers' equation",
    equation=equations.EQUATION,
    fields=(Field("u", "u", "1", "velocity"),),
    boundary={"x": "wall"},
    metrics=("error/relative_l2", "residual/rms", "hidden/relative_l2", "state/relative_l2"),
    solver="pinn",
    citation="C. Basdevant et al., Spectral and finite difference solutions of the Burgers equation, "
    "Computers & Fluids 14 (1986) 23-41, doi:10.1016/0045-7930(86)90036-8; "
    "M. Raissi, P. Perdikaris, G. E. Karniadakis, J. Comput. Phys. "
    "378 (2019) 686-707, doi:10.1016/j.jcp.2018.10.045; hidden advection: L. Podina, B. Eastman, M. Kohandel, "
    "Universal physics-informed neural networks, ICML 2023, PMLR 202:27948; exact solution: J. D. Cole, Quarterly of "
    "Applied Mathematics 9 (1951) 225-236",
)
