"""The names that families of metrics have for a problem."""

from collections.abc import Sequence

from sciml.core.capabilities import HasSummaries
from sciml.core.problem import Problem


def field_names(problem: Problem) -> Sequence[str]:
    """The fields, for ``mae/*`` and its like."""
    return [field.name for field in problem.fields]


def summary_names(problem: Problem) -> Sequence[str]:
    """The derived quantities, for ``summary/*``."""
    return [field.name for field in problem.summaries] if isinstance(problem, HasSummaries) else []
