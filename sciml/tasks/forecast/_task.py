"""Forecasting: what solvers that step a field forward in time are asked."""

from pathlib import Path

import numpy as np
import xarray
from torch import Tensor

from sciml import data
from sciml.core.capabilities import HasTrajectories
from sciml.core.errors import UnsupportedError
from sciml.core.progress import Progress, SilentProgress
from sciml.core.recorded import FORCING_TIME
from sciml.core.types import Prediction
from sciml.tasks._labels import labelled_forcings, labelled_parameters, labelled_status
from sciml.tasks.forecast._bench import ForecastBench, question
from sciml.tasks.forecast._data import ForecastConfig, ForecastContext, Window
from sciml.tasks.forecast._label import label_axes, label_errors, label_fields, time_step
from sciml.tasks.forecast._metrics import METRICS
from sciml.tasks.forecast._read import read_window
from sciml.tasks.forecast._resample import resample
from sciml.tasks.forecast.view import VIEW
from sciml.train import Column, Task, columns_of


class Forecast(Task[HasTrajectories, ForecastConfig, ForecastContext, data.WindowBatch, Window]):
    """Learn u(t-h+1 … t) -> u(t+1) on trajectories; be judged on single steps and on rollouts."""

    key = "forecast"
    title = "Forecasts of fields, one step and rollouts"
    capability = HasTrajectories
    card = data.PresetCard
    config = ForecastConfig
    context = ForecastContext
    metrics = METRICS
    view = VIEW

    def prepare(
        self,
        problem: HasTrajectories,
        preset: str,
        settings: ForecastConfig,
        *,
        progress: Progress | None = None,
        workers: int = 1,
    ) -> ForecastBench:
        """Generate what is missing of the dataset of the preset, or of `settings.data`, and open it."""
        chosen = settings.data or preset
        dataset = data.generate(problem, chosen, workers=workers, progress=progress or SilentProgress())
        return ForecastBench(problem, dataset, settings)

    def inputs(self, batch: data.WindowBatch) -> Window:
        """One step from the context of every window."""
        return question(batch)

    def read_inputs(self, path: Path, problem: HasTrajectories, context: ForecastContext, steps: int | None) -> Window:
        """Context frames and parameters from a user's NetCDF file."""
        return read_window(path, problem, context, steps)

    def resample(self, source: xarray.Dataset, context: ForecastContext, label: str) -> xarray.Dataset:
        """Fields on other points of the domain, interpolated linearly to those of the run.

        Raises: UnsupportedError on a masked grid.
        """
        if context.active is not None:
            raise UnsupportedError(
                f"{label} cannot be resampled: the run has a mask, and interpolation across its edge has no values",
                fix="Interpolate it yourself to the points of the run, as `sciml predict RUN --example` shows them.",
            )
        return resample(source, context.grid, label)

    def write_inputs(self, inputs: Window, problem: HasTrajectories, context: ForecastContext) -> xarray.Dataset:
        """The context frames, with times that end at that of the last one."""
        arrays = label_fields(problem, context, inputs.states) | labelled_parameters(problem, inputs.parameters)
        dt = time_step(inputs, context)
        coords = label_axes(context, inputs.time + dt * np.arange(1 - context.history, 1), problem.time_step)
        if inputs.forcing is not None:
            arrays |= labelled_forcings(problem, inputs.forcing, FORCING_TIME)
            moments = inputs.time + dt * np.arange(inputs.forcing.shape[1])
            coords[FORCING_TIME] = (FORCING_TIME, moments, {"units": context.time_units, "long_name": "time"})
        return xarray.Dataset(arrays, coords)

    def describe(
        self, inputs: Window, prediction: Prediction, problem: HasTrajectories, context: ForecastContext
    ) -> xarray.Dataset:
        """A prediction as named fields with units; its times continue those of the inputs."""
        arrays = label_fields(problem, context, prediction.mean.cpu()) | label_errors(problem, context, prediction)
        if prediction.status is not None:
            arrays |= labelled_status(prediction.status)
        if problem.time_step is not None:
            arrays[problem.time_step] = labelled_parameters(problem, inputs.parameters.cpu())[problem.time_step]
        times = inputs.time + time_step(inputs, context) * np.arange(1, inputs.steps + 1)
        return xarray.Dataset(arrays, label_axes(context, times, problem.time_step))

    def conformal(self, share: float) -> tuple[str, ...]:
        """A quarter of the training trajectories is held out to calibrate."""
        return (f"task.coverage={share}", "task.held_out=0.25")

    def shorten(self, inputs: Window) -> tuple[Window, slice] | None:
        """The first step alone."""
        return (inputs._replace(steps=1), slice(0, 1)) if inputs.steps > 1 else None

    def refine(self, inputs: Window) -> tuple[Window, slice] | None:
        """Two further steps; None where they would need forcings that are not known."""
        if inputs.forcing is not None and inputs.forcing.shape[1] < inputs.steps + 3:
            return None
        return inputs._replace(steps=inputs.steps + 2), slice(0, inputs.steps)

    def arguments(self, inputs: Window) -> tuple[Tensor, ...]:
        """Context, parameters, stride and, where there is one, the forcing: what a `Stepper` maps to the next frame."""
        forcing = () if inputs.forcing is None else (inputs.forcing[:, :2],)
        return inputs.states, inputs.parameters, inputs.stride, *forcing

    def columns(self, problem: HasTrajectories, context: ForecastContext) -> tuple[tuple[Column, ...], ...]:
        """Fields, parameters, nothing for the number of frames that a step takes, and forcings."""
        return columns_of(problem.fields), columns_of(problem.parameters), (), columns_of(problem.forcings)


FORECAST = Forecast()
