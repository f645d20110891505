"""Forecasting: examples, validation and examination of solvers that step a field forward in time."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray
from torch import Tensor, nn

from sciml import data, metrics
from sciml.core.capabilities import HasTrajectories
from sciml.core.errors import ConfigError
from sciml.core.progress import Progress, SilentProgress
from sciml.core.status import Status, count
from sciml.core.types import Prediction
from sciml.tasks._labels import labelled_frames, labelled_parameters
from sciml.tasks.forecast._data import ForecastConfig, ForecastContext, ForecastExamples, Window, read_window
from sciml.tasks.forecast._metrics import METRICS
from sciml.tasks.forecast._resample import resample
from sciml.tasks.forecast.view import VIEW
from sciml.train import AnySolver, Bench, Examination, Task

VALID_THRESHOLD = 0.5
"""VRMSE at which a forecast stops counting as valid: half the error of predicting the mean."""

_ROWS = 32  # samples examined at a time, so that memory does not grow with the split


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
    ) -> "ForecastBench":
        """Generate what is missing of the preset's dataset and open it."""
        dataset = data.generate(problem, preset, workers=workers, progress=progress or SilentProgress())
        return ForecastBench(problem, dataset, settings)

    def inputs(self, batch: data.WindowBatch) -> Window:
        """One step from the context of every window."""
        return Window(batch.inputs, batch.parameters, batch.stride)

    def read_inputs(self, path: Path, problem: HasTrajectories, context: ForecastContext, steps: int | None) -> Window:
        """Context frames and parameters from a user's NetCDF file."""
        return read_window(path, problem, context, steps or context.steps)

    def resample(self, source: xarray.Dataset, context: ForecastContext, label: str) -> xarray.Dataset:
        """Fields on other points of the domain, interpolated linearly to those of the run."""
        return resample(source, context.grid, label)

    def write_inputs(self, inputs: Window, problem: HasTrajectories, context: ForecastContext) -> xarray.Dataset:
        """The context frames, with times that end at that of the last one."""
        arrays = labelled_frames(problem, context.grid, inputs.states) | labelled_parameters(problem, inputs.parameters)
        times = inputs.time + context.dt * np.arange(1 - context.history, 1)
        return xarray.Dataset(arrays, _coords(context, times))

    def describe(
        self, inputs: Window, prediction: Prediction, problem: HasTrajectories, context: ForecastContext
    ) -> xarray.Dataset:
        """A prediction as named fields with units; its times continue those of the inputs."""
        arrays = labelled_frames(problem, context.grid, prediction.mean.cpu())
        if prediction.status is not None:
            arrays["status"] = ("sample", prediction.status.to(torch.int8).cpu().numpy())
        return xarray.Dataset(arrays, _coords(context, inputs.time + context.dt * np.arange(1, inputs.steps + 1)))

    def shorten(self, inputs: Window) -> tuple[Window, slice] | None:
        """The first step alone."""
        return (inputs._replace(steps=1), slice(0, 1)) if inputs.steps > 1 else None

    def refine(self, inputs: Window) -> tuple[Window, slice] | None:
        """Two further steps."""
        return inputs._replace(steps=inputs.steps + 2), slice(0, inputs.steps)

    def arguments(self, inputs: Window) -> tuple[Tensor, ...]:
        """Context, parameters and stride: what a `Stepper` maps to the next frame."""
        return inputs.states, inputs.parameters, inputs.stride


FORECAST = Forecast()


