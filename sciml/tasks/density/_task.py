"""Density estimation: examples, validation and examination of solvers that tell how probable a point is."""

from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
import xarray
from jaxtyping import Float
from torch import Tensor, nn

from sciml import data
from sciml.core import rng
from sciml.core.capabilities import HasDensity
from sciml.core.progress import Progress
from sciml.core.status import count
from sciml.core.types import Prediction
from sciml.tasks._cost import cost_of, predict_on, prediction_seconds
from sciml.tasks._in_memory import bad_channels, card_for, labelled_table, read_table, refuse_steps
from sciml.tasks._labels import Labelled
from sciml.tasks._no_space import finite_mean, labelled_outcome, status_of
from sciml.tasks.density._card import DensityCard
from sciml.tasks.density._data import (
    DensityConfig,
    DensityContext,
    PointBatch,
    PointExamples,
    Points,
    counted,
    origin_of,
    placed,
    plane_around,
)
from sciml.tasks.density._mass import drawn_mass, resolves
from sciml.tasks.density._metrics import METRICS
from sciml.tasks.density.view import VIEW
from sciml.train import AnySolver, Bench, Column, Examination, Task, columns_of

DRAWN = 2000
"""Most points that are drawn from a learned density."""

N_contra = TypeVar("N_contra", bound=nn.Module, contravariant=True)


@runtime_checkable
class Draws(Protocol[N_contra]):
    """A solver of densities that can draw from what it has learned."""

    def sample(self, module: N_contra, count: int, generator: torch.Generator) -> Float[Tensor, "sample dim"]:
        """`count` draws in physical units; `generator` is a CPU one."""
        ...


class Density(Task[HasDensity, DensityConfig, DensityContext, PointBatch, Points]):
    """Learn a probability density from points; be judged by the density of points that were not seen.

    Points are given and densities asked for in physical units; where points lie far from zero, a solver sees them
    counted from an origin, for single precision would blur them. A solver gets mean and standard deviation of the
    training points in the context to standardise them with, x̃ = (x - μ) / σ; its module then owes the Jacobian,
    log p(x) = log p̃(x̃) - Σ log σ, so that the densities of different solvers can be compared.

    Metrics on the test split, in nat:
        nll: mean negative log density.
        kl: mean of the true log density minus the learned one, an unbiased estimate of KL(true ‖ learned) which may
            fall below zero by its standard error; only where the truth is known.
        normalisation: integral of the density over a box that has a quarter of the points' extent to spare on each
            side, by the midpoint rule; in two dimensions only. What leaks out of the box is missing. Where the grid is
            too coarse for the density, the integral is taken by draws around the training points (`drawn_mass`).
        evaluations, calls: of the right-hand side, mean over points, and of the network, where the solver counts them.
        prediction/seconds: median wall time of predicting the whole test split.
    """

    key = "density"
    title = "Density estimation"
    capability = HasDensity
    card = DensityCard
    config = DensityConfig
    context = DensityContext
    metrics = METRICS
    view = VIEW

    def prepare(
        self,
        problem: HasDensity,
        preset: str,
        settings: DensityConfig,
        *,
        progress: Progress | None = None,
        workers: int = 1,
    ) -> "DensityBench":
        """Draw the points of the card."""
        return DensityBench(problem, card_for(problem, preset, HasDensity, DensityCard), settings)

    def inputs(self, batch: PointBatch) -> Points:
        """The points."""
        return Points(batch.points)

    def read_inputs(self, path: Path, problem: HasDensity, context: DensityContext, steps: int | None) -> Points:
        """Points from a user's NetCDF file, one variable per field on ``sample``."""
        refuse_steps(path, steps)
        return Points(counted(read_table(path, problem, "points", "float64"), context.origin))

    def write_inputs(self, inputs: Points, problem: HasDensity, context: DensityContext) -> xarray.Dataset:
        """One variable per field on ``sample``."""
        return xarray.Dataset(labelled_table(problem, placed(inputs.points.cpu(), context.origin)))

    def describe(
        self, inputs: Points, prediction: Prediction, problem: HasDensity, context: DensityContext
    ) -> xarray.Dataset:
        """The points, the log density at each and the outcome."""
        answer = prediction._replace(mean=prediction.mean.cpu())
        points = placed(inputs.points.cpu(), context.origin)
        arrays = labelled_table(problem, points) | {"log_density": _logarithm(("sample",), answer.mean)}
        return xarray.Dataset(arrays | labelled_outcome(answer))

    def arguments(self, inputs: Points) -> tuple[Tensor, ...]:
        """The points, counted from the origin; a module that integrates nothing maps them to log densities."""
        return (inputs.points,)

    def columns(self, problem: HasDensity, context: DensityContext) -> tuple[tuple[Column, ...], ...]:
        """Coordinates, counted from the origin of the context."""
        columns = columns_of(problem.fields)
        if context.origin is None:
            return (columns,)
        origin = context.origin.tolist()
        return (tuple(column._replace(origin=value) for column, value in zip(columns, origin, strict=True)),)

    def answers(self, problem: HasDensity, context: DensityContext) -> tuple[Column, ...]:
        """One number, the logarithm of the density."""
        return ()


