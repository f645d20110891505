"""A substance that is carried, spreads and grows in the plane; the growth is hidden."""

from dataclasses import dataclass

from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, HeldOut, HiddenSpec
from sciml.core.clock import Clock
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class AdvectionDiffusionHidden(HasHiddenTerm):
    """Wind and diffusion are known, growth is not.

        c_t = D (c_xx + c_yy) − v c_x − w c_y + H(c, c_x, c_y),  H = r c − s c²

    On the unit square, periodic, t from 0 to 1: two plumes are carried across it while they spread and grow towards
    r/s. The hidden part may depend on the slopes too: that it is no further transport must be found. Good values: three
    hundred points scattered in space and time, two per cent of noise.
    """

    hidden: HiddenSpec = equations.HIDDEN

    def hidden_statement(self, trajectory: int = 0) -> Statement:
        """See `equations.statement`."""
        return equations.statement(equations.STARTS[trajectory])

    def reference_trajectory(self, trajectory: int, coordinates: Tensor) -> Tensor:
        """The Fourier series."""
        return reference.values(coordinates, equations.STARTS[trajectory])

    def held_out(self) -> HeldOut:
        """From two other plumes, on the reference's grid."""
        times = Clock(0.0, equations.END).ticks(11)
        axis = reference.points()
        return HeldOut(times, reference.fields(times, equations.HELD_OUT)[:, None], (axis, axis))


PROBLEM = AdvectionDiffusionHidden(
    name="advection_diffusion_hidden",
    title="Advection and diffusion with hidden growth",
    equation=equations.EQUATION,
    fields=(Field("concentration", "c", "kg/m^3", "concentration"),),
    boundary={"y": "periodic", "x": "periodic"},
    presets=("tiny", "small", "paper"),
    metrics=("hidden/relative_l2", "hidden/concentration", "state/relative_l2"),
    solver="upinn",
    citation="L. Podina, B. Eastman, M. Kohandel, Universal physics-informed neural networks, ICML 2023, "
    "PMLR 202:27948; growth as in R. A. Fisher, Annals of Eugenics 7 (1937) 355-369; the setting is our own",
)