class ForecastBench(Bench[HasTrajectories, ForecastConfig, ForecastContext, data.WindowBatch, Window]):
    """Trajectories of a dataset, cut into windows to train on, whole to be forecast."""

    def __init__(self, problem: HasTrajectories, dataset: data.Dataset, settings: ForecastConfig) -> None:
        self.problem, self.settings, self.source = problem, settings, dataset
        self.dataset = {"hash": dataset.digest, "card": dataset.card.model_dump(mode="json")}
        frames = dataset.card.frames
        longest = settings.history * max(settings.strides) + 1
        if longest > frames:
            raise ConfigError(
                "the trajectories are too short for this history and stride",
                got=f"history {settings.history}, strides {settings.strides}, {frames} frames",
                expected=f"at least {longest} frames",
                fix="Lower task.history or task.strides, or raise `frames` in the dataset card.",
            )
        self.context = ForecastContext(
            grid=dataset.grid,
            statistics=dataset.statistics,
            history=settings.history,
            dt=dataset.card.dt,
            steps=frames - settings.history,
            time_units=dataset.layout.about.time_units,
        )
        self.examples = ForecastExamples(dataset, settings)
        split = dataset.split("test")
        first = split.good[:1]
        states = _from_start(split, first, settings.history)
        self.example = Window(
            states, split.parameters[first], torch.ones(1), 1, (settings.history - 1) * dataset.card.dt
        )

    def validate(self, solver: AnySolver, module: nn.Module) -> float:
        """Mean relative L2 error of rollouts from the first frames of the validation trajectories."""
        errors = [
            metrics.relative_l2(predicted, true) for _, predicted, true in self._rollouts(solver, module, "valid")
        ]
        return float(torch.cat(errors).nan_to_num(nan=float("inf")).mean())

    def examine(self, solver: AnySolver, module: nn.Module) -> Examination:
        """Errors of every single step and of rollouts from frame 0 on the test split, by every metric."""
        one_step = [_measure(p, t) for p, t in self._single_steps(solver, module)]
        rollouts, seconds = [], []
        start = time.perf_counter()
        for window, predicted, true in self._rollouts(solver, module, "test"):
            seconds.append((time.perf_counter() - start) / (len(true) * window.steps))
            rollouts.append((window, predicted, true))
            start = time.perf_counter()
        window, predicted, true = (
            torch.cat(parts) for parts in zip(*((w.states, p, t) for w, p, t in rollouts), strict=True)
        )
        parameters = torch.cat([w.parameters for w, _, _ in rollouts])
        curves = _measure(predicted, true)
        status = torch.where(predicted.isfinite().flatten(1).all(1), int(Status.OK), int(Status.DIVERGED))
        scores = {f"one_step/{name}": _mean([part[name] for part in one_step]) for name in one_step[0]}
        scores |= {f"rollout/{name}": _mean([curve]) for name, curve in curves.items()}
        scores["rollout/final_relative_l2"] = _mean([curves["relative_l2"][:, -1]])
        vrmse = curves["vrmse"].mean(2)
        scores["rollout/valid_steps"] = _mean([metrics.valid_steps(vrmse, VALID_THRESHOLD)])
        drifts = self._drifts(window, predicted, parameters)
        scores |= {f"rollout/{name}_drift": _mean([drift]) for name, drift in drifts.items()}
        arrays = self._arrays(predicted, curves)
        arrays["status"] = ("sample", status.to(torch.int8).numpy())
        return Examination(scores, arrays, statistics.median(seconds), count(status.tolist()))

    def truth(self) -> xarray.Dataset:
        """The test trajectories themselves, context included, with parameters and units."""
        split = self.source.split("test")
        kept = split.good
        states = _from_start(split, kept, self.source.card.frames)
        arrays = labelled_frames(self.problem, self.context.grid, states)
        arrays |= labelled_parameters(self.problem, split.parameters[kept])
        coords = _coords(self.context, self.context.dt * np.arange(self.source.card.frames))
        return xarray.Dataset(arrays, coords, {"history": self.settings.history, "problem": self.problem.name})

    def explain(self, solver: AnySolver, module: nn.Module, batch: data.WindowBatch) -> str:
        """Which field of a batch, or of the prediction for it, is not finite."""
        with torch.no_grad():
            predicted = solver.predict(module, Window(batch.inputs, batch.parameters, batch.stride)).mean
        for words, states in (("data", batch.inputs), ("target", batch.targets), ("prediction", predicted)):
            bad = ~states.isfinite().transpose(1, 2).flatten(2).all(2).all(0)
            if bad.any():
                names = [field.name for field, is_bad in zip(self.problem.fields, bad.tolist(), strict=True) if is_bad]
                return f"{words} of field {', '.join(names)}"
        return "the loss or its gradient (but no field)"

    def _single_steps(self, solver: AnySolver, module: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        windows = data.Windows(self.source.split("test"), self.settings.history, 1)
        for rows in torch.arange(len(windows)).split(_ROWS):
            batch = windows.batch(rows)
            yield self._predict(solver, module, Window(batch.inputs, batch.parameters, batch.stride)), batch.targets

    def _rollouts(self, solver: AnySolver, module: nn.Module, name: str) -> Iterator[tuple[Window, Tensor, Tensor]]:
        split, history = self.source.split(name), self.settings.history
        for rows in split.good.split(_ROWS):
            states = _from_start(split, rows, self.source.card.frames)
            window = Window(
                states[:, :history], split.parameters[rows], torch.ones(len(rows)), states.shape[1] - history
            )
            yield window, self._predict(solver, module, window), states[:, history:]

    @staticmethod
    def _predict(solver: AnySolver, module: nn.Module, window: Window) -> Tensor:
        device = next((t.device for t in (*module.parameters(), *module.buffers())), torch.device("cpu"))
        moved = (window.states.to(device), window.parameters.to(device), window.stride.to(device))
        return solver.predict(module, Window(*moved, window.steps)).mean.cpu()

    def _drifts(self, context: Tensor, predicted: Tensor, parameters: Tensor) -> dict[str, Tensor]:
        named = {p.name: parameters[:, i].double() for i, p in enumerate(self.problem.parameters)}
        states = torch.cat([context[:, -1:], predicted], dim=1).double()
        return {
            invariant.name: metrics.drift(invariant.compute(states, named, self.context.grid))[:, -1].abs()
            for invariant in self.problem.invariants
        }

    def _arrays(self, predicted: Tensor, curves: dict[str, Tensor]) -> xarray.Dataset:
        arrays = labelled_frames(self.problem, self.context.grid, predicted)
        for name in ("relative_l2", "vrmse"):
            curve = curves[name]
            arrays[name] = (("sample", "time", "field")[: curve.ndim], curve.numpy())
        times = self.context.dt * np.arange(self.settings.history, self.source.card.frames)
        coords = {
            "time": _time(self.context, times),
            "field": ("field", [field.name for field in self.problem.fields]),
        }
        return xarray.Dataset(arrays, coords)


def _time(context: ForecastContext, times: np.ndarray) -> tuple[str, np.ndarray, dict[str, str]]:
    return "time", times, {"units": context.time_units, "long_name": "time"}


def _coords(context: ForecastContext, times: np.ndarray) -> dict[str, Any]:
    axes = {
        axis.name: (axis.name, axis.points().numpy(), {"units": axis.units, "long_name": f"{axis.name} coordinate"})
        for axis in context.grid.axes
    }
    return axes | {"time": _time(context, times)}


def _from_start(split: data.Split, rows: Tensor, length: int) -> Tensor:
    return split.read(rows, torch.zeros_like(rows), torch.ones_like(rows), length)


def _measure(predicted: Tensor, true: Tensor) -> dict[str, Tensor]:
    """Every metric by name, unreduced: ``batch time`` or ``batch time channel``."""
    low, mid, high = metrics.frmse(predicted, true)
    return {
        "relative_l2": metrics.relative_l2(predicted, true),
        "scaled_l2": metrics.scaled_l2(predicted, true),
        "rmse": metrics.rmse(predicted, true),
        "nrmse": metrics.nrmse(predicted, true),
        "crmse": metrics.crmse(predicted, true),
        "brmse": metrics.brmse(predicted, true),
        "frmse_low": low,
        "frmse_mid": mid,
        "frmse_high": high,
        "vrmse": metrics.vrmse(predicted, true),
        "pearson": metrics.pearson(predicted, true),
        "max_error": metrics.max_error(predicted, true),
    }


def _mean(parts: list[Tensor]) -> float:
    return float(torch.cat(parts).double().mean())
