"""Tasks: what a capability asks of a solver, one folder each."""

from sciml.tasks._inputs import Parametrised as Parametrised
from sciml.tasks._inputs import out_of_range as out_of_range

__all__ = ["Parametrised", "out_of_range"]
