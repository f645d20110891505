"""Solving a statement in a notebook: task, solver and trainer of every run, without a problem or a run folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.capabilities import HasResidual
from sciml.core.config import override
from sciml.core.derivatives import HIGHEST
from sciml.core.errors import UnknownNameError, UnsupportedError, UserError
from sciml.core.guests import as_guest
from sciml.core.problem import Field
from sciml.core.progress import Progress, SilentProgress
from sciml.core.statement import Statement
from sciml.study._fit import fit
from sciml.study._ignored import refuse_ignored
from sciml.tasks.collocation import (
    COLLOCATION,
    Answer,
    CollocationBench,
    CollocationCard,
    CollocationSolver,
    Found,
    ObservedTable,
    observed_table,
    read_observed,
)
from sciml.train import find_solver

_CASE = "stated"
_GRID = {1: 201, 2: 101, 3: 31}  # points per axis of the lattice, by dimension; fewer in more dimensions
_POOL = 2000

Reference = Callable[[Float[Tensor, "point dim"]], Float[Tensor, "point field"]]
"""The solution at points, one column per field."""


@dataclass(frozen=True, kw_only=True)
class StatedProblem(HasResidual):
    """A statement as a problem of one case, for those who have no folder."""

    stated: Statement
    known: Reference | None = None
    cases: tuple[str, ...] = (_CASE,)

    def statement(self, case: str) -> Statement:
        """The statement."""
        if case not in self.cases:
            raise UnknownNameError("case", case, self.cases)
        return self.stated

    def reference(self, points: Float[Tensor, "point dim"], case: str) -> Float[Tensor, "point field"] | None:
        """What the user knows of the solution, else that of the statement."""
        return super().reference(points, case) if self.known is None else self.known(points).double()


@dataclass(frozen=True)
class Solved:
    """A statement solved.

    Arguments:
        statement: the equation.
        metrics: the metrics of the task: residuals at points of no training, errors where the solution is known.
        unknowns: the unknown numbers, each with its standard deviation where there are observations.
        covariance: of the unknown numbers, in the order of the statement; None where it cannot be said.
        words: the unknown numbers, and what of data, equation and conditions is met, in sentences.
        trusted: whether all of these are met; True where there was nothing to conclude.
        arrays: fields and residuals on a regular lattice, with coordinates.
        module: the trained network.
        solver: what trained it.
        stopped: why the training ended before its last step, if it did.
    """

    statement: Statement
    metrics: Mapping[str, float]
    unknowns: Mapping[str, Found]
    covariance: np.ndarray | None
    words: tuple[str, ...]
    trusted: bool
    arrays: xarray.Dataset = field(repr=False)
    module: nn.Module = field(repr=False)
    solver: CollocationSolver[Any, Any] = field(repr=False)  # Any: settings and module of its own
    stopped: str = ""

    def __call__(
        self,
        derivatives: Sequence[str] = (),
        **coordinates: Any,  # Any: whatever NumPy makes an array of
    ) -> dict[str, np.ndarray]:
        """The fields at points: ``solved(x=0.5, t=[0.0, 1.0])["u"]``.

        Arguments:
            derivatives: what else is wanted, a field and the axes it is differentiated by: ``["u_x", "u_xxt"]``.
            coordinates: one entry per axis; shapes are broadcast against each other.

        Returns: by field and derivative, float64, of the common shape.

        Raises: UserError for axes that are missing or do not exist, for points outside of the domain, and for
            derivatives of other fields or by other axes.
        """
        names = self.statement.names
        if set(coordinates) != set(names):
            raise UserError("a solution is asked for at points of its domain", got=", ".join(sorted(coordinates)),
                            expected=", ".join(names))  # fmt: skip
        columns = np.broadcast_arrays(*(np.asarray(coordinates[name], dtype=np.float64) for name in names))
        points = torch.from_numpy(np.stack([column.ravel() for column in columns], axis=1))
        if not (inside := self.statement.domain.contains(points)).all():
            outside = points[int((~inside).nonzero()[0])].tolist()
            expected = str(self.statement.domain)
            raise UserError("a solution is not known outside of its domain", got=outside, expected=expected)
        wanted = [self._named(name) for name in derivatives]
        with torch.no_grad():
            values = self.solver.fields(self.module, points).double()
        columns_by_name = {name: values[:, i] for i, name in enumerate(self.statement.fields)}
        if wanted:
            by = Answer.of(self.statement, self.solver, self.module).derivatives(points)
            columns_by_name |= {f"{field}_{axes}": by(field, axes).detach().double() for field, axes in wanted}
        return {name: column.reshape(columns[0].shape).numpy() for name, column in columns_by_name.items()}

    def _named(self, name: str) -> tuple[str, str]:
        """Field and axes of a derivative, the axes in the order of the statement."""
        field, _, axes = name.rpartition("_")
        names = self.statement.names
        if field not in self.statement.fields or not axes or set(axes) - set(names) or len(axes) > HIGHEST:
            raise UserError("a derivative is named by a field and the axes it is taken by", got=repr(name),
                            expected=f"for example {self.statement.fields[0]}_{names[0] * 2}",
                            fix=f"Fields are {', '.join(self.statement.fields)}, axes {', '.join(names)}, and "
                            f"derivatives go to order {HIGHEST}.")  # fmt: skip
        return field, axes

    def compare(self, reference: xarray.Dataset) -> dict[str, float]:
        """Relative L2 errors against values known elsewhere, such as a file that `sciml.data.read` opened.

        Arguments:
            reference: some of the fields, each on coordinates named like the axes of the equation (``time`` may stand
                for the axis of time), in its units. Missing values (NaN) are left out.

        Returns: ‖ours - theirs‖ / ‖theirs‖ over all values, by field.

        Raises: UserError for a reference without any of the fields, with other axes, or with points outside of the
            domain.
        """
        time = self.statement.domain.time
        if time and time not in reference.dims and "time" in reference.dims:
            reference = reference.rename({"time": time})
        fields = [name for name in self.statement.fields if name in reference.data_vars]
        if not fields:
            raise UserError("the reference has none of the fields", got=", ".join(map(str, reference.data_vars)),
                            expected=" or ".join(self.statement.fields),
                            fix="Rename its variables: reference.rename({...}).")  # fmt: skip
        errors = {}
        for name in fields:
            theirs = reference[name]
            if set(theirs.dims) != set(self.statement.names) or set(theirs.dims) - set(theirs.coords):
                raise UserError(f"the reference of {name} lies on other axes, or has no coordinates",
                                got=", ".join(map(str, theirs.dims)),
                                expected="coordinates " + ", ".join(self.statement.names),
                                fix="Select one sample; rename dimensions and assign coordinates.")  # fmt: skip
            values = theirs.transpose(*self.statement.names).to_numpy().astype(np.float64)
            axes = np.meshgrid(*(theirs[axis].to_numpy() for axis in self.statement.names), indexing="ij", sparse=True)
            ours = self((), **dict(zip(self.statement.names, axes, strict=True)))[name]
            known = np.isfinite(values)
            if not known.any() or not values[known].any():
                raise UserError(f"the reference of {name} has no value other than zero",
                                fix="Relative errors need one.")  # fmt: skip
            errors[name] = float(np.linalg.norm((ours - values)[known]) / np.linalg.norm(values[known]))
        return errors

    def __str__(self) -> str:
        return "\n".join([*self.words, *(f"{key} = {value:.3g}" for key, value in self.metrics.items())])


def solve(
    statement: Statement,
    *,
    observations: str | Path | Mapping[str, Any] | None = None,  # Any: whatever NumPy makes an array of
    sigma: float | None = None,
    reference: Reference | None = None,
    start: Solved | None = None,
    solver: str = "pinn",
    preset: str = "tiny",
    seed: int = 0,
    settings: tuple[str, ...] | list[str] = (),
    progress: Progress | None = None,
) -> Solved:
    """Solve a differential equation from its statement, and find its unknown numbers from observations.

    Nothing is left on disk. Training and examination are those of a run; residuals are taken at points of no training.

    Arguments:
        statement: the equation.
        observations: a file, a data frame, or arrays by name: all axes, the observed fields, and perhaps their standard
            deviations (``sigma_u``).
        sigma: standard deviation of the observations where they do not come with any.
        reference: the solution, where it is known otherwise than by the statement; only errors are computed from it.
        start: the solution of a similar statement whose weights the training begins with: continuation in a parameter,
            a sharper front, other observations. The network must be the same.
        solver: key of a solver of the task `collocation`.
        preset: recipe of the solver.
        seed: of weights and points.
        settings: ``key=value`` changes to the recipe (``train.steps=300``, ``model.width=30``).
        progress: where to report.

    Raises: UserError for observations, settings or a solver that do not fit; NumericsError as `Trainer.fit`.
    """
    entry = find_solver(solver)
    if not isinstance(entry, CollocationSolver):
        raise UnsupportedError(f"solver {solver!r} does not solve statements", got=f"its task {entry.task.key!r}",
                               expected=f"a solver of the task {COLLOCATION.key!r}")  # fmt: skip
    recipe = override(entry.recipe(preset), list(settings))
    table = _table(observations)
    task = recipe.task.model_copy(update={"observations": table or recipe.task.observations,
                                          "sigma": sigma or recipe.task.sigma})  # fmt: skip
    recipe = recipe.model_copy(update={"task": task})
    problem = _problem(statement, task.observations, reference)
    refuse_ignored(entry, recipe, settings, problem)
    dim = len(statement.names)
    card = CollocationCard(grid=_GRID.get(dim, 7), pool=_POOL, seed=rng.derive(seed, "points") % 2**31)
    progress = progress or SilentProgress()
    with as_guest(1), tempfile.TemporaryDirectory() as scratch:
        bench = CollocationBench(problem, card, task)
        fitted = fit(
            entry, recipe, bench, folder=Path(scratch), seed=seed, identity={"solve": bench.dataset["hash"]},
            resume=False, device=torch.device("cpu"), progress=progress,
            start=None if start is None else start.module,
        )  # fmt: skip
        examined = bench.examine(entry, fitted.module)
        conclusion = bench.conclude(entry, fitted.module, Path(scratch), progress)
    details = {"numbers": {}, "covariance": None, "trusted": True} if conclusion is None else conclusion.details
    return Solved(
        statement=statement,
        metrics=dict(examined.metrics) | ({} if conclusion is None else dict(conclusion.metrics)),
        unknowns={name: Found(number["value"], number["sigma"]) for name, number in details["numbers"].items()},
        covariance=None if details["covariance"] is None else np.array(details["covariance"]),
        words=() if conclusion is None else conclusion.words,
        trusted=bool(details["trusted"]),
        arrays=examined.arrays,
        module=fitted.module.eval(),
        solver=entry,
        stopped="" if fitted.result is None else fitted.result.stopped,
    )


def _table(observations: str | Path | Mapping[str, Any] | None) -> ObservedTable | None:
    if observations is None:
        return None
    return read_observed(Path(observations)) if isinstance(observations, str | Path) else observed_table(observations)


def _problem(statement: Statement, table: ObservedTable | None, reference: Reference | None) -> StatedProblem:
    units = {} if table is None else table.units
    return StatedProblem(
        name=_CASE,
        title="A statement",
        equation="\n".join(f"{equation} = 0" for equation in statement.plain_equations),
        fields=tuple(Field(name, name, units.get(name, "1"), name) for name in statement.fields),
        boundary={},
        presets=(),
        citation="none",
        solver="pinn",
        stated=statement,
        known=reference,
    )
