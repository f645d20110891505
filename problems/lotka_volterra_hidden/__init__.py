"""Predators and prey whose interaction is hidden: three short noisy trajectories, two terms to be found."""

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
class LotkaVolterraHidden(HasHiddenTerm):
    """The growth of prey and the death of predators are told, what happens when they meet is not.

        dx/dt = α x + H₁(x, y),  dy/dt = − δ y + H₂(x, y);  H = (− β x y, γ x y)

    Good values: three trajectories with ten points each and half a per cent of noise. One trajectory alone is a curve
    in the plane, on which x y cannot be told from other functions: it is not identifiable, and must be called so.
    """

    inputs: tuple[str, ...] = ("x", "y")
    hidden_inputs: tuple[str, ...] = ("x", "y")
    library: tuple[str, ...] = equations.LIBRARY
    operators: tuple[str, ...] = ("add", "sub", "mul", "div")
    unknowns: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    plan: ObservationPlan = equations.PLAN

    def known(self, time: Tensor, inputs: Tensor, scalars: Params) -> Tensor:
        """(α x, − δ y)."""
        return equations.known(inputs)

    def hidden(self, time: Tensor, inputs: Tensor) -> Tensor:
        """(− β x y, γ x y)."""
        return equations.hidden(inputs)

    def known_formulas(self) -> tuple[str, ...]:
        """The known part as text."""
        return (f"{equations.ALPHA}*x", f"-{equations.DELTA}*y")

    def hidden_formulas(self) -> tuple[str, ...]:
        """The hidden part as text."""
        return (f"-{equations.BETA}*x*y", f"{equations.GAMMA}*x*y")

    def observations(self, plan: ObservationPlan, generator: torch.Generator) -> tuple[Observations, ...]:
        """Equidistant times from start to end, Gaussian noise of a share of each population's mean."""
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
        """u₀ + (t / T) N: the initial populations are known."""
        start = coordinates.new_tensor(equations.STARTS[trajectory]).expand(len(coordinates), 2)
        return start, (coordinates / equations.END).expand(len(coordinates), 2)

    def reference(self, trajectory: int, coordinates: Tensor) -> Tensor:
        """The true populations."""
        return reference.states(equations.STARTS[trajectory], coordinates[:, 0])

    def held_out(self) -> HeldOut:
        """From (1, 3), as long as the observed ones."""
        times = torch.linspace(0.0, equations.END, 61, dtype=torch.float64)
        return HeldOut(times, reference.states(equations.HELD_OUT, times))

    def spread(self, states: Tensor) -> Tensor:
        """The populations themselves."""
        return states


PROBLEM = LotkaVolterraHidden(
    name="lotka_volterra_hidden",
    title="Lotka-Volterra with a hidden interaction",
    equation=equations.EQUATION,
    fields=(Field("prey", "x", "1", "number of prey"), Field("predator", "y", "1", "number of predators")),
    boundary={},
    presets=("tiny", "small", "paper"),
    metrics=("hidden/relative_l2", "hidden/prey", "hidden/predator", "state/relative_l2"),
    solver="upinn",
    citation="C. Rackauckas et al., Universal differential equations for scientific machine learning, "
    "arXiv 2001.04385; L. Podina, B. Eastman, M. Kohandel, Universal physics-informed neural networks, "
    "ICML 2023, PMLR 202:27948",
)
