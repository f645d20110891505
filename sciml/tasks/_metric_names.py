"""The names that families of metrics have for a problem."""

from collections.abc import Sequence

from sciml.core.capabilities import HasDerivedQuantities
from sciml.core.problem import Problem


def field_names(problem: Problem) -> Sequence[str]:
    """The fields, for ``mae/*`` and its like."""
    return [field.name for field in problem.fields]


def derived_names(problem: Problem) -> Sequence[str]:
    """The derived quantities, for ``summary/*``."""
    return [field.name for field in problem.derived_quantities] if isinstance(problem, HasDerivedQuantities) else []
