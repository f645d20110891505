"""A cooled vessel whose reaction is hidden: four trajectories, an exponential of 1/T to be found."""

from dataclasses import dataclass

from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, HeldOut, HiddenSpec
from sciml.core.clock import Clock
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class ArrheniusHidden(HasHiddenTerm):
    """Cooling is known, the reaction that heats is not.

        dc/dt = H₁(c, T),  dT/dt = − h (T − T₀) + H₂(c, T);  H = (−1, Q) A c exp(− E/T)

    Good values: four trajectories that start at temperatures from 0.6 to 2.4. On a narrow range of temperatures the
    exponential of E/T cannot be told from other curves.
    """

    hidden: HiddenSpec = equations.HIDDEN

    def hidden_statement(self, trajectory: int = 0) -> Statement:
        """See `equations.statement`."""
        return equations.statement(equations.STARTS[trajectory])

    def reference_trajectory(self, trajectory: int, coordinates: Tensor) -> Tensor:
        """By DOP853."""
        return reference.TRAJECTORIES.states(equations.STARTS[trajectory], coordinates.detach()[:, 0])

    def held_out(self) -> HeldOut:
        """From (1.1, 1.5), as long as the observed ones."""
        times = Clock(0.0, equations.END).ticks(61)
        return HeldOut(times, reference.TRAJECTORIES.states(equations.HELD_OUT, times))


PROBLEM = ArrheniusHidden(
    name="arrhenius_hidden",
    title="A cooled vessel with a hidden reaction",
    equation=equations.EQUATION,
    fields=(Field("concentration", "c", "1", "concentration"), Field("temperature", "T", "1", "temperature")),
    boundary={},
    presets=("tiny", "small", "paper"),
    metrics=("hidden/relative_l2", "hidden/concentration", "hidden/temperature", "state/relative_l2"),
    solver="upinn",
    citation="S. Arrhenius, Zeitschrift für Physikalische Chemie 4 (1889) 226-248; the setting is our own",
)
