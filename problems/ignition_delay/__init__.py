"""Ignition delay of methane, hydrogen and oxygen with detailed chemistry: five parameters, two numbers."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from sciml.core.capabilities import HasFormula
from sciml.core.problem import Field, Parameter
from sciml.core.types import Params

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class IgnitionDelay(HasFormula):
    """How long a closed, adiabatic volume of hot gas takes to ignite; GRI-Mech 3.0 without nitrogen.

    Delays span three orders of magnitude, from microseconds to milliseconds; temperature matters most (about a factor
    of ten per 300 K), pressure next. Every case in the ranges ignites. A row takes 20 ms, so rows are kept.
    """

    costly: ClassVar[bool] = True

    def evaluate(self, params: Params) -> Tensor:
        """lg τ and the temperature ten delays after the start, by Cantera's CVODE, every row for itself."""
        return reference.delays(params)


PROBLEM = IgnitionDelay(
    name="ignition_delay",
    title="Ignition delay of hot methane, hydrogen and oxygen",
    equation=equations.EQUATION,
    fields=(
        Field("log_delay", "lg τ", "1", "log10 of the ignition delay in seconds"),
        Field("burnt_temperature", "T_b", "K", "temperature of the burnt gas after ten delays"),
    ),
    parameters=(
        Parameter("temperature", "T₀", "K", "temperature before ignition", 1100.0, 1700.0, least=0.0, open=("least",)),
        Parameter("pressure", "p₀", "Pa", "pressure before ignition", 1e5, 2e6, "log", least=0.0, open=("least",)),
        Parameter("equivalence_ratio", "φ", "1", "equivalence ratio", 0.3, 3.0, "log", least=0.0, open=("least",)),
        Parameter("dilution", "d", "1", "mole fraction of burnt gas", 0.0, 0.5, least=0.0),
        Parameter("hydrogen", "h", "1", "mole fraction of hydrogen in the fuel", 0.0, 0.5, least=0.0),
    ),
    boundary={},
    metrics=("rmse_share", "mae/log_delay"),
    solver="soft_trees_rows",
    citation="G. P. Smith et al., GRI-Mech 3.0 (1999), http://combustion.berkeley.edu/gri-mech/",
)
