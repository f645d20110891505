"""A substance that is carried, spreads and grows in the plane; the growth is hidden."""

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
class AdvectionDiffusionHidden(HasHiddenTerm):
    """Wind and diffusion are told, growth is not.

        c_t = D (c_xx + c_yy) − v c_x − w c_y + H(c, c_x, c_y),  H = r c − s c²

    On the unit square, periodic, t from 0 to 1: two plumes are carried across it while they spread and grow towards
    r/s. The hidden part may depend on the slopes too: that it is no further transport must be found. Good values: three
    hundred points scattered in space and time, two per cent of noise.
    """

    inputs: tuple[str, ...] = ("c", "c_x", "c_y", "c_xx", "c_yy")
    hidden_inputs: tuple[str, ...] = ("c", "c_x", "c_y")
    library: tuple[str, ...] = equations.LIBRARY
    operators: tuple[str, ...] = ("add", "sub", "mul", "div")
    unknowns: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    plan: ObservationPlan = equations.PLAN
    coordinate_units: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({"t": "s", "y": "m", "x": "m"})
    )

    def known(self, time: Tensor, inputs: Tensor, scalars: Params) -> Tensor:
        """D (c_xx + c_yy) − v c_x − w c_y."""
        return equations.known(inputs)

    def hidden(self, time: Tensor, inputs: Tensor) -> Tensor:
        """Growth, r c − s c²."""
        return equations.hidden(inputs)

    def known_formulas(self) -> tuple[str, ...]:
        """The known part as text."""
        v, w = equations.WIND
        return (f"{equations.DIFFUSIVITY}*(c_xx + c_yy) - {v}*c_x - {w}*c_y",)

    def hidden_formulas(self) -> tuple[str, ...]:
        """The hidden part as text."""
        return (f"{equations.GROWTH}*c - {equations.CROWDING}*c**2",)

    def observations(self, plan: ObservationPlan, generator: torch.Generator) -> tuple[Observations, ...]:
        """Points scattered at random over time and square, Gaussian noise of a share of the mean magnitude."""
        if not 1 <= plan.trajectories <= len(equations.STARTS):
            raise UserError(f"problem {self.name!r} has other trajectories", got=plan.trajectories,
                            expected=f"1 to {len(equations.STARTS)}")  # fmt: skip
        seen = []
        for plumes in equations.STARTS[: plan.trajectories]:
            where = torch.rand((plan.points, 3), generator=generator, dtype=torch.float64)
            where[:, 0] *= equations.END
            true = reference.inputs(where, plumes)[:, :1]
            sigma = plan.noise * true.abs().mean(0)
            noise = torch.randn(true.shape, generator=generator, dtype=torch.float64)
            seen.append(Observations(where, true + sigma * noise, sigma))
        return tuple(seen)

    def ansatz(self, trajectory: int, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """c₀(x, y) + t N: the initial plumes are known."""
        time, y, x = coordinates.unbind(1)
        start = equations.initial(y, x, equations.STARTS[trajectory])
        return start[:, None], time[:, None] / equations.END

    def reference(self, trajectory: int, coordinates: Tensor) -> Tensor:
        """(c, c_x, c_y, c_xx, c_yy) of the Fourier series."""
        return reference.inputs(coordinates, equations.STARTS[trajectory])

    def held_out(self) -> HeldOut:
        """From two other plumes, on the reference's grid."""
        times = torch.linspace(0.0, equations.END, 11, dtype=torch.float64)
        axis = reference.points()
        return HeldOut(times, reference.fields(times, equations.HELD_OUT)[:, None], (axis, axis))

    def spread(self, states: Tensor) -> Tensor:
        """(c, c_x, c_y, c_xx, c_yy) on the grid, by Fourier series."""
        return reference.spread(states[:, 0])


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
