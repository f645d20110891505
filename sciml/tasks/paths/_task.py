"""Learning a stochastic differential equation from moments: examples, validation and examination."""

from pathlib import Path

import torch
import xarray
from torch import Tensor, nn

from sciml import data
from sciml.core import rng
from sciml.core.capabilities import Diffuses
from sciml.core.progress import Progress
from sciml.core.status import count
from sciml.core.types import Prediction
from sciml.tasks._cost import cost_of, predict_on, prediction_seconds
from sciml.tasks._in_memory import card_for, labelled_table
from sciml.tasks._inputs import halved
from sciml.tasks._labels import Labelled
from sciml.tasks._no_space import bad_fields, finite_mean, labelled_fields, labelled_outcome, status_of, time_coordinate
from sciml.tasks.paths._card import PathsCard
from sciml.tasks.paths._data import (
    SEED,
    SHOWN,
    Moments,
    PathBatch,
    PathExamples,
    PathInputs,
    PathReference,
    PathsConfig,
    PathsContext,
    moment_errors,
    moments_of_paths,
    read_path_inputs,
)
from sciml.tasks.paths._metrics import METRICS
from sciml.tasks.paths.view import VIEW
from sciml.train import AnySolver, Bench, Examination, Task


class Paths(Task[Diffuses, PathsConfig, PathsContext, PathBatch, PathInputs]):
    """Learn drift and diffusion from the mean and variance of paths over time; be judged on the same moments.

    The moments of every split come from reference paths of its own (`sciml.reference.ito_paths`), made in memory. What
    a solver minimises is its own affair; every step of training brings a fresh seed.

    Metrics on the test split, of `examined` predicted paths against the reference:
        moments/loss: Σ (mean_pred - mean)² + Σ (variance_pred - variance)² over times and channels.
        moments/floor: what the loss is expected to be for paths of the true equation, for want of paths alone.
        moments/mean_rmse, moments/variance_rmse: roots of the mean squares.
        evaluations, calls: of the drift, mean over paths, and of the network, where the solver counts them.
        prediction/seconds: median wall time of predicting all these paths.
    """

    key = "paths"
    title = "Moments of stochastic paths"
    shared = frozenset({"times"})
    capability = Diffuses
    card = PathsCard
    config = PathsConfig
    context = PathsContext
    metrics = METRICS
    view = VIEW

    def prepare(
        self,
        problem: Diffuses,
        preset: str,
        settings: PathsConfig,
        *,
        progress: Progress | None = None,
        workers: int = 1,
    ) -> "PathsBench":
        """Make the reference paths of the training split; those of the others are made when they are needed."""
        return PathsBench(problem, card_for(problem, preset, Diffuses, PathsCard), settings)

    def inputs(self, batch: PathBatch) -> PathInputs:
        """The paths of a batch, along its noise."""
        return PathInputs(batch.start, batch.times, batch.seed)

    def read_inputs(self, path: Path, problem: Diffuses, context: PathsContext, steps: int | None) -> PathInputs:
        """Starts and perhaps times from a user's NetCDF file."""
        return read_path_inputs(path, problem, context, steps)

    def write_inputs(self, inputs: PathInputs, problem: Diffuses, context: PathsContext) -> xarray.Dataset:
        """Starts, times and the seed."""
        arrays = labelled_table(problem, inputs.start.cpu())
        return xarray.Dataset(
            arrays, {"time": time_coordinate(inputs.times, context.time_units, inputs.origin)}, {SEED: inputs.seed}
        )

    def describe(
        self, inputs: PathInputs, prediction: Prediction, problem: Diffuses, context: PathsContext
    ) -> xarray.Dataset:
        """The paths as named fields with units at the times asked for, the start included."""
        arrays = labelled_fields(problem, prediction.mean.cpu()) | labelled_outcome(prediction)
        return xarray.Dataset(arrays, {"time": time_coordinate(inputs.times, context.time_units, inputs.origin)})

    def refine(self, inputs: PathInputs) -> tuple[PathInputs, slice] | None:
        """A time between any two, along the same noise."""
        return inputs._replace(times=halved(inputs.times)), slice(None, None, 2)


PATHS = Paths()


