"""Burgers' equation whose advection is hidden: one field seen at a hundred noisy points, one term to be found."""

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

SIZE = 127
"""Inner points of the grid on which a found equation is simulated."""


@dataclass(frozen=True, kw_only=True)
class BurgersHidden(HasHiddenTerm):
    """Diffusion is told, advection is not.

        u_t = ν u_xx + H(u, u_x),  H = − u u_x,  ν = 0.1/π,  x in [−1, 1], t in [0, 1]

    The sine wave steepens at x = 0 and decays. One solution visits a surface of (u, u_x), so a single trajectory is
    enough to tell candidate terms apart. Good values: a hundred points, one per cent of noise.
    """

    inputs: tuple[str, ...] = ("u", "u_x", "u_xx")
    hidden_inputs: tuple[str, ...] = ("u", "u_x")
    library: tuple[str, ...] = equations.LIBRARY
    operators: tuple[str, ...] = ("add", "sub", "mul", "div")
    unknowns: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    plan: ObservationPlan = equations.PLAN

    def known(self, time: Tensor, inputs: Tensor, scalars: Params) -> Tensor:
        """ν u_xx."""
        return equations.known(inputs)

    def hidden(self, time: Tensor, inputs: Tensor) -> Tensor:
        """− u u_x."""
        return equations.hidden(inputs)

    def known_formulas(self) -> tuple[str, ...]:
        """The known part as text."""
        return (f"{equations.VISCOSITY!r}*u_xx",)

    def hidden_formulas(self) -> tuple[str, ...]:
        """The hidden part as text."""
        return ("-u*u_x",)

    def observations(self, plan: ObservationPlan, generator: torch.Generator) -> tuple[Observations, ...]:
        """Points spread at random over the domain, Gaussian noise of a share of the mean magnitude."""
        if not 1 <= plan.trajectories <= len(equations.STARTS):
            raise UserError(f"problem {self.name!r} has other trajectories", got=plan.trajectories,
                            expected=f"1 to {len(equations.STARTS)}")  # fmt: skip
        seen = []
        for start in equations.STARTS[: plan.trajectories]:
            drawn = torch.rand((plan.points, 2), generator=generator, dtype=torch.float64)
            where = torch.stack([equations.END * drawn[:, 0], 2 * drawn[:, 1] - 1], dim=1)
            true = reference.solution(where[:, 0], where[:, 1], start)[:, None]
            sigma = plan.noise * true.abs().mean(0)
            noise = torch.randn(true.shape, generator=generator, dtype=torch.float64)
            seen.append(Observations(where, true + sigma * noise, sigma))
        return tuple(seen)

    def ansatz(self, trajectory: int, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """u₀(x) + t (1 − x²) N: initial state and walls are known."""
        time, x = coordinates[:, :1], coordinates[:, 1:]
        return equations.initial(x, equations.STARTS[trajectory]), time * (1 - x.square())

    def reference(self, trajectory: int, coordinates: Tensor) -> Tensor:
        """(u, u_x, u_xx), exact."""
        return reference.inputs(coordinates[:, 0], coordinates[:, 1], equations.STARTS[trajectory])

    def held_out(self) -> HeldOut:
        """From another mixture of two sines, on the inner points of a grid."""
        times = torch.linspace(0.0, equations.END, 21, dtype=torch.float64)
        x = self.points()
        found = [reference.solution(torch.full_like(x, float(time)), x, equations.HELD_OUT) for time in times]
        return HeldOut(times, torch.stack(found)[:, None], (x,))

    def points(self) -> Tensor:
        """The inner points of the grid."""
        return torch.linspace(-1.0, 1.0, SIZE + 2, dtype=torch.float64)[1:-1]

    def spread(self, states: Tensor) -> Tensor:
        """(u, u_x, u_xx) on the grid's inner points by differences of fourth order, u odd about the walls."""
        u, wall = states[:, 0], states.new_zeros(len(states), 1)
        h = 2 / (u.shape[1] + 1)
        p = torch.cat([-u[:, :1], wall, u, wall, -u[:, -1:]], dim=1)
        slope = (p[:, :-4] - 8 * p[:, 1:-3] + 8 * p[:, 3:-1] - p[:, 4:]) / (12 * h)
        bend = (-p[:, :-4] + 16 * p[:, 1:-3] - 30 * p[:, 2:-2] + 16 * p[:, 3:-1] - p[:, 4:]) / (12 * h * h)
        return torch.stack([u, slope, bend], dim=-1)


PROBLEM = BurgersHidden(
    name="burgers_hidden",
    title="Burgers with hidden advection",
    equation=equations.EQUATION,
    fields=(Field("velocity", "u", "1", "velocity"),),
    boundary={"x": "wall"},
    presets=("tiny", "small", "paper"),
    metrics=("hidden/relative_l2", "hidden/velocity", "state/relative_l2"),
    solver="upinn",
    citation="L. Podina, B. Eastman, M. Kohandel, Universal physics-informed neural networks, ICML 2023, "
    "PMLR 202:27948; exact solution: J. D. Cole, Quarterly of Applied Mathematics 9 (1951) 225-236",
)
