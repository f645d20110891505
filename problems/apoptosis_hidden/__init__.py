"""Cell death by caspase: a stiff network over three decades of scale, whose inhibition is hidden."""

from dataclasses import dataclass

from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, HeldOut, HiddenSpec
from sciml.core.clock import Clock
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class ApoptosisHidden(HasHiddenTerm):
    """Caspase's own switching and the life of its inhibitor are known, how the inhibitor switches caspase off is not.

        dx/dt = K₁(x, y),  dy/dt = K₂(y, z) + H₂(x, y),  dz/dt = − K₂(y, z) + H₃(x, y);  H = (0, − v, v),
        v = k₋₃ x y/(J₋₃ + y)

    x is the inhibitor, y active caspase, z inactive caspase; y + z is kept. Caspase settles within a unit of time and
    the inhibitor within a hundred: the equation is stiff, and observed times are equidistant by a logarithm. Where a
    cell lives, x is 2 and y a thousandth; the last trajectory dies, with y above 1, without which y/(J₋₃ + y) cannot be
    told from y. Good values: four trajectories, half a per cent of noise.
    """

    hidden: HiddenSpec = equations.HIDDEN

    def hidden_statement(self, trajectory: int = 0) -> Statement:
        """See `equations.statement`."""
        return equations.statement(equations.STARTS[trajectory])

    def reference_trajectory(self, trajectory: int, coordinates: Tensor) -> Tensor:
        """By Radau IIA."""
        return reference.TRAJECTORIES.states(equations.STARTS[trajectory], coordinates.detach()[:, 0])

    def held_out(self) -> HeldOut:
        """From (0.5, 0.5, 0.2), as long as the observed ones."""
        times = Clock(0.0, equations.END, equations.PACE).ticks(61)
        return HeldOut(times, reference.TRAJECTORIES.states(equations.HELD_OUT, times))


PROBLEM = ApoptosisHidden(
    name="apoptosis_hidden",
    title="Cell death with a hidden inhibition",
    equation=equations.EQUATION,
    fields=(
        Field("inhibitor", "x", "1", "concentration of the inhibitor"),
        Field("caspase", "y", "1", "concentration of active caspase"),
        Field("procaspase", "z", "1", "concentration of inactive caspase"),
    ),
    boundary={},
    presets=("tiny", "small", "paper"),
    metrics=("hidden/relative_l2", "hidden/caspase", "hidden/procaspase", "state/relative_l2"),
    solver="upinn",
    citation="L. Podina, B. Eastman, M. Kohandel, Universal physics-informed neural networks, ICML 2023, "
    "PMLR 202:27948; several trajectories, their starts and the choice of hidden terms are our own",
)
