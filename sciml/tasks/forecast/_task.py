"""Forecasting: examples, validation and examination of solvers that step a field forward in time."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import xarray
from torch import Tensor, nn

from sciml import data, metrics
from sciml.core.capabilities import HasTrajectories
from sciml.core.errors import UnsupportedError
from sciml.core.progress import Progress, SilentProgress
from sciml.core.recorded import FORCING_TIME
from sciml.core.status import Status, count
from sciml.core.types import Prediction
from sciml.tasks._labels import labelled_forcings, labelled_parameters
from sciml.tasks.forecast._data import ForecastConfig, ForecastContext, ForecastExamples, Window, check_length
from sciml.tasks.forecast._equation import FindsEquation, conclusion
from sciml.tasks.forecast._label import label_axes, label_fields, label_times, time_step
from sciml.tasks.forecast._measure import FRAMES, UNMEASURED, inside, measure
from sciml.tasks.forecast._metrics import METRICS
from sciml.tasks.forecast._read import read_window
from sciml.tasks.forecast._resample import resample
from sciml.tasks.forecast.view import VIEW
from sciml.train import AnySolver, Bench, Conclusion, Examination, Task

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
        return Window(batch.inputs, batch.parameters, batch.stride, forcing=batch.forcing)

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
        arrays = label_fields(problem, context, prediction.mean.cpu())
        if prediction.status is not None:
            arrays["status"] = ("sample", prediction.status.to(torch.int8).cpu().numpy())
        if problem.time_step is not None:
            arrays[problem.time_step] = labelled_parameters(problem, inputs.parameters.cpu())[problem.time_step]
        times = inputs.time + time_step(inputs, context) * np.arange(1, inputs.steps + 1)
        return xarray.Dataset(arrays, label_axes(context, times, problem.time_step))

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


FORECAST = Forecast()


class ForecastBench(Bench[HasTrajectories, ForecastConfig, ForecastContext, data.WindowBatch, Window]):
    """Trajectories of a dataset, cut into windows to train on, whole to be forecast."""

    def __init__(self, problem: HasTrajectories, dataset: data.Dataset, settings: ForecastConfig) -> None:
        self.problem, self.settings, self.source = problem, settings, dataset
        self.dataset = {"hash": dataset.digest, "card": dataset.card.model_dump(mode="json")}
        if dataset.active is not None:
            self.dataset["unmeasured"] = dict(UNMEASURED)
        frames = dataset.card.frames
        check_length(settings, frames)
        self.context = ForecastContext(
            grid=dataset.grid,
            statistics=dataset.statistics,
            history=settings.history,
            dt=dataset.card.dt,
            steps=frames - settings.history,
            time_units=dataset.layout.about.time_units,
            strides=settings.strides,
            parity=tuple(entry.odd for entry in problem.fields),
            active=dataset.active,
        )
        self.examples = ForecastExamples(dataset, settings)
        split = dataset.split("test")
        first = split.good[:1]
        states = _from_start(split, first, settings.history)
        last, one = torch.full_like(first, settings.history - 1), torch.ones_like(first)
        self.example = Window(
            states,
            split.parameters[first],
            torch.ones(1),
            1,
            (settings.history - 1) * dataset.card.dt,
            split.forcing(first, last, one, frames - settings.history + 1),
        )

    def validate(self, solver: AnySolver, module: nn.Module) -> float:
        """Mean relative L2 error of rollouts from the first frames of the validation trajectories."""
        active = self.context.active
        errors = [
            metrics.relative_l2(inside(predicted, active), inside(true, active), dims=FRAMES)
            for _, predicted, true in self._rollouts(solver, module, "valid")
        ]
        return float(torch.cat(errors).nan_to_num(nan=float("inf")).mean())

    def examine(self, solver: AnySolver, module: nn.Module) -> Examination:
        """Errors of every single step and of rollouts from frame 0 on the test split, by every metric.

        Where the dataset has trajectories with parameters outside of their ranges, ``beyond/relative_l2``,
        ``beyond/vrmse`` and ``beyond/valid_steps`` are those of rollouts there.
        """
        active = self.context.active
        one_step = [measure(p, t, active) for p, t in self._single_steps(solver, module)]
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
        curves = measure(predicted, true, active)
        status = torch.where(
            inside(predicted, active).isfinite().flatten(1).all(1), int(Status.OK), int(Status.DIVERGED)
        )
        scores = {f"one_step/{name}": _mean([part[name] for part in one_step]) for name in one_step[0]}
        scores |= {f"rollout/{name}": _mean([curve]) for name, curve in curves.items()}
        scores["rollout/final_relative_l2"] = _mean([curves["relative_l2"][:, -1]])
        vrmse = curves["vrmse"].mean(2)
        scores["rollout/valid_steps"] = _mean([metrics.valid_steps(vrmse, VALID_THRESHOLD, dims="sample time")])
        drifts = self._drifts(window, predicted, parameters)
        scores |= {f"rollout/{name}_drift": _mean([drift]) for name, drift in drifts.items()}
        scores |= self._beyond(solver, module)
        arrays = self._arrays(predicted, curves)
        arrays["status"] = ("sample", status.to(torch.int8).numpy())
        return Examination(scores, arrays, statistics.median(seconds), count(status.tolist()))

    def conclude(self, solver: AnySolver, module: nn.Module, folder: Path, progress: Progress) -> Conclusion | None:
        """The equation with its coefficients, from a solver that fits one."""
        if not isinstance(solver, FindsEquation):
            return None
        found = solver.equation(module, self.examples)
        return None if found is None else conclusion(found)

    def truth(self) -> xarray.Dataset:
        """The test trajectories themselves, context included, with parameters and units."""
        split = self.source.split("test")
        kept = split.good
        states = _from_start(split, kept, self.source.card.frames)
        arrays = label_fields(self.problem, self.context, states)
        arrays |= labelled_parameters(self.problem, split.parameters[kept])
        if self.problem.forcings:
            arrays |= labelled_forcings(self.problem, split.forcings[kept], "time", {"role": "forcing"})
        times = self.context.dt * np.arange(self.source.card.frames)
        coords = label_axes(self.context, times, self.problem.time_step)
        return xarray.Dataset(arrays, coords, {"history": self.settings.history, "problem": self.problem.name})

    def explain(self, solver: AnySolver, module: nn.Module, batch: data.WindowBatch) -> str:
        """Which field of a batch, or of the prediction for it, is not finite."""
        with torch.no_grad():
            predicted = solver.predict(module, FORECAST.inputs(batch)).mean
        for words, values in (("data", batch.inputs), ("target", batch.targets), ("prediction", predicted)):
            states = inside(values, self.context.active)
            bad = ~states.isfinite().transpose(1, 2).flatten(2).all(2).all(0)
            if bad.any():
                names = [field.name for field, is_bad in zip(self.problem.fields, bad.tolist(), strict=True) if is_bad]
                return f"{words} of field {', '.join(names)}"
        return "the loss or its gradient (but no field)"

    def _single_steps(self, solver: AnySolver, module: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        windows = data.Windows(self.source.split("test"), self.settings.history, 1)
        for rows in torch.arange(len(windows)).split(_ROWS):
            batch = windows.batch(rows)
            yield self._predict(solver, module, FORECAST.inputs(batch)), batch.targets

    def _rollouts(self, solver: AnySolver, module: nn.Module, name: str) -> Iterator[tuple[Window, Tensor, Tensor]]:
        split, history = self.source.split(name), self.settings.history
        for rows in split.good.split(_ROWS):
            states = _from_start(split, rows, self.source.card.frames)
            steps = states.shape[1] - history
            last, one = torch.full_like(rows, history - 1), torch.ones_like(rows)
            window = Window(
                states[:, :history],
                split.parameters[rows],
                torch.ones(len(rows)),
                steps,
                forcing=split.forcing(rows, last, one, steps + 1),
            )
            yield window, self._predict(solver, module, window), states[:, history:]

    def _beyond(self, solver: AnySolver, module: nn.Module) -> dict[str, float]:
        if data.BEYOND not in self.source.layout.splits:
            return {}
        rollouts = [(predicted, true) for _, predicted, true in self._rollouts(solver, module, data.BEYOND)]
        predicted, true = (torch.cat(parts) for parts in zip(*rollouts, strict=True))
        curves = measure(predicted, true, self.context.active)
        valid = metrics.valid_steps(curves["vrmse"].mean(2), VALID_THRESHOLD, dims="sample time")
        return {f"beyond/{name}": _mean([curves[name]]) for name in ("relative_l2", "vrmse")} | {
            "beyond/valid_steps": _mean([valid])
        }

    @staticmethod
    def _predict(solver: AnySolver, module: nn.Module, window: Window) -> Tensor:
        device = next((t.device for t in (*module.parameters(), *module.buffers())), torch.device("cpu"))
        moved = {name: value.to(device) for name, value in window._asdict().items() if isinstance(value, Tensor)}
        return solver.predict(module, window._replace(**moved)).mean.cpu()

    def _drifts(self, context: Tensor, predicted: Tensor, parameters: Tensor) -> dict[str, Tensor]:
        named = {p.name: parameters[:, i].double() for i, p in enumerate(self.problem.parameters)}
        states = torch.cat([context[:, -1:], predicted], dim=1).double()
        return {
            invariant.name: metrics.drift(invariant.compute(states, named, self.context.grid), dims="sample time")[
                :, -1
            ].abs()
            for invariant in self.problem.invariants
        }

    def _arrays(self, predicted: Tensor, curves: dict[str, Tensor]) -> xarray.Dataset:
        arrays = label_fields(self.problem, self.context, predicted)
        for name in ("relative_l2", "vrmse"):
            curve = curves[name]
            arrays[name] = (("sample", "time", "field")[: curve.ndim], curve.numpy())
        times = self.context.dt * np.arange(self.settings.history, self.source.card.frames)
        coords = {
            "time": label_times(self.context, times, self.problem.time_step),
            "field": ("field", [field.name for field in self.problem.fields]),
        }
        return xarray.Dataset(arrays, coords)


def _from_start(split: data.Split, rows: Tensor, length: int) -> Tensor:
    return split.read(rows, torch.zeros_like(rows), torch.ones_like(rows), length)


def _mean(parts: list[Tensor]) -> float:
    return float(torch.cat(parts).double().mean())
