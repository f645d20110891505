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
from sciml.core.capabilities import Evolves
from sciml.core.config import Config
from sciml.core.errors import ConfigError
from sciml.core.problem import Problem
from sciml.core.progress import Progress, SilentProgress
from sciml.core.status import Status, count
from sciml.core.types import Prediction
from sciml.tasks.forecast._data import ForecastConfig, ForecastExamples, Window, read_window
from sciml.train import Examination, Solver, Task

VALID_THRESHOLD = 0.5
"""VRMSE at which a forecast stops counting as valid: half the error of predicting the mean."""

_ROWS = 32  # samples examined at a time, so that memory does not grow with the split


class Forecast(Task):
    """Learn u(t-h+1 … t) -> u(t+1) on reference trajectories; be judged on single steps and on rollouts."""

    key = "forecast"
    capability = Evolves
    config = ForecastConfig

    def __init__(self, dataset: data.Dataset, config: ForecastConfig) -> None:
        self.problem, self.grid, self.statistics = dataset.problem, dataset.grid, dataset.statistics
        self.source, self.settings = dataset, config
        self.dataset = {"hash": dataset.digest, "card": dataset.card.model_dump(mode="json")}
        longest = config.history * max(config.strides) + 1
        if longest > dataset.card.frames:
            raise ConfigError(
                "the trajectories are too short for this history and stride",
                got=f"history {config.history}, strides {config.strides}, {dataset.card.frames} frames",
                expected=f"at least {longest} frames",
                fix="Lower task.history or task.strides, or raise `frames` in the dataset card.",
            )
        self.examples = ForecastExamples(dataset, config)

    @classmethod
    def prepare(
        cls, problem: Problem, preset: str, config: Config, *, progress: Progress | None = None, workers: int = 1
    ) -> "Forecast":
        """Generate what is missing of the preset's dataset and open it."""
        assert isinstance(config, ForecastConfig)
        return cls(data.generate(problem, preset, workers=workers, progress=progress or SilentProgress()), config)

    def validate(self, solver: Solver, module: nn.Module) -> float:
        """Mean relative L2 error of rollouts from the first frames of the validation trajectories."""
        errors = [
            metrics.relative_l2(predicted, true) for _, predicted, true in self._rollouts(solver, module, "valid")
        ]
        return float(torch.cat(errors).nan_to_num(nan=float("inf")).mean())

    def examine(self, solver: Solver, module: nn.Module) -> Examination:
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
        arrays = self._fields(states)
        for i, parameter in enumerate(self.problem.parameters):
            words = {"units": parameter.units, "long_name": parameter.long_name}
            arrays[parameter.name] = ("sample", split.parameters[kept, i].numpy(), words)
        coords: dict[str, Any] = {axis.name: (axis.name, axis.points().numpy()) for axis in self.grid.axes}
        coords["time"] = self._times(0, self.source.card.frames)
        return xarray.Dataset(arrays, coords, {"history": self.settings.history, "problem": self.problem.name})

    def sample(self) -> Window:
        """The context of the first test trajectory, one step to go."""
        split = self.source.split("test")
        first = split.good[:1]
        return Window(_from_start(split, first, self.settings.history), split.parameters[first], torch.ones(1), 1)

    def arguments(self) -> tuple[Tensor, ...]:
        """Context, parameters and stride: what a `Stepper` maps to the next frame."""
        return self.sample()[:3]

    def read_inputs(self, path: Path, steps: int | None) -> Window:
        """Context frames and parameters from a user's NetCDF file."""
        steps = steps or self._rollout_steps
        return read_window(path, self.problem, self.grid, self.settings.history, steps, self.source.card.dt)

    def describe(self, inputs: Window, prediction: Prediction) -> xarray.Dataset:
        """A prediction as named fields with units; its times continue those of the inputs."""
        arrays = self._fields(prediction.mean.cpu())
        if prediction.status is not None:
            arrays["status"] = ("sample", prediction.status.to(torch.int8).cpu().numpy())
        coords: dict[str, Any] = {axis.name: (axis.name, axis.points().numpy()) for axis in self.grid.axes}
        coords["time"] = self._times(1, inputs.steps + 1, inputs.time)
        return xarray.Dataset(arrays, coords)

    def _times(self, first: int, end: int, origin: float = 0.0) -> tuple[str, np.ndarray, dict[str, str]]:
        words = {"units": self.source.layout.about.time_units, "long_name": "time"}
        return "time", origin + self.source.card.dt * np.arange(first, end), words

    @property
    def _rollout_steps(self) -> int:
        return self.source.card.frames - self.settings.history

    def _fields(self, states: Tensor) -> dict[str, Any]:
        dims = ("sample", "time", *self.grid.dims)
        return {
            field.name: (dims, states[:, :, i].numpy(), {"units": field.units, "long_name": field.long_name})
            for i, field in enumerate(self.problem.fields)
        }

    def explain(self, solver: Solver, module: nn.Module, batch: data.Batch) -> str:
        """Which field of a batch, or of the prediction for it, is not finite."""
        with torch.no_grad():
            predicted = solver.predict(module, Window(batch.inputs, batch.parameters, batch.stride)).mean
        for words, states in (("data", batch.inputs), ("target", batch.targets), ("prediction", predicted)):
            bad = ~states.isfinite().transpose(1, 2).flatten(2).all(2).all(0)
            if bad.any():
                names = [field.name for field, is_bad in zip(self.problem.fields, bad.tolist(), strict=True) if is_bad]
                return f"{words} of field {', '.join(names)}"
        return "the loss or its gradient (but no field)"

    def _single_steps(self, solver: Solver, module: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        windows = data.Windows(self.source.split("test"), self.settings.history, 1)
        for rows in torch.arange(len(windows)).split(_ROWS):
            batch = windows.batch(rows)
            yield self._predict(solver, module, Window(batch.inputs, batch.parameters, batch.stride)), batch.targets

    def _rollouts(self, solver: Solver, module: nn.Module, name: str) -> Iterator[tuple[Window, Tensor, Tensor]]:
        split, history = self.source.split(name), self.settings.history
        for rows in split.good.split(_ROWS):
            states = _from_start(split, rows, self.source.card.frames)
            window = Window(
                states[:, :history], split.parameters[rows], torch.ones(len(rows)), states.shape[1] - history
            )
            yield window, self._predict(solver, module, window), states[:, history:]

    @staticmethod
    def _predict(solver: Solver, module: nn.Module, window: Window) -> Tensor:
        device = next((t.device for t in (*module.parameters(), *module.buffers())), torch.device("cpu"))
        moved = (window.states.to(device), window.parameters.to(device), window.stride.to(device))
        return solver.predict(module, Window(*moved, window.steps)).mean.cpu()

    def _drifts(self, context: Tensor, predicted: Tensor, parameters: Tensor) -> dict[str, Tensor]:
        named = {p.name: parameters[:, i].double() for i, p in enumerate(self.problem.parameters)}
        states = torch.cat([context[:, -1:], predicted], dim=1).double()
        return {
            invariant.name: metrics.drift(invariant.compute(states, named, self.grid))[:, -1].abs()
            for invariant in self.problem.invariants
        }

    def _arrays(self, predicted: Tensor, curves: dict[str, Tensor]) -> xarray.Dataset:
        arrays = self._fields(predicted)
        for name in ("relative_l2", "vrmse"):
            curve = curves[name]
            arrays[name] = (("sample", "time", "field")[: curve.ndim], curve.numpy())
        coords = {
            "time": self._times(self.settings.history, self.source.card.frames),
            "field": ("field", [field.name for field in self.problem.fields]),
        }
        return xarray.Dataset(arrays, coords)


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
