"""The regimes of a cooled, stirred reactor: extinguished, ignited, bistable or oscillating."""

from dataclasses import dataclass

from torch import Tensor

from sciml.core.capabilities import Classifies
from sciml.core.problem import Field

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class ReactorRegimes(Classifies):
    """Operating points of an exothermic reaction, by how many steady states they have and whether these are stable.

    Folds and Hopf bifurcations bound the regimes with curved surfaces that meet in cusps: no planes divide them.
    """

    classes: tuple[str, ...] = equations.CLASSES

    def samples(self) -> tuple[Tensor, Tensor]:
        """Points ``sample 4`` and labels, in a fixed order; computed when they are first asked for."""
        return reference.samples()


PROBLEM = ReactorRegimes(
    name="reactor_regimes",
    title="Regimes of a cooled stirred reactor",
    equation=equations.EQUATION,
    fields=(
        Field("log_damkoehler", "ln Da", "1", "logarithm of the Damköhler number of the feed"),
        Field("adiabatic_rise", "B", "1", "adiabatic temperature rise"),
        Field("cooling", "β", "1", "heat transfer to the coolant over the heat capacity of the flow"),
        Field("activation", "γ", "1", "activation energy over the thermal energy of the feed"),
    ),
    boundary={},
    metrics=("accuracy", "nll"),
    solver="resnet",
    citation="A. Uppal, W. H. Ray, A. B. Poore, On the dynamic behavior of continuous stirred tank reactors, "
    "Chem. Eng. Sci. 29 (1974) 967, doi:10.1016/0009-2509(74)80089-8",
)
