"""Density estimation: examples, validation and examination of solvers that tell how probable a point is."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
import xarray
from jaxtyping import Float
from torch import Tensor, nn

from sciml import data
from sciml.core import rng
from sciml.core.capabilities import HasDensity
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.progress import Progress
from sciml.core.status import count
from sciml.core.types import Grid, Prediction
from sciml.tasks._cost import cost_of, predict_on, prediction_seconds
from sciml.tasks._in_memory import bad_channels, card_for, read_table, refuse_steps
from sciml.tasks._no_space import finite_mean, labelled_outcome, status_of
from sciml.tasks.density._data import DensityConfig, PointBatch, PointExamples, Points, plane_around
from sciml.train import Examination, Solver, Task

DRAWN = 2000
"""Most points that are drawn from a learned density."""


@runtime_checkable
class Draws(Protocol):
    """A solver of densities that can draw from what it has learned."""

    def sample(self, module: nn.Module, count: int, generator: torch.Generator) -> Float[Tensor, "sample dim"]:
        """`count` draws in physical units; `generator` is a CPU one."""
        ...


class Density(Task):
    """Learn a probability density from points; be judged by the density of points that were not seen.

    Points are given and densities asked for in physical units. A solver gets mean and standard deviation of the
    training points in its `Spec` to standardise them with, x̃ = (x - μ) / σ; its module then owes the Jacobian,
    log p(x) = log p̃(x̃) - Σ log σ, so that the densities of different solvers can be compared.

    Metrics on the test split, in nat:
        nll: mean negative log density.
        kl: mean of the true log density minus the learned one, an unbiased estimate of KL(true ‖ learned) which may
            fall below zero by its standard error; only where the truth is known.
        normalisation: integral of the density over a box that has a quarter of the points' extent to spare on each
            side, by the midpoint rule; in two dimensions only. What leaks out of the box is missing.
        evaluations, calls: of the right-hand side, mean over points, and of the network, where the solver counts them.
        prediction/seconds: median wall time of predicting the whole test split.
    """

    key = "density"
    capability = HasDensity
    config = DensityConfig

    def __init__(self, problem: Problem, card: data.SamplesCard, config: DensityConfig) -> None:
        self.problem, self.settings, self.grid = problem, config, Grid()
        self.splits = data.density_splits(problem, config.shape, card)
        self.statistics = data.sample_statistics(self.splits["train"])
        self.dataset = {
            "hash": data.samples_digest(problem, card, shape=config.shape),
            "card": card.model_dump(mode="json") | {"shape": config.shape},
        }
        self.examples = PointExamples(self.splits["train"])
        every = torch.cat(list(self.splits.values()))
        self.plane = plane_around(every, problem, config.grid) if every.shape[1] == 2 else None
        self._seed = card.seed

    @classmethod
    def prepare(
        cls, problem: Problem, preset: str, config: Config, *, progress: Progress | None = None, workers: int = 1
    ) -> "Density":
        """Draw the points of the card."""
        assert isinstance(config, DensityConfig)
        return cls(problem, card_for(problem, preset, HasDensity, data.SamplesCard), config)

    def validate(self, solver: Solver, module: nn.Module) -> float:
        """Mean negative log density of the validation points."""
        return finite_mean(-predict_on(solver, module, Points(self.splits["valid"])).mean)

    def examine(self, solver: Solver, module: nn.Module) -> Examination:
        """The metrics above, the density at the test points and on a grid, and draws from it if the solver can draw."""
        points = self.splits["test"]
        prediction = predict_on(solver, module, Points(points))
        scores = {"nll": -float(prediction.mean.double().mean())}
        if (true := self._true(points)) is not None:
            scores["kl"] = float((true - prediction.mean).mean())
        arrays = {"log_density": _logarithm(("sample",), prediction.mean), **labelled_outcome(prediction)}
        if self.plane is not None:
            found = predict_on(solver, module, Points(self.plane.points)).mean
            scores["normalisation"] = float(found.double().exp().sum() * self.plane.area)
            arrays["grid_log_density"] = _logarithm(self.plane.dims, self.plane.folded(found))
        if isinstance(solver, Draws):
            randomness = rng.generator(self._seed, "draws", self.problem.name, self.settings.shape)
            drawn = solver.sample(module, min(len(points), DRAWN), randomness).cpu()
            arrays |= self._table(drawn, "draw", "drawn_")
        seconds = prediction_seconds(solver, module, Points(points))
        scores |= {**cost_of(prediction), "prediction/seconds": seconds}
        outcomes = count(status_of(prediction).tolist())
        return Examination(scores, xarray.Dataset(arrays, self._coords), seconds / len(points), outcomes)

    def truth(self) -> xarray.Dataset:
        """The test points, their true log density and that on the grid where they are known."""
        points = self.splits["test"]
        arrays = self._table(points, "sample")
        if (true := self._true(points)) is not None:
            arrays["log_density"] = _logarithm(("sample",), true)
        if self.plane is not None and (true := self._true(self.plane.points)) is not None:
            arrays["grid_log_density"] = _logarithm(self.plane.dims, self.plane.folded(true))
        return xarray.Dataset(arrays, self._coords, {"problem": self.problem.name, "shape": self.settings.shape})

    def sample(self) -> Points:
        """The first test point."""
        return Points(self.splits["test"][:1])

    def read_inputs(self, path: Path, steps: int | None) -> Points:
        """Points from a user's NetCDF file, one variable per field on ``sample``."""
        refuse_steps(path, steps)
        return Points(read_table(path, self.problem, "points"))

    def describe(self, inputs: Points, prediction: Prediction) -> xarray.Dataset:
        """The points, the log density at each and the outcome."""
        found = prediction._replace(mean=prediction.mean.cpu())
        arrays = self._table(inputs.points.cpu(), "sample") | {"log_density": _logarithm(("sample",), found.mean)}
        return xarray.Dataset(arrays | labelled_outcome(found))

    def explain(self, solver: Solver, module: nn.Module, batch: PointBatch) -> str:
        """Whether a batch, or the density at it, is not finite."""
        if names := bad_channels(self.problem, batch.points):
            return f"data of field {names}"
        with torch.no_grad():
            bad = ~solver.predict(module, Points(batch.points)).mean.isfinite()
        if bad.any():
            return f"log density of {int(bad.sum())} of {len(bad)} points"
        return "the loss or its gradient (but no density)"

    def _true(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, " point"] | None:
        assert isinstance(self.problem, HasDensity)
        return self.problem.log_density(self.settings.shape, points.double())

    @property
    def _coords(self) -> dict[str, Any]:
        return {} if self.plane is None else self.plane.coords

    def _table(self, points: Float[Tensor, "sample dim"], dim: str, prefix: str = "") -> dict[str, Any]:
        """One variable per field."""
        return {
            prefix + field.name: (dim, points[:, i].numpy(), {"units": field.units, "long_name": field.long_name})
            for i, field in enumerate(self.problem.fields)
        }


def _logarithm(dims: tuple[str, ...], values: Tensor) -> Any:
    """A log density, float32, with its name."""
    return dims, values.float().numpy(), {"units": "1", "long_name": "natural logarithm of the probability density"}