DENSITY = Density()


class DensityBench(Bench[HasDensity, DensityConfig, DensityContext, PointBatch, Points]):
    """Draws from one density of a problem, in three splits."""

    def __init__(self, problem: HasDensity, card: DensityCard, settings: DensityConfig) -> None:
        self.problem, self.settings = problem, settings
        drawn = data.density_splits(problem, settings.shape, card)
        origin = origin_of(drawn["train"])
        self.splits = {name: counted(points, origin) for name, points in drawn.items()}
        train = self.splits["train"]
        self.context = DensityContext(statistics=data.sample_statistics(train), count=len(train), origin=origin)
        self.dataset = {
            "hash": data.samples_digest(problem, card, shape=settings.shape),
            "card": card.model_dump(mode="json") | {"shape": settings.shape},
        }
        self.examples = PointExamples(self.splits["train"])
        self.example = Points(self.splits["test"][:1])
        every = torch.cat(list(self.splits.values()))
        self.plane = plane_around(every, problem, settings.grid, origin) if every.shape[1] == 2 else None
        self._seed = card.seed

    def cautions(self) -> tuple[str, ...]:
        """Samples that two splits share."""
        return data.twins(self.splits)

    def validate(self, solver: AnySolver, module: nn.Module) -> float:
        """Mean negative log density of the validation points."""
        return finite_mean(-predict_on(solver, module, Points(self.splits["valid"])).mean)

    def examine(self, solver: AnySolver, module: nn.Module) -> Examination:
        """The task's metrics, the density at the test points and on a grid, and draws if the solver can draw."""
        points = self.splits["test"]
        prediction = predict_on(solver, module, Points(points))
        scores = {"nll": -float(prediction.mean.double().mean())}
        if (true := self._true(points)) is not None:
            scores["kl"] = float((true - prediction.mean).mean())
        arrays = {"log_density": _logarithm(("sample",), prediction.mean), **labelled_outcome(prediction)}
        if self.plane is not None:
            on_grid = predict_on(solver, module, Points(self.plane.points)).mean
            scores["normalisation"] = self._mass(solver, module, self.plane.folded(on_grid).double().exp())
            arrays["grid_log_density"] = _logarithm(self.plane.dims, self.plane.folded(on_grid))
        if isinstance(solver, Draws):
            randomness = rng.generator(self._seed, "draws", self.problem.name, self.settings.shape)
            drawn = solver.sample(module, min(len(points), DRAWN), randomness).cpu()
            arrays |= labelled_table(self.problem, placed(drawn, self.context.origin), "draw", "drawn_")
        seconds = prediction_seconds(solver, module, Points(points))
        scores |= {**cost_of(prediction), "prediction/seconds": seconds}
        outcomes = count(status_of(prediction).tolist())
        return Examination(scores, xarray.Dataset(arrays, self._coords), seconds / len(points), outcomes)

    def _mass(self, solver: AnySolver, module: nn.Module, density: Float[Tensor, "y x"]) -> float:
        """The integral of the density over the grid; over everything near the data where the grid is too coarse."""
        if self.plane is not None and resolves(density):
            return float(density.sum() * self.plane.area)
        randomness = rng.generator(self._seed, "mass", self.problem.name, self.settings.shape)
        return drawn_mass(
            lambda points: predict_on(solver, module, Points(points)).mean, self.splits["train"], randomness
        )

    def truth(self) -> xarray.Dataset:
        """The test points, their true log density and that on the grid where they are known."""
        points = self.splits["test"]
        arrays = labelled_table(self.problem, placed(points, self.context.origin))
        if (true := self._true(points)) is not None:
            arrays["log_density"] = _logarithm(("sample",), true)
        if self.plane is not None and (true := self._true(self.plane.points)) is not None:
            arrays["grid_log_density"] = _logarithm(self.plane.dims, self.plane.folded(true))
        return xarray.Dataset(arrays, self._coords, {"problem": self.problem.name, "shape": self.settings.shape})

    def explain(self, solver: AnySolver, module: nn.Module, batch: PointBatch) -> str:
        """Whether a batch, or the density at it, is not finite."""
        if names := bad_channels(self.problem, batch.points):
            return f"data of field {names}"
        with torch.no_grad():
            bad = ~solver.predict(module, Points(batch.points)).mean.isfinite()
        if bad.any():
            return f"log density of {int(bad.sum())} of {len(bad)} points"
        return "the loss or its gradient (but no density)"

    def _true(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, " point"] | None:
        return self.problem.log_density(self.settings.shape, placed(points, self.context.origin).double())

    @property
    def _coords(self) -> Labelled:
        return {} if self.plane is None else self.plane.coords


def _logarithm(dims: tuple[str, ...], values: Tensor) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    """A log density, float32, with its name."""
    return dims, values.float().numpy(), {"units": "1", "long_name": "natural logarithm of the probability density"}
