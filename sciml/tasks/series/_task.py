"""Completing sparsely observed series: examples, validation and examination."""

from pathlib import Path

import torch
import xarray
from torch import nn

from sciml import data
from sciml.core.capabilities import HasTrajectories
from sciml.core.progress import Progress
from sciml.core.status import count
from sciml.core.types import Prediction
from sciml.tasks._cost import cost_of, predict_on, prediction_seconds
from sciml.tasks._inputs import halved
from sciml.tasks._labels import labelled_parameters
from sciml.tasks._no_space import (
    bad_fields,
    finite_mean,
    labelled_fields,
    labelled_outcome,
    open_trajectories,
    relative_error,
    status_of,
    stored_times,
    time_coordinate,
)
from sciml.tasks.series._data import (
    Observed,
    SeriesBatch,
    SeriesConfig,
    SeriesContext,
    SeriesExamples,
    read_observed,
    within_horizon,
)
from sciml.tasks.series._metrics import METRICS
from sciml.tasks.series.view import VIEW
from sciml.train import AnySolver, Bench, Examination, Task


class Series(Task[HasTrajectories, SeriesConfig, SeriesContext, SeriesBatch, Observed]):
    """Learn from a few observations of a series what it was at every time, and how it goes on.

    In training, every batch observes its series at other times; the series of validation and test are observed at times
    that are always the same. Nothing is observed after the horizon.

    Metrics on the test split, in standard deviations of each field, against the reference at every time (observed or
    not, without noise): interpolation/rmse up to the horizon, extrapolation/rmse after it, all/rmse and all/mse;
    evaluations, calls and prediction/seconds as in the task `Trajectories`.
    """

    key = "series"
    title = "Sparse time series: interpolation and extrapolation"
    capability = HasTrajectories
    card = data.PresetCard
    config = SeriesConfig
    context = SeriesContext
    metrics = METRICS
    view = VIEW
    shared = frozenset({"times"})

    def prepare(
        self,
        problem: HasTrajectories,
        preset: str,
        settings: SeriesConfig,
        *,
        progress: Progress | None = None,
        workers: int = 1,
    ) -> "SeriesBench":
        """Generate what is missing of the preset's dataset and open it."""
        dataset = open_trajectories(problem, preset, progress=progress, workers=workers)
        return SeriesBench(problem, dataset, settings)

    def inputs(self, batch: SeriesBatch) -> Observed:
        """What was observed of every series, asked for at all times."""
        return batch.inputs()

    def read_inputs(self, path: Path, problem: HasTrajectories, context: SeriesContext, steps: int | None) -> Observed:
        """Observed series from a user's NetCDF file, NaN where nothing was observed."""
        return read_observed(path, problem, context, steps)

    def write_inputs(self, inputs: Observed, problem: HasTrajectories, context: SeriesContext) -> xarray.Dataset:
        """The observed values, NaN where nothing was observed, the parameters, and the times asked for."""
        seen = torch.where(inputs.mask[:, :, None], inputs.values, torch.nan).cpu()
        arrays = labelled_fields(problem, seen) | labelled_parameters(problem, inputs.parameters.cpu())
        return xarray.Dataset(arrays, {"time": time_coordinate(inputs.times, context.time_units, inputs.origin)})

    def describe(
        self, inputs: Observed, prediction: Prediction, problem: HasTrajectories, context: SeriesContext
    ) -> xarray.Dataset:
        """A prediction as named fields with units at the times asked for."""
        arrays = labelled_fields(problem, prediction.mean.cpu()) | labelled_outcome(prediction)
        return xarray.Dataset(arrays, {"time": time_coordinate(inputs.times, context.time_units, inputs.origin)})

    def refine(self, inputs: Observed) -> tuple[Observed, slice] | None:
        """A time between any two, at which nothing was observed."""
        times, old = halved(inputs.times), slice(None, None, 2)
        values = inputs.values.new_zeros(len(inputs.values), len(times), inputs.values.shape[2])
        mask = inputs.mask.new_zeros(len(inputs.mask), len(times))
        values[:, old], mask[:, old] = inputs.values, inputs.mask
        return inputs._replace(times=times, values=values, mask=mask), old


SERIES = Series()


class SeriesBench(Bench[HasTrajectories, SeriesConfig, SeriesContext, SeriesBatch, Observed]):
    """Trajectories of a dataset, of which a few values are observed."""

    def __init__(self, problem: HasTrajectories, dataset: data.Dataset, settings: SeriesConfig) -> None:
        self.problem, self.settings, self.source = problem, settings, dataset
        self.dataset = {"hash": dataset.digest, "card": dataset.card.model_dump(mode="json")}
        self.context = SeriesContext(
            statistics=dataset.statistics,
            times=stored_times(dataset),
            dt=dataset.card.dt,
            time_units=dataset.layout.about.time_units,
        )
        self.examples = SeriesExamples(dataset, settings, "train")
        self.within = within_horizon(dataset.card.frames, settings.horizon)
        self.example = self._observed("test").rows(slice(0, 1)).inputs()

    def cautions(self) -> tuple[str, ...]:
        """Trajectories that two splits share."""
        return data.twin_trajectories(self.source)

    def validate(self, solver: AnySolver, module: nn.Module) -> float:
        """Mean squared error of the validation series at all times, in variances of each field."""
        batch = self._observed("valid")
        return finite_mean(self._squares(predict_on(solver, module, batch.inputs()), batch))

    def examine(self, solver: AnySolver, module: nn.Module) -> Examination:
        """The metrics above and the predicted series at all times."""
        batch = self._observed("test")
        prediction = predict_on(solver, module, batch.inputs())
        squares, within = self._squares(prediction, batch), self.within
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
            {"time": time_coordinate(batch.times, self.context.time_units)},
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
        coords = {"time": time_coordinate(self.source.layout.times, self.context.time_units)}
        return xarray.Dataset(arrays, coords, {"history": 0, "problem": self.problem.name})

    def explain(self, solver: AnySolver, module: nn.Module, batch: SeriesBatch) -> str:
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
        return ((prediction.mean - batch.targets) / self.context.statistics.field_std).double().square()
