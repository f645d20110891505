"""Learning a stochastic differential equation from moments: examples, validation and examination."""

from pathlib import Path
from typing import Any

import torch
import xarray
from torch import Tensor, nn

from sciml import data
from sciml.core import rng
from sciml.core.capabilities import Diffuses
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.progress import Progress
from sciml.core.status import count
from sciml.core.types import Grid, Prediction
from sciml.tasks._cost import cost_of, predict_on, prediction_seconds
from sciml.tasks._in_memory import card_for
from sciml.tasks._no_space import bad_fields, finite_mean, labelled_fields, labelled_outcome, status_of
from sciml.tasks.paths._data import (
    SHOWN,
    Moments,
    PathBatch,
    PathExamples,
    PathInputs,
    PathReference,
    PathsConfig,
    moments_of_paths,
    read_path_inputs,
)
from sciml.train import Examination, Solver, Task


class Paths(Task):
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
    capability = Diffuses
    config = PathsConfig

    def __init__(self, problem: Problem, card: data.PathsCard, config: PathsConfig) -> None:
        self.problem, self.settings, self.grid, self.card = problem, config, Grid(), card
        self.reference = PathReference(problem, card)
        self.dataset = {"hash": data.samples_digest(problem, card), "card": card.model_dump(mode="json")}
        self.examples = PathExamples(self.reference)
        self.statistics = _statistics(self.reference["train"])
        self.time_units = data.read_card(problem).time_units

    @classmethod
    def prepare(
        cls, problem: Problem, preset: str, config: Config, *, progress: Progress | None = None, workers: int = 1
    ) -> "Paths":
        """Make the reference paths of the training split; those of the others are made when they are needed."""
        assert isinstance(config, PathsConfig)
        return cls(problem, card_for(problem, preset, Diffuses, data.PathsCard), config)

    def validate(self, solver: Solver, module: nn.Module) -> float:
        """The loss of the moments against those of the validation split, always with the same seed."""
        predicted = moments_of_paths(predict_on(solver, module, self._inputs("valid")).mean)
        return finite_mean(sum(_squares(predicted, self.reference["valid"])))

    def examine(self, solver: Solver, module: nn.Module) -> Examination:
        """The metrics above, the moments over time and a few paths."""
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

    def sample(self) -> PathInputs:
        """One path from the start to the first time after it."""
        inputs = self._inputs("test")
        return inputs._replace(start=inputs.start[:1], times=inputs.times[:2])

    def read_inputs(self, path: Path, steps: int | None) -> PathInputs:
        """Starts and perhaps times from a user's NetCDF file."""
        return read_path_inputs(path, self.problem, steps, self.reference.times.float(), self._seed("file"))

    def describe(self, inputs: PathInputs, prediction: Prediction) -> xarray.Dataset:
        """The paths as named fields with units at the times asked for, the start included."""
        arrays = labelled_fields(self.problem, prediction.mean.cpu()) | labelled_outcome(prediction)
        return xarray.Dataset(arrays, {"time": self._time(inputs.times)})

    def explain(self, solver: Solver, module: nn.Module, batch: PathBatch) -> str:
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
        arrays: dict[str, Any] = {}
        for i, field in enumerate(self.problem.fields):
            for name, values, units in (
                ("mean", moments.mean, field.units),
                ("variance", moments.variance, field.units if field.units == "1" else f"({field.units})2"),
            ):
                words = {"units": units, "long_name": f"{name} of {field.long_name}"}
                arrays[f"{field.name}_{name}"] = ("time", values[:, i].numpy(), words)
            words = {"units": field.units, "long_name": field.long_name}
            arrays[field.name] = (("path", "time"), moments.paths[:SHOWN, :, i].numpy(), words)
        return xarray.Dataset(arrays, {"time": self._time(self.reference.times)})

    def _time(self, times: Tensor) -> Any:
        return "time", times.cpu().double().numpy(), {"units": self.time_units, "long_name": "time"}


def _squares(predicted: Moments, true: Moments) -> tuple[Tensor, Tensor]:
    """Summed squared errors of mean and variance."""
    return (predicted.mean - true.mean).square().sum(), (predicted.variance - true.variance).square().sum()


def _statistics(moments: Moments) -> data.Statistics:
    """Mean and standard deviation of every channel over paths and times, from the moments of each time."""
    mean = moments.mean.mean(0)
    spread = (moments.variance.mean(0) + (moments.mean - mean).square().mean(0)).sqrt()
    std = torch.where(spread > 1e-12 * mean.abs(), spread, 1.0)
    return data.Statistics(mean.float(), std.float(), torch.zeros(0), torch.zeros(0))
