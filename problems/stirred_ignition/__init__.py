"""Ignition of methane and oxygen by a pulse of heat in one stirred reactor, with detailed chemistry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves, HasConstraints, HasDerivedQuantities, HasOutcome
from sciml.core.problem import Field, Parameter
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import no_axes

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class StirredIgnition(Evolves, HasOutcome, HasDerivedQuantities, HasConstraints):
    """A kernel of 0.05 cm³, fed and drained, that a pulse of heat lights or not; GRI-Mech 3.0 without nitrogen.

    The kernel falls back to the feed's temperature, or burns at 2500 K to 3600 K, or (rarely) burns and is blown out.
    Time runs from 0 to 1 in units of each case's own horizon, six residence times and five pulse lengths, because
    residence times differ by a factor of a hundred. Good values: 101 frames.
    """

    outcome: str = "ignition"
    outcome_axes: tuple[str, ...] = ("residence_time", "energy")
    derived_quantities: tuple[Field, ...] = equations.DERIVED_QUANTITIES

    def grid(self, size: Sequence[int]) -> Grid:
        """No axes; `size` must be ``()``."""
        return no_axes(size)

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """T, p and mass fractions of the fill, which is the feed; a function of the parameters."""
        return equations.fill(params)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """Cantera's CVODE, every row for itself."""
        return reference.simulate(params, initial, times)

    def chance(self, states: Tensor, params: Params) -> Tensor:
        """That the kernel burns at the last of the times given."""
        return equations.chance(states)

    def derived_values(self, times: Tensor, states: Tensor, params: Params) -> Mapping[str, Tensor]:
        """When T passes 1500 K, peaks of T and p, T at the end."""
        return equations.derived_values(times, states)

    def violations(self, states: Tensor, params: Params) -> Mapping[str, Tensor]:
        """``shares``, ``positivity``, ``state``, and atoms ``C``, ``H``, ``O``; 1e-6 is what float32 leaves of zero."""
        return equations.violations(states, params)


PROBLEM = StirredIgnition(
    name="stirred_ignition",
    title="Ignition of one stirred reactor with detailed chemistry",
    equation=equations.EQUATION,
    fields=(
        Field("temperature", "T", "K", "temperature", least=0.0, open=("least",)),
        Field("pressure", "p", "Pa", "pressure", least=0.0, open=("least",)),
        *(
            Field(
                name.lower(),
                f"Y_{name}",
                "1",
                f"mass fraction of {name}",
                least=0.0,
                most=1.0,
                share_of="the mixture",
                rest=True,
            )
            for name in equations.SPECIES
        ),
    ),
    parameters=(
        Parameter("energy", "E₀", "J", "energy of the pulse", 0.05, 0.5, "log", least=0.0),
        Parameter(
            "duration",
            "δ",
            "s",
            "full width of the pulse at half maximum",
            1e-6,
            3e-4,
            "log",
            least=0.0,
            open=("least",),
        ),
        Parameter(
            "feed_temperature", "T₀", "K", "temperature of feed and fill", 280.0, 500.0, least=0.0, open=("least",)
        ),
        Parameter(
            "feed_pressure", "p₀", "Pa", "pressure of feed and fill", 1e5, 4e5, "log", least=0.0, open=("least",)
        ),
        Parameter(
            "equivalence_ratio",
            "φ",
            "1",
            "equivalence ratio of feed and fill",
            0.3,
            3.0,
            "log",
            least=0.0,
            open=("least",),
        ),
        Parameter(
            "residence_time",
            "τ",
            "s",
            "mass of the fill over the feed's rate",
            3e-5,
            3e-3,
            "log",
            least=0.0,
            open=("least",),
        ),
    ),
    boundary={},
    metrics=("rollout/mae_share", "mae/temperature", "outcome/accuracy", "outcome/auc"),
    solver="kernel_ridge",
    citation="G. P. Smith et al., GRI-Mech 3.0 (1999), http://combustion.berkeley.edu/gri-mech/",
)
