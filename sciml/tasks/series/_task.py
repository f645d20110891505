"""Completing sparsely observed series: examples, validation and examination."""

from pathlib import Path

import torch
import xarray
from torch import nn

from sciml import data
from sciml.core.capabilities import Evolves
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.progress import Progress
from sciml.core.status import count
from sciml.core.types import Prediction
from sciml.tasks._cost import cost_of, predict_on, prediction_seconds
from sciml.tasks._no_space import (
    bad_fields,
    finite_mean,
    labelled_fields,
    labelled_outcome,
    labelled_parameters,
    open_trajectories,
    relative_error,
    status_of,
    time_coordinate,
)
from sciml.tasks.series._data import Observed, SeriesBatch, SeriesConfig, SeriesExamples, read_observed
from sciml.train import Examination, Solver, Task


class Series(Task):
    """Learn from a few observations of a series what it was at every time, and how it goes on.

    In training, every batch observes its series at other times; the series of validation and test are observed at times
    that are always the same. Nothing is observed after the horizon.

    Metrics on the test split, in standard deviations of each field, against the reference at every time (observed or
    not, without noise): interpolation/rmse up to the horizon, extrapolation/rmse after it, all/rmse and all/mse;
    evaluations, calls and prediction/seconds as in the task `Trajectories`.
    """

    key = "series"
    capability = Evolves
    config = SeriesConfig

    def __init__(self, dataset: data.Dataset, config: SeriesConfig) -> None:
        self.problem, self.grid, self.statistics = dataset.problem, dataset.grid, dataset.statistics
        self.source, self.settings = dataset, config
        self.dataset = {"hash": dataset.digest, "card": dataset.card.model_dump(mode="json")}
        self.examples = SeriesExamples(dataset, config, "train")

    @classmethod
    def prepare(
        cls, problem: Problem, preset: str, config: Config, *, progress: Progress | None = None, workers: int = 1
    ) -> "Series":
        """Generate what is missing of the preset's dataset and open it."""
        assert isinstance(config, SeriesConfig)
        return cls(open_trajectories(problem, preset, progress=progress, workers=workers), config)

    def validate(self, solver: Solver, module: nn.Module) -> float:
        """Mean squared error of the validation series at all times, in variances of each field."""
        batch = self._observed("valid")
        return finite_mean(self._squares(predict_on(solver, module, batch.inputs()), batch))

    def examine(self, solver: Solver, module: nn.Module) -> Examination:
        """The metrics above and the predicted series at all times."""
        batch = self._observed("test")
        prediction = predict_on(solver, module, batch.inputs())
        squares, within = self._squares(prediction, batch), self.examples.within
        scores = {"interpolation/rmse": float(squares[:, within].mean().sqrt())}
        if not within.all():
            scores["extrapolation/rmse"] = float(squares[:, ~within].mean().sqrt())
        seconds = prediction_seconds(solver, module, batch.inputs())
        scores |= {"all/rmse": float(squares.mean().sqrt()), "all/mse": float(squares.mean())}
        scores |= {**cost_of(prediction), "prediction/seconds": seconds}
        arrays = xarray.Dataset(
            {
                **labelled_fields(self.problem, prediction.mean),
                "relative_l2": (("sample", "time"), relative_error(prediction.mean, batch.targets).numpy()),
                **labelled_outcome(prediction),
            },
            {"time": time_coordinate(self.source, batch.times)},
        )
        return Examination(scores, arrays, seconds / squares[:, :, 0].numel(), count(status_of(prediction).tolist()))

    def truth(self) -> xarray.Dataset:
        """The test series at all times, what was observed of them (NaN where nothing was), and their parameters."""
        batch = self._observed("test")
        arrays = labelled_fields(self.problem, batch.targets) | labelled_parameters(self.problem, batch.parameters)
        role = {"role": "observation"}  # so that nobody takes it for a field
        seen = torch.where(batch.mask[:, :, None], batch.values, torch.nan)
        for name, (dims, values, words) in labelled_fields(self.problem, seen).items():
            arrays[f"observed_{name}"] = (dims, values, words | {"long_name": f"observed {words['long_name']}", **role})
        mask = batch.mask.to(torch.int8).numpy()
        arrays["mask"] = (("sample", "time"), mask, {"long_name": "1 where observed", **role})
        coords = {"time": time_coordinate(self.source, self.source.layout.times)}
        return xarray.Dataset(arrays, coords, {"history": 0, "problem": self.problem.name})

    def sample(self) -> Observed:
        """The first test series."""
        return self._observed("test").rows(slice(0, 1)).inputs()

    def read_inputs(self, path: Path, steps: int | None) -> Observed:
        """Observed series from a user's NetCDF file, NaN where nothing was observed."""
        return read_observed(path, self.problem, steps, self.source.card.dt, self.examples.times)

    def describe(self, inputs: Observed, prediction: Prediction) -> xarray.Dataset:
        """A prediction as named fields with units at the times asked for."""
        arrays = labelled_fields(self.problem, prediction.mean.cpu()) | labelled_outcome(prediction)
        return xarray.Dataset(arrays, {"time": time_coordinate(self.source, inputs.times)})

    def explain(self, solver: Solver, module: nn.Module, batch: SeriesBatch) -> str:
        """Which field of a batch, or of the prediction for it, is not finite."""
        for words, states in (("observed values", batch.values), ("target", batch.targets)):
            if names := bad_fields(self.problem, states):
                return f"{words} of field {names}"
        if not batch.parameters.isfinite().all():
            return "a parameter of the data"
        with torch.no_grad():
            predicted = solver.predict(module, batch.inputs()).mean
        if names := bad_fields(self.problem, predicted):
            return f"prediction of field {names}"
        return "the loss or its gradient (but no field)"

    def _observed(self, split: str) -> SeriesBatch:
        return SeriesExamples(self.source, self.settings, split).fixed()

    def _squares(self, prediction: Prediction, batch: SeriesBatch) -> torch.Tensor:
        """Squared errors in variances of each field, ``sample time channel``, float64."""
        return ((prediction.mean - batch.targets) / self.statistics.field_std).double().square()
