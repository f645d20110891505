"""Finding the hidden part of equations from measured values: an estimator in the manner of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import HeldOut
from sciml.core.config import parse
from sciml.core.errors import DataError, UnsupportedError, UserError
from sciml.core.estimator import HasParameters
from sciml.core.status import Status
from sciml.discovery._complete import full_equations, hidden_function, unknown_scalars
from sciml.discovery._engines import engine as find_engine
from sciml.discovery._frames import TIME, ArrayError, is_frame, is_several, names_for, raw_of, width_of
from sciml.discovery._naming import NamingConfig, name_term, require_engine
from sciml.discovery._observed_course import scalars_at
from sciml.discovery._prior import HiddenPrior
from sciml.discovery._read_table import TableLayout, table_of
from sciml.discovery._signal import Signal
from sciml.discovery._simulate import forecast
from sciml.discovery._smooth import measure_by_curves
from sciml.discovery._table_problem import TableProblem
from sciml.discovery._words import remarks

if TYPE_CHECKING:
    from sklearn.utils import Tags


class EquationFinder(HasParameters):
    """Names what is hidden in x' = known + hidden from values of x at times t.

    The values are smoothed by Gaussian processes; an engine looks for formulas whose integrals along these curves are
    what was observed (see `WeakForm`), and the equation, solved, decides between them (see `name_term`). Every
    trajectory is fitted; keep some apart for `score`.

    Arguments:
        known: ``"x' = a*x; y' = -d*y"``, an equation for every column that is not an input; empty if nothing is known.
            A scalar without a value must be a factor and is read off the formula (`scalars_`).
        operators: what formulas may be made of; None for those of `prior`.
        library: candidate terms; None for those of `prior`, which are all products of at most two columns.
        prior: inputs without equations, complete equations, where the hidden part may be.
        values: of scalars in `known`.
        noise: standard deviations of the values: ``0.1``, ``"2%"`` of each column's, ``"x=0.1, y=2%"``; None: unknown.
        engine: what looks for formulas: sparse, operon, auto (sparse, and operon where that does not do) or pysr.
        anyway: look for formulas even where the data do not determine them.

    Attributes:
        equations_: one line per column that has a rate; empty if the data do not determine the hidden part.
        front_: the formulas of each such column by complexity and error.
        identifiability_: whether the data determine it, and why not.
        scalars_: the unknown scalars of `known`.
        named_: all that was found, with intervals.
        problem_: the data as a problem with a hidden term.
        columns_: names of the columns that have a rate, in the order of `predict`.
        notes_: how the table was read.
        advice_: what may be relied on, and whether a surrogate (`sciml.discover`) would find more.
        remarks_: of the formula of each such column: numbers with intervals, other formulas that fit as well, whether
            it is an approximation only.
        n_features_in_: number of columns of t, which is one.
    """

    @no_type_check  # at run time, in tests: scikit-learn sets arguments to anything, and only `fit` may complain
    def __init__(
        self,
        known: str = "",
        *,
        operators: Sequence[str] | None = None,
        library: Sequence[str] | None = None,
        prior: HiddenPrior | None = None,
        values: Mapping[str, float] | None = None,
        noise: float | str | None = None,
        engine: str = "sparse",
        anyway: bool = False,
    ) -> None:
        self.known, self.operators, self.library, self.prior = known, operators, library, prior
        self.values, self.noise, self.engine, self.anyway = values, noise, engine, anyway

    def fit(self, t: Any, x: Any) -> EquationFinder:  # Any: arrays, lists of them, a DataFrame
        """Find the equations.

        Arguments:
            t: increasing times of the rows; the name of a column of a DataFrame; a list for several trajectories.
            x: values ``row column``, NaN where one is missing; a DataFrame, perhaps with units in its headers,
                ``T (K)``, and a column ``trajectory``; a list for several trajectories.

        Returns: itself.

        Raises: ArrayError (a ValueError) for a table that is not in order, FormulaError for a known part that is not,
            EngineUnavailable for an engine that cannot run here, UnsupportedError for operators that it would not use.
        """
        if x is None:
            raise ArrayError("requires y to be passed, but the target y is None", fix="Give times t and values x.")
        prior = self._prior()
        try:
            names = () if is_frame(x) else names_for(width_of(t, x), self.known, prior.inputs)
            raw = raw_of(t, x, names)
            layout = TableLayout(time=t if isinstance(t, str) else TIME)
            noise = "" if self.noise is None else str(self.noise)
            known = self.known
            source = table_of(Path("x"), raw, known, dict(self.values or {}), layout, prior, noise, hold_out=False)
            if not known:
                source = source.model_copy(update={"known": "; ".join(f"{name}' = 0" for name in source.fields)})
            if source.space:
                raise UnsupportedError("EquationFinder has no surfaces for tables in space",
                                       fix="Use sciml.discover(data=FILE, known=...).")  # fmt: skip
            self.problem_: TableProblem = source.problem()
        except DataError as error:
            raise ArrayError(error.what, got=error.got, expected=error.expected, fix=error.fix) from None
        config = parse(NamingConfig, {"engine": find_engine(self.engine).key, "anyway": self.anyway}, "EquationFinder")
        require_engine(config.engine, self.problem_)
        seen = self.problem_.tables
        self.named_ = name_term(self.problem_, seen, measure_by_curves(self.problem_, seen), config)
        self.identifiability_ = self.named_.identifiability
        self.equations_ = full_equations(self.problem_, self.named_.formulas)
        self.front_ = {component.field: component.front for component in self.named_.components}
        self.scalars_ = unknown_scalars(self.problem_, self.named_)
        self.advice_ = self.named_.advice
        self.remarks_ = {component.field: remarks(component) for component in self.named_.components}
        self.columns_, self.notes_, self.n_features_in_ = source.fields, source.notes, 1
        return self

    def predict(
        self,
        t: Any,
        start: Any = None,
        *,
        inputs: Any = None,
        trajectory: int = 0,  # Any: arrays
    ) -> Float[np.ndarray, "row column"]:
        """Solve the equations that were found.

        Arguments:
            t: increasing times.
            start: the state at the first of them; None for the first measured one of a fitted trajectory.
            inputs: values of the inputs at the times, ``row input``; None for those of the fitted trajectory.
            trajectory: which fitted one `start`, `inputs` and constants with a value per trajectory are taken from.

        Returns: the columns that have a rate; NaN from where the solution breaks down.

        Raises: NotFittedError before `fit`; UserError if no equation was found.
        """
        self._check_fitted()
        times = torch.as_tensor(np.array(t, dtype=float).reshape(-1))
        if len(times) > 1 and not bool((times.diff() > 0).all()):
            raise ArrayError("the times are not increasing", fix="Predict trajectories one by one, sorted by time.")
        first = self.problem_.tables[trajectory].values if start is None else torch.as_tensor(np.array(start, float))
        first = first[first.isfinite().all(1)][0] if start is None else first.reshape(-1)
        if len(first) != len(self.columns_) or not bool(first.isfinite().all()):
            raise ArrayError("a start needs a value for each column", got=first.tolist(), expected=self.columns_)
        return self._solve(times, first, inputs, trajectory).numpy()

    def score(self, t: Any, x: Any) -> float:  # Any: as for `fit`
        """R² of forecasts from the first complete row of every trajectory, mean over columns; 1 is perfect."""
        self._check_fitted()
        source = self.problem_.source
        raw = raw_of(t, x, () if is_frame(x) else source.columns)
        layout = TableLayout(time=t if isinstance(t, str) else TIME)
        table = table_of(Path("x"), raw, source.known, source.values, layout, source.prior, hold_out=False)
        misses, values = [], []
        for k, entry in enumerate(table.model_copy(update={"values": source.values}).problem().tables):
            begin = int(entry.seen.all(1).int().argmax())
            chosen = [1 + table.columns.index(name) for name in source.prior.inputs]
            driving = table.trajectories[k][begin:, chosen] if chosen else None
            per_trajectory = k if is_several(t, x) and source.prior.own else 0
            predicted = self._solve(entry.coordinates[begin:, 0], entry.values[begin], driving, per_trajectory)
            misses.append(entry.values[begin:] - predicted)
            values.append(entry.values[begin:])
        miss, value = torch.cat(misses), torch.cat(values)
        spread = (value - value.nanmean(0)).square().nansum(0)
        return float((1 - miss.square().where(value.isfinite(), 0.0).sum(0) / spread).mean())

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "named_")

    def __sklearn_tags__(self) -> Tags:
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=True, multi_output=True),
            regressor_tags=RegressorTags(poor_score=True),
            input_tags=InputTags(one_d_array=True, two_d_array=True),
        )

    def _prior(self) -> HiddenPrior:
        settings = {"operators": self.operators, "library": self.library}
        changes = {name: tuple(value) for name, value in settings.items() if value is not None}
        return HiddenPrior.model_validate({**dict(self.prior or HiddenPrior()), **changes})

    def _solve(self, times: Tensor, start: Tensor, inputs: Any, trajectory: int) -> Tensor:
        if not self.equations_:
            raise UserError("the data do not determine an equation, so there is nothing to predict with",
                            got=self.identifiability_.words(), fix="Observe more, or set anyway=True.")  # fmt: skip
        problem, names = self.problem_, self.problem_.source.prior.inputs
        numbers = {k: torch.tensor([v], dtype=torch.float64) for k, v in self.named_.scalars.items()}
        scalars = {k: v[0] for k, v in scalars_at(numbers, torch.tensor([trajectory])).items()}
        if names and inputs is not None:
            values = inputs if isinstance(inputs, Tensor) else torch.from_numpy(np.array(inputs, float))
            table = values.reshape(len(times), len(names))
            signals = (Signal.through([(times, c)], n) for n, c in zip(names, table.unbind(1), strict=True))
            problem, trajectory = replace(problem, signals=tuple(signals)), -1
        if len(times) == 1:
            return start[None]
        held = HeldOut(times, start.expand(len(times), -1))
        solved = forecast(problem, hidden_function(problem, self.named_.formulas), held, scalars, trajectory)
        if int(solved.status[0]) != Status.OK:
            return solved.states[0].where(solved.states[0].isfinite(), torch.nan)
        return solved.states[0]

    def _check_fitted(self) -> None:
        if not hasattr(self, "named_"):
            from sklearn.exceptions import NotFittedError

            raise NotFittedError("This EquationFinder is not fitted yet; call 'fit' first.")
