"""Ignition of a model rocket combustor by a laser: a network of zones, and one stirred volume as its reduced model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import (
    Evolves,
    HasConstraints,
    HasDerivedQuantities,
    HasOutcome,
    HasReducedModel,
    Uncertain,
)
from sciml.core.problem import Field, Parameter
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import no_axes

from . import derived, equations, reference


@dataclass(frozen=True, kw_only=True)
class CombustorIgnition(Evolves, HasReducedModel, HasOutcome, HasDerivedQuantities, HasConstraints):
    """A chamber with a fuel-rich jet of methane in oxygen, lit by a laser at a point; SI units throughout.

        CH4 + 2 O2 → CO2 + 2 H2O in 8 x 6 zones that exchange mass, fed at one end, drained by a nozzle at the other

    The kernel dies by mixing (T stays near 320 K) or burns through the chamber within milliseconds (T passes 2500 K and
    falls to about 2000 K), each in about half of the cases. Seen are the means over the chamber. The stirred volume
    with the same total heat never ignites. Good values: t from 0 to 15 ms, dt 0.15 ms.
    """

    outcome: str = "ignition"
    outcome_axes: tuple[str, ...] = ("laser_x", "laser_y")
    derived_quantities: tuple[Field, ...] = derived.QUANTITIES

    @property
    def uncertain(self) -> tuple[Uncertain, ...]:
        """The laser's effective heat, ln A and E."""
        return equations.uncertain()

    def grid(self, size: Sequence[int]) -> Grid:
        """No axes: what is seen is averaged over the chamber; `size` must be ``()``."""
        return no_axes(size)

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """(T, p, ρ, Y_CH4, Y_O2, Y_CO2, Y_H2O) of the cold fill; a function of the parameters."""
        return equations.fill(params)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """The network of zones by LSODA, every row for itself."""
        return reference.simulate(params, initial, times)

    def closures(self) -> Mapping[str, Callable[..., Tensor]]:
        """``heat(time, params)`` [W], ``pre_exponential(params)`` [ln, kmol m s], ``activation(params)`` [J/kmol]."""
        return equations.CLOSURES

    def dynamics(
        self, time: Tensor, state: Tensor, params: Params, closures: Mapping[str, Callable[..., Tensor]]
    ) -> Tensor:
        """d(m_k, T)/dt of the stirred volume, ``batch 5``."""
        return equations.rate(time, state, params, closures)

    def forcing_times(self, params: Params) -> Tensor:
        """Five times of the laser pulse."""
        return equations.forcing_times(params)

    def encode(self, fields: Tensor, params: Params) -> Tensor:
        """(m_CH4, m_O2, m_CO2, m_H2O) in kg and T in K, from T, p and Y."""
        return equations.encode(fields, params)

    def decode(self, state: Tensor, params: Params) -> Tensor:
        """The seven fields."""
        return equations.decode(state, params)

    def chance(self, states: Tensor, params: Params) -> Tensor:
        """That the chamber burns at the last of the times given."""
        return equations.chance(states)

    def derived_values(self, times: Tensor, states: Tensor, params: Params) -> Mapping[str, Tensor]:
        """Ignition delay, peaks of T and p, T and mixture fraction at the end."""
        return derived.derived_values(times, states)

    def violations(self, states: Tensor, params: Params) -> Mapping[str, Tensor]:
        """``shares``, ``positivity``, ``gas_law``, ``products`` and ``state``; 1e-7 is what float32 leaves of zero."""
        return equations.violations(states)


PROBLEM = CombustorIgnition(
    name="combustor_ignition",
    title="Laser ignition of a model rocket combustor",
    equation=equations.EQUATION,
    fields=(
        Field("temperature", "T", "K", "mean temperature of the chamber", least=0.0, open=("least",)),
        Field("pressure", "p", "Pa", "mean pressure of the chamber", least=0.0, open=("least",)),
        Field("density", "ρ", "kg m-3", "mean density of the chamber", least=0.0, open=("least",)),
        *(
            Field(
                name.lower(), f"Y_{name}", "1", f"mass fraction of {name}", least=0.0, most=1.0, share_of="the mixture"
            )
            for name in equations.SPECIES
        ),
    ),
    parameters=(
        Parameter("laser_x", "x₀", "m", "distance of the kernel from the injector", 0.012, 0.108, least=0.0, most=0.12),
        Parameter(
            "laser_y", "y₀", "m", "height of the kernel above the lower wall", 0.006, 0.054, least=0.0, most=0.06
        ),
        Parameter("energy", "E₀", "J", "energy the laser deposits", 10.0, 22.0, "log", least=0.0),
        Parameter(
            "duration",
            "τ",
            "s",
            "full width of the pulse at half maximum",
            1e-4,
            5e-4,
            "log",
            least=0.0,
            open=("least",),
        ),
        Parameter("radius", "r₀", "m", "radius of the kernel at 1/e", 0.010, 0.016, least=0.0, open=("least",)),
        Parameter(
            "equivalence_ratio", "φ", "1", "equivalence ratio of the whole feed", 0.14, 0.21, least=0.0, open=("least",)
        ),
        Parameter(
            "chamber_pressure", "p₀", "Pa", "pressure of the cold chamber", 1.5e5, 2.5e5, least=0.0, open=("least",)
        ),
    ),
    boundary={},
    metrics=("rollout/mae_share", "mae/temperature", "outcome/accuracy", "outcome/auc"),
    solver="pnode",
    citation="Qian, Wang, Douasbin and Darve, Physics-based parameterized neural ordinary differential equations: "
    "prediction of laser ignition in a rocket combustor (2023). arXiv:2302.08629",
)
