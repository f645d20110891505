"""Capability classes: what can be done with a problem, one small base each.

A problem class inherits the capabilities it has and nothing else; each of them is a `Problem`. Solvers and tasks ask
with ``isinstance`` for a capability, never for a name. A new capability is a new module here.
"""

from sciml.core.capabilities._classifies import Classifies as Classifies
from sciml.core.capabilities._diffuses import Diffuses as Diffuses
from sciml.core.capabilities._evolves import Evolves as Evolves
from sciml.core.capabilities._has_constraints import HasConstraints as HasConstraints
from sciml.core.capabilities._has_density import HasDensity as HasDensity
from sciml.core.capabilities._has_derived_quantities import HasDerivedQuantities as HasDerivedQuantities
from sciml.core.capabilities._has_dynamics import HasDynamics as HasDynamics
from sciml.core.capabilities._has_hidden_term import HasHiddenTerm as HasHiddenTerm
from sciml.core.capabilities._has_hidden_term import HiddenSpec as HiddenSpec
from sciml.core.capabilities._has_operator_residual import HasOperatorResidual as HasOperatorResidual
from sciml.core.capabilities._has_outcome import HasOutcome as HasOutcome
from sciml.core.capabilities._has_reduced_model import HasReducedModel as HasReducedModel
from sciml.core.capabilities._has_reduced_model import Uncertain as Uncertain
from sciml.core.capabilities._has_residual import HasResidual as HasResidual
from sciml.core.capabilities._has_sequences import HasSequences as HasSequences
from sciml.core.capabilities._has_sequences import Sequences as Sequences
from sciml.core.capabilities._has_sequences import SequenceTarget as SequenceTarget
from sciml.core.capabilities._has_trajectories import HasTrajectories as HasTrajectories
from sciml.core.capabilities._maps_functions import AppliesOperator as AppliesOperator
from sciml.core.capabilities._maps_functions import Images as Images
from sciml.core.capabilities._maps_functions import InputFunction as InputFunction
from sciml.core.capabilities._maps_functions import MapsFunctions as MapsFunctions
from sciml.core.capabilities._maps_functions import named_input as named_input
from sciml.core.capabilities._maps_parameters import HasFormula as HasFormula
from sciml.core.capabilities._maps_parameters import MapsParameters as MapsParameters
from sciml.core.declared_operator import DeclaredOperator as DeclaredOperator
from sciml.core.observations import HeldOut as HeldOut
from sciml.core.observations import Levels as Levels
from sciml.core.observations import ObservationPlan as ObservationPlan
from sciml.core.observations import Observations as Observations
from sciml.core.problem import Problem

__all__ = [
    "AppliesOperator",
    "Classifies",
    "DeclaredOperator",
    "Diffuses",
    "Evolves",
    "HasConstraints",
    "HasDensity",
    "HasDerivedQuantities",
    "HasDynamics",
    "HasFormula",
    "HasHiddenTerm",
    "HasOperatorResidual",
    "HasOutcome",
    "HasReducedModel",
    "HasResidual",
    "HasSequences",
    "HasTrajectories",
    "HeldOut",
    "HiddenSpec",
    "Images",
    "InputFunction",
    "Levels",
    "MapsFunctions",
    "MapsParameters",
    "ObservationPlan",
    "Observations",
    "SequenceTarget",
    "Sequences",
    "Uncertain",
    "capability_names",
    "named_input",
]


def capability_names(problem: Problem) -> tuple[str, ...]:
    """Names of the capability classes a problem inherits, each after those it is derived from."""
    return tuple(dict.fromkeys(_names(type(problem))))


def _names(kind: type) -> list[str]:
    inherited = [name for base in kind.__bases__ for name in _names(base)]
    return [*inherited, kind.__name__] if kind.__module__.startswith(__name__) else inherited