class PathsBench(Bench[Diffuses, PathsConfig, PathsContext, PathBatch, PathInputs]):
    """The moments of reference paths of a problem, of three splits."""

    def __init__(self, problem: Diffuses, card: PathsCard, settings: PathsConfig) -> None:
        self.problem, self.settings, self.card = problem, settings, card
        self.reference = PathReference(problem, card)
        self.dataset = {"hash": data.samples_digest(problem, card), "card": card.model_dump(mode="json")}
        self.examples = PathExamples(self.reference)
        self.context = PathsContext(
            times=self.reference.times.float(),
            time_units=data.read_card(problem).time_units,
            seed=self._seed("file"),
        )
        inputs = self._inputs("test")
        self.example = inputs._replace(start=inputs.start[:1], times=inputs.times[:2])

    def validate(self, solver: AnySolver, module: nn.Module) -> float:
        """The error of the moments against those of the validation split, always with the same seed, without what it
        owes to the number of predicted paths: else weights with too little noise would be chosen."""
        true, paths = self.reference["valid"], predict_on(solver, module, self._inputs("valid")).mean.double()
        return finite_mean(torch.stack(moment_errors(paths, true.mean, true.variance)).sum())

    def examine(self, solver: AnySolver, module: nn.Module) -> Examination:
        """The task's metrics, the moments over time and a few paths."""
        inputs, true = self._inputs("test"), self.reference["test"]
        prediction = predict_on(solver, module, inputs)
        predicted = moments_of_paths(prediction.mean)
        mean, variance = _squares(predicted, true)
        seconds = prediction_seconds(solver, module, inputs)
        floor = true.noise * (1 / self.settings.examined + 1 / self.card.paths.test)
        scores = {
            "moments/loss": float(mean + variance),
            "moments/floor": floor,
            "moments/mean_rmse": float((mean / true.mean.numel()).sqrt()),
            "moments/variance_rmse": float((variance / true.mean.numel()).sqrt()),
            **cost_of(prediction),
            "prediction/seconds": seconds,
        }
        arrays = self._arrays(predicted).assign(labelled_outcome(prediction))
        outcomes = count(status_of(prediction).tolist())
        return Examination(scores, arrays, seconds / len(inputs.start) / (len(inputs.times) - 1), outcomes)

    def truth(self) -> xarray.Dataset:
        """The moments of the test split over time and a few reference paths."""
        return self._arrays(self.reference["test"]).assign_attrs({"problem": self.problem.name})

    def explain(self, solver: AnySolver, module: nn.Module, batch: PathBatch) -> str:
        """Which field of the paths predicted for a batch is not finite."""
        with torch.no_grad():
            predicted = solver.predict(module, PathInputs(batch.start, batch.times, batch.seed)).mean
        if names := bad_fields(self.problem, predicted):
            return f"prediction of field {names}"
        return "the loss or its gradient (but no path)"

    def _inputs(self, split: str) -> PathInputs:
        start = self.reference.start.float().repeat(self.settings.examined, 1)
        return PathInputs(start, self.reference.times.float(), self._seed(split))

    def _seed(self, purpose: str) -> int:
        return rng.derive(self.card.seed, self.problem.name, "prediction", purpose)

    def _arrays(self, moments: Moments) -> xarray.Dataset:
        arrays: Labelled = {}
        for i, field in enumerate(self.problem.fields):
            for name, values, units in (
                ("mean", moments.mean, field.units),
                ("variance", moments.variance, field.units if field.units == "1" else f"({field.units})2"),
            ):
                words = {"units": units, "long_name": f"{name} of {field.long_name}"}
                arrays[f"{field.name}_{name}"] = ("time", values[:, i].numpy(), words)
            words = {"units": field.units, "long_name": field.long_name}
            arrays[field.name] = (("path", "time"), moments.paths[:SHOWN, :, i].numpy(), words)
        return xarray.Dataset(arrays, {"time": time_coordinate(self.reference.times, self.context.time_units)})


def _squares(predicted: Moments, true: Moments) -> tuple[Tensor, Tensor]:
    """Summed squared errors of mean and variance."""
    return (predicted.mean - true.mean).square().sum(), (predicted.variance - true.variance).square().sum()
