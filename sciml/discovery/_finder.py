"""Finding the hidden term of an equation from measured values, without a run or a command line."""

from collections.abc import Callable, Sequence

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.discovery._complete import full_equations
from sciml.discovery._named import MeasuredTerm, Named
from sciml.discovery._naming import NamingConfig, name_term


class EquationFinder:
    """Names a hidden term that some method has measured.

    Arguments:
        problem: an equation with a hidden term, registered, one's own, or of a table (`read_table`).
        engine: what looks for formulas: operon, sparse or pysr.
        config: the rest of the settings; `engine` replaces its own.
        log: told what happens.

    Attributes:
        named: what was found; None before `fit`.
    """

    def __init__(
        self,
        problem: HasHiddenTerm,
        engine: str = "operon",
        *,
        config: NamingConfig | None = None,
        log: Callable[[str], None] = lambda words: None,
    ) -> None:
        self.problem, self._log = problem, log
        self.config = NamingConfig.model_validate({**dict(config or NamingConfig()), "engine": engine})
        self.named: Named | None = None

    def fit(self, seen: Sequence[Observations], measured: MeasuredTerm) -> "EquationFinder":
        """Find the formulas. Raises EngineUnavailable for an engine that cannot run here, UserError for a bad table."""
        self.named = name_term(self.problem, seen, measured, self.config, log=self._log)
        return self

    def equations(self, digits: int = 4) -> list[str]:
        """``x' = known + (hidden)`` per field; empty if the data do not determine it."""
        return full_equations(self.problem, self.named.formulas, digits) if self.named else []
