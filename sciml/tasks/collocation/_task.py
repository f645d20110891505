"""Solving a differential equation from its statement: points to train on, and an examination that trusts no loss."""

from pathlib import Path
from typing import Generic, TypeVar

import torch
import xarray
from torch import Tensor, nn

from sciml.core.capabilities import HasResidual
from sciml.core.config import Config
from sciml.core.errors import DataError
from sciml.core.progress import Progress
from sciml.core.types import Prediction
from sciml.tasks._in_memory import card_for, column, refuse_steps
from sciml.tasks._inputs import open_inputs
from sciml.tasks._labels import Labelled
from sciml.tasks._no_space import labelled_outcome
from sciml.tasks.collocation._answer import Differentiable
from sciml.tasks.collocation._bench import CollocationBench
from sciml.tasks.collocation._card import CollocationCard
from sciml.tasks.collocation._data import (
    CollocationBatch,
    CollocationConfig,
    CollocationContext,
    Locations,
    stated,
)
from sciml.tasks.collocation._metrics import METRICS
from sciml.tasks.collocation.view import VIEW
from sciml.train import Column, Solver, Task, columns_of

_ROUNDING = 1e-6  # of an extent: points on a face may come from a file of single precision

M = TypeVar("M", bound=Config)
N = TypeVar("N", bound=nn.Module)


class Collocation(Task[HasResidual, CollocationConfig, CollocationContext, CollocationBatch, Locations]):
    """Solve a differential equation; be judged by what the trained solver does at points it has not seen.

    Where nobody knows the solution, metrics that need it are left out. It concludes whether equation, conditions and
    data are met, with what may help where they are not, and the unknown numbers with their uncertainty.

    Weights are chosen by the residual on an independent pool of points (and by that of the conditions), which needs
    no solution; the training loss is never looked at. What is told is the residual on a second pool.
    Derivatives for the examination are those of autograd, whatever the solver trains with.

    Metrics:
        error/relative_l2: ‖u - u_ref‖₂ / ‖u_ref‖₂ on the card's lattice, over all judged fields; ``error/<field>`` for
            each where there are several. error/max: the largest difference relative to the largest |u_ref|.
        residual/rms, residual/max: of the equations at the second pool.
        condition/rms: of the residuals of all boundary and initial conditions at points of their faces.
        unknown/<name>: relative error of an unknown number whose true value is known.
        found/<name>, found_sigma/<name>: an unknown number and its standard deviation, from the errors of the data.
        data/misfit: RMS misfit of the observations in their standard deviations, or relative to their spread where
            nobody knows these. residual/relative: RMS residual of an equation relative to its largest term.
            condition/relative: RMS residual of a condition relative to the magnitude of what it prescribes.
        prediction/seconds: median wall time of predicting the whole lattice.
    """

    key = "collocation"
    title = "Differential equations solved from their statement"
    capability = HasResidual
    card = CollocationCard
    config = CollocationConfig
    context = CollocationContext
    metrics = METRICS
    view = VIEW

    def prepare(
        self,
        problem: HasResidual,
        preset: str,
        settings: CollocationConfig,
        *,
        progress: Progress | None = None,
        workers: int = 1,
    ) -> CollocationBench:
        """Draw the points and compute the reference."""
        return CollocationBench(problem, card_for(problem, preset, HasResidual, CollocationCard), settings)

    def inputs(self, batch: CollocationBatch) -> Locations:
        """The points inside."""
        return Locations(batch.points)

    def read_inputs(
        self, path: Path, problem: HasResidual, context: CollocationContext, steps: int | None
    ) -> Locations:
        """Points from a user's NetCDF file, one variable per axis on ``sample``."""
        refuse_steps(path, steps)
        domain = stated(problem, context.case, context.parameters).domain
        names = [axis.name for axis in domain.axes]
        source = open_inputs(path, problem, "points", names, also={axis.name: axis.units for axis in domain.axes})
        points = torch.stack([column(path, source[name], dtype="float64") for name in names], dim=1)
        if not (inside := domain.contains(points, slack=_ROUNDING)).all():
            place = points[~inside][0].tolist()
            raise DataError(
                f"{path} asks for {int((~inside).sum())} of {len(points)} points outside of the domain",
                got=", ".join(f"{name} = {value:g}" for name, value in zip(names, place, strict=True)),
                expected=str(domain), fix="Leave them out: nothing was solved there.",
            )  # fmt: skip
        return Locations(points)

    def write_inputs(self, inputs: Locations, problem: HasResidual, context: CollocationContext) -> xarray.Dataset:
        """One variable per axis."""
        return xarray.Dataset(_labelled_points(inputs, problem, context))

    def describe(
        self, inputs: Locations, prediction: Prediction, problem: HasResidual, context: CollocationContext
    ) -> xarray.Dataset:
        """The points, the fields there and the outcome."""
        answer = prediction._replace(mean=prediction.mean.cpu())
        arrays = _labelled_points(inputs, problem, context)
        words = {field.name: {"units": field.units, "long_name": field.long_name} for field in problem.fields}
        for i, name in enumerate(stated(problem, context.case, context.parameters).fields):
            arrays[name] = ("sample", answer.mean[:, i].numpy(), words[name])
        return xarray.Dataset(arrays | labelled_outcome(answer))

    def arguments(self, inputs: Locations) -> tuple[Tensor, ...]:
        """The points."""
        return (inputs.points,)

    def columns(self, problem: HasResidual, context: CollocationContext) -> tuple[tuple[Column, ...], ...]:
        """Coordinates, in the order of the axes."""
        axes = stated(problem, context.case, context.parameters).domain.axes
        return (tuple(Column(axis.name, axis.units) for axis in axes),)

    def answers(self, problem: HasResidual, context: CollocationContext) -> tuple[Column, ...]:
        """The fields of the statement, with the units that the problem gives them."""
        described = {column.name: column for column in columns_of(problem.fields)}
        names = stated(problem, context.case, context.parameters).fields
        return tuple(described.get(name, Column(name, "1")) for name in names)


COLLOCATION = Collocation()


class CollocationSolver(
    Solver[HasResidual, M, CollocationConfig, CollocationContext, CollocationBatch, Locations, N],
    Differentiable[N],
    Generic[M, N],
):
    """Base of the solvers whose answer can be differentiated by the coordinates."""

    task = COLLOCATION


def _labelled_points(inputs: Locations, problem: HasResidual, context: CollocationContext) -> Labelled:
    axes = stated(problem, context.case, context.parameters).domain.axes
    return {
        axis.name: ("sample", inputs.points[:, i].cpu().numpy(), {"units": axis.units}) for i, axis in enumerate(axes)
    }
