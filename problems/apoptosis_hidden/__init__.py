"""Cell death by caspase: a stiff network over three decades of scale, whose inhibition is hidden."""

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
class ApoptosisHidden(HasHiddenTerm):
    """Caspase's own switching and the life of its inhibitor are told, how the inhibitor switches caspase off is not.

        dx/dt = K₁(x, y),  dy/dt = K₂(y, z) + H₂(x, y),  dz/dt = − K₂(y, z) + H₃(x, y);  H = (0, − v, v),
        v = k₋₃ x y/(J₋₃ + y)

    x is the inhibitor, y active caspase, z inactive caspase; y + z is kept. Caspase settles within a unit of time and
    the inhibitor within a hundred: the equation is stiff, and observed times are equidistant by a logarithm. Where a
    cell lives, x is 2 and y a thousandth; the last trajectory dies, with y above 1, without which y/(J₋₃ + y) cannot be
    told from y. Good values: four trajectories, half a per cent of noise.
    """

    inputs: tuple[str, ...] = ("x", "y", "z")
    hidden_inputs: tuple[str, ...] = ("x", "y")
    library: tuple[str, ...] = equations.LIBRARY
    operators: tuple[str, ...] = ("add", "sub", "mul", "div")
    unknowns: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    plan: ObservationPlan = equations.PLAN

    def known(self, time: Tensor, inputs: Tensor, scalars: Params) -> Tensor:
        """All but the inhibition."""
        return equations.known(inputs)

    def hidden(self, time: Tensor, inputs: Tensor) -> Tensor:
        """(0, − v, v)."""
        return equations.hidden(inputs)

    def known_formulas(self) -> tuple[str, ...]:
        """The known part as text."""
        on = f"{equations.ON}*z*({equations.ON_HALF} + y)"
        off = f"{equations.OFF}*y/({equations.OFF_HALF} + y)"
        cut = f"{equations.CUT}*y*x/({equations.CUT_HALF} + x)"
        return (f"{equations.SUPPLY} - {cut} - {equations.DECAY}*x", f"{on} - {off}", f"{off} - {on}")

    def hidden_formulas(self) -> tuple[str, ...]:
        """The hidden part as text."""
        rate = f"{equations.BIND}*x*y/({equations.BIND_HALF} + y)"
        return ("0", f"-{rate}", rate)

    def observations(self, plan: ObservationPlan, generator: torch.Generator) -> tuple[Observations, ...]:
        """Times equidistant by a logarithm, Gaussian noise of a share of each field's mean on its trajectory."""
        if not 1 <= plan.trajectories <= len(equations.STARTS):
            raise UserError(f"problem {self.name!r} has other trajectories", got=plan.trajectories,
                            expected=f"1 to {len(equations.STARTS)}")  # fmt: skip
        times = equations.times(plan.points)
        seen = []
        for start in equations.STARTS[: plan.trajectories]:
            true = reference.states(start, times)
            sigma = plan.noise * true.mean(0)
            drawn = torch.randn(true.shape, generator=generator, dtype=torch.float64)
            seen.append(Observations(times[:, None], true + sigma * drawn, sigma))
        return tuple(seen)

    def ansatz(self, trajectory: int, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """u₀ + log(1 + t/p) N / log(1 + T/p): the starts are known."""
        start = coordinates.new_tensor(equations.STARTS[trajectory]).expand(len(coordinates), 3)
        return start, equations.position(coordinates).expand(len(coordinates), 3)

    def reference(self, trajectory: int, coordinates: Tensor) -> Tensor:
        """The true state."""
        return reference.states(equations.STARTS[trajectory], coordinates[:, 0])

    def held_out(self) -> HeldOut:
        """From (0.5, 0.5, 0.2), as long as the observed ones."""
        times = equations.times(61)
        return HeldOut(times, reference.states(equations.HELD_OUT, times))

    def spread(self, states: Tensor) -> Tensor:
        """The state itself."""
        return states


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
    "PMLR 202:27948; several trajectories, their starts and the choice of what is hidden are our own",
)
