"""A cooled vessel whose reaction is hidden: four trajectories, an exponential of 1/T to be found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, HeldOut, ObservationPlan, Observations
from sciml.core.errors import UserError
from sciml.core.problem import Field
from sciml.core.types import Params

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class ArrheniusHidden(HasHiddenTerm):
    """Cooling is told, the reaction that heats is not.

        dc/dt = H₁(c, T),  dT/dt = − h (T − T₀) + H₂(c, T);  H = (−1, Q) A c exp(− E/T)

    Good values: four trajectories that start at temperatures from 0.6 to 2.4. On a narrow range of temperatures the
    exponential of E/T cannot be told from other curves.
    """

    inputs: tuple[str, ...] = ("c", "T")
    hidden_inputs: tuple[str, ...] = ("c", "T")
    library: tuple[str, ...] = equations.LIBRARY
    operators: tuple[str, ...] = ("mul", "div", "exp")
    unknowns: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    plan: ObservationPlan = equations.PLAN

    def known(self, time: Tensor, inputs: Tensor, scalars: Params) -> Tensor:
        """(0, − h (T − T₀))."""
        return equations.known(inputs)

    def hidden(self, time: Tensor, inputs: Tensor) -> Tensor:
        """(−1, Q) A c exp(−E/T)."""
        return equations.hidden(inputs)

    def known_formulas(self) -> tuple[str, ...]:
        """The known part as text."""
        return ("0", f"-{equations.COOLING}*(T - {equations.OUTSIDE})")

    def hidden_formulas(self) -> tuple[str, ...]:
        """The hidden part as text."""
        rate = f"c*exp(-{equations.ENERGY}/T)"
        return (f"-{equations.FACTOR}*{rate}", f"{equations.HEAT * equations.FACTOR}*{rate}")

    def observations(self, plan: ObservationPlan, generator: torch.Generator) -> tuple[Observations, ...]:
        """Equidistant times from start to end, Gaussian noise of a share of each field's mean."""
        if not 1 <= plan.trajectories <= len(equations.STARTS):
            raise UserError(f"problem {self.name!r} has other trajectories", got=plan.trajectories,
                            expected=f"1 to {len(equations.STARTS)}")  # fmt: skip
        times = torch.linspace(0.0, equations.END, plan.points, dtype=torch.float64)
        seen = []
        for start in equations.STARTS[: plan.trajectories]:
            true = reference.states(start, times)
            sigma = plan.noise * true.mean(0)
            drawn = torch.randn(true.shape, generator=generator, dtype=torch.float64)
            seen.append(Observations(times[:, None], true + sigma * drawn, sigma))
        return tuple(seen)

    def ansatz(self, trajectory: int, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """u₀ + (t / T) N: the starts are known."""
        start = coordinates.new_tensor(equations.STARTS[trajectory]).expand(len(coordinates), 2)
        return start, (coordinates / equations.END).expand(len(coordinates), 2)

    def reference(self, trajectory: int, coordinates: Tensor) -> Tensor:
        """The true state."""
        return reference.states(equations.STARTS[trajectory], coordinates[:, 0])

    def held_out(self) -> HeldOut:
        """From (1.1, 1.5), as long as the observed ones."""
        times = torch.linspace(0.0, equations.END, 61, dtype=torch.float64)
        return HeldOut(times, reference.states(equations.HELD_OUT, times))

    def spread(self, states: Tensor) -> Tensor:
        """The state itself."""
        return states


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
