"""A problem with its trajectories: examples, validation and examination of solvers that step fields forward."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import xarray
from torch import Tensor, nn

from sciml import data, metrics
from sciml.core.capabilities import Evolves, HasTrajectories
from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError
from sciml.core.progress import Progress
from sciml.core.status import Status, count
from sciml.core.types import Prediction
from sciml.tasks._cost import predict_on, prediction_seconds
from sciml.tasks._labels import labelled_forcings, labelled_parameters, labelled_status
from sciml.tasks.forecast._calibrates import Calibrates, Calibration
from sciml.tasks.forecast._data import (
    ForecastConfig,
    ForecastContext,
    ForecastExamples,
    Window,
    change_of,
    check_length,
)
from sciml.tasks.forecast._equation import FindsEquation, conclusion, joined
from sciml.tasks.forecast._label import label_axes, label_fields
from sciml.tasks.forecast._measure import CONSTANT, FRAMES, UNMEASURED, Curves, held, inside, joined_curves, measure
from sciml.tasks.forecast._speed import SAMPLES, Rung, ladder, speed
from sciml.train import AnySolver, Bench, Conclusion, Examination

VALID_THRESHOLD = 0.5
"""VRMSE at which a forecast stops counting as valid: half the error of predicting the mean."""

_ROWS = 32  # samples examined at a time, so that memory does not grow with the split


_TITLES = {metric.key: metric.label for metric in (metrics.RELATIVE_L2, metrics.VRMSE)}


def question(batch: data.WindowBatch) -> Window:
    """One step from the context of every window."""
    forcing = None if batch.forcing is None else batch.forcing[:, :2]
    return Window(batch.inputs, batch.parameters, batch.stride, forcing=forcing)


class ForecastBench(Bench[HasTrajectories, ForecastConfig, ForecastContext, data.WindowBatch, Window]):
    """Trajectories of a dataset, cut into windows to train on, whole to be forecast."""

    def __init__(self, problem: HasTrajectories, dataset: data.Dataset, settings: ForecastConfig) -> None:
        self.problem, self.settings, self.source = problem, settings, dataset
        self.dataset = {"hash": dataset.digest, "card": dataset.card.model_dump(mode="json")}
        constant = dataset.constant_fields
        if len(constant) == len(problem.fields):
            raise ConfigError(
                f"nothing happens in the data of {problem.name!r}",
                got=f"{', '.join(constant)}: one value in all training trajectories",
                expected="at least one field that varies",
            )
        unmeasured = {} if dataset.active is None else dict(UNMEASURED)
        unmeasured |= {f"*/{metric} of {name}": CONSTANT for name in constant for metric in metrics.RATIOS}
        if unmeasured:
            self.dataset["unmeasured"] = unmeasured
        check_length(settings, dataset.card.frames)
        self.frames = settings.frames(dataset.card.frames)
        self.context = ForecastContext(
            grid=dataset.grid,
            statistics=dataset.statistics,
            history=settings.history,
            dt=dataset.card.dt,
            steps=self.frames - settings.history,
            time_units=dataset.layout.about.time_units,
            strides=settings.strides,
            parity=tuple(entry.odd for entry in problem.fields),
            active=dataset.active,
            change=change_of(dataset, settings),
            coverage=settings.coverage if settings.held_out else None,
            constant=constant,
        )
        examples = ForecastExamples(dataset, settings)
        self.examples, self._held_out = examples, examples.held_out
        self._ladder: tuple[Rung, ...] | None = None
        first, _ = next(self._questions("test", dataset.split("test").good[:1]))
        self.example = first._replace(steps=1, time=(settings.history - 1) * settings.stride * dataset.card.dt)

    def cautions(self) -> tuple[str, ...]:
        """Trajectories that two splits share."""
        return data.twin_trajectories(self.source)

    def validate(self, solver: AnySolver, module: nn.Module) -> float:
        """Mean relative L2 error of rollouts from the first frames of the validation trajectories."""
        active = self.context.active
        errors = [
            metrics.relative_l2(inside(predicted, active), inside(true, active), dims=FRAMES)
            for _, predicted, true in self._rollouts(solver, module, "valid")
        ]
        return float(torch.cat(errors).nan_to_num(nan=float("inf")).mean())

    def calibrate(self, solver: AnySolver, module: nn.Module) -> None:
        """Bands, from rollouts of the training trajectories that were held out; nothing where none are."""
        if not len(self._held_out) or not isinstance(solver, Calibrates):
            return
        rollouts = [
            Calibration(self._answer(solver, module, window), true)
            for window, true in self._questions("train", self._held_out)
        ]
        solver.calibrate(module, rollouts, self.settings.coverage)

    def examine(self, solver: AnySolver, module: nn.Module) -> Examination:
        """Errors of every single step and of rollouts from frame 0 on the test split, by every metric.

        Where the dataset has trajectories with parameters outside of their ranges, ``beyond/relative_l2``,
        ``beyond/vrmse`` and ``beyond/valid_steps`` are those of rollouts there.
        """
        active = self.context.active
        steps = joined_curves([measure(p, t, self.context) for p, t in self._single_steps(solver, module)])
        rollouts, seconds = [], []
        start = time.perf_counter()
        for window, true in self._questions("test"):
            prediction = self._answer(solver, module, window)
            seconds.append((time.perf_counter() - start) / (len(true) * window.steps))
            rollouts.append((window, prediction, true))
            start = time.perf_counter()
        window, predicted, true = (
            torch.cat(parts) for parts in zip(*((w.states, p.mean, t) for w, p, t in rollouts), strict=True)
        )
        bands = [p.band for _, p, _ in rollouts if p.band is not None]
        parameters = torch.cat([w.parameters for w, _, _ in rollouts])
        curves = measure(predicted, true, self.context)
        status = torch.where(
            inside(predicted, active).isfinite().flatten(1).all(1), int(Status.OK), int(Status.DIVERGED)
        )
        scores = {f"one_step/{name}": steps.mean(name) for name in steps.values}
        scores |= {f"rollout/{name}": curves.mean(name) for name in curves.values}
        scores["rollout/final_relative_l2"] = _mean(curves.values["relative_l2"][:, -1])
        scores["rollout/valid_steps"] = _valid_steps(curves)
        drifts = self._drifts(window, predicted, parameters)
        scores |= {f"rollout/{name}_drift": _mean(drift) for name, drift in drifts.items()}
        scores |= self._beyond(solver, module)
        arrays = self._arrays(predicted, curves)
        if bands:
            covered, wide = held(predicted, true, torch.cat(bands), active)
            names = [field.name for field in self.problem.fields]
            scores |= {f"covered/{name}": float(covered[..., i].mean()) for i, name in enumerate(names)}
            units = wide / self.context.statistics.field_std
            scores |= {f"band/{name}": float(units[..., i].mean()) for i, name in enumerate(names)}
            arrays["covered"] = (("sample", "time", "field"), covered.numpy(), {"promised": self.settings.coverage})
            arrays["band"] = (("sample", "time", "field"), wide.numpy(), {"long_name": "half-width of the band"})
        arrays = arrays.assign(labelled_status(status))
        cases = {"rollout/relative_l2": curves.values["relative_l2"].double().mean(1).tolist()}
        return Examination(scores, arrays, statistics.median(seconds), count(status.tolist()), cases)

    def convention(self, name: str, solver: AnySolver, module: nn.Module) -> dict[str, float]:
        """Numbers of all rollouts on the test split by the definitions of another benchmark.

        Raises: UnsupportedError on a masked grid; UnknownNameError for a benchmark that is not known.
        """
        if name not in metrics.CONVENTIONS:
            raise UnknownNameError("convention of metrics", name, metrics.CONVENTIONS)
        if self.context.active is not None:
            raise UnsupportedError(f"the numbers of {name!r} need values at all points, and the grid has a mask")
        parts = [(predicted, true) for _, predicted, true in self._rollouts(solver, module, "test")]
        predicted, true = (torch.cat(states) for states in zip(*parts, strict=True))
        extents = [axis.extent for axis in self.context.grid.axes]
        return metrics.CONVENTIONS[name](predicted, true, extents=extents, dims=FRAMES)

    def conclude(self, solver: AnySolver, module: nn.Module, folder: Path, progress: Progress) -> Conclusion | None:
        """The equation with its coefficients, from a solver that fits one; the speed-up over the reference, where there
        is one."""
        equation = solver.equation(module, self.examples) if isinstance(solver, FindsEquation) else None
        parts = [None if equation is None else conclusion(equation), self._speed(solver, module)]
        known = [part for part in parts if part is not None]
        return joined(known) if known else None

    def _speed(self, solver: AnySolver, module: nn.Module) -> Conclusion | None:
        """None for imported data, forcings, trajectories with time steps of their own, or where nobody asks for it."""
        problem = self.problem
        if not self.settings.speed or not isinstance(problem, Evolves):
            return None
        if problem.forcings or problem.time_step is not None:
            return None
        window, true = next(self._questions("test", self.source.split("test").good[:SAMPLES]))
        if self._ladder is None:
            states = torch.cat([window.states, true], dim=1)
            params = {p.name: window.parameters[:, i].double() for i, p in enumerate(problem.parameters)}
            times = self._dt * torch.arange(states.shape[1], dtype=torch.float64)
            self._ladder = ladder(problem, self.context.grid, states, params, times, self.settings.history)
        error = metrics.relative_l2(self._predict(solver, module, window), true, dims=FRAMES).mean()
        seconds = prediction_seconds(solver, module, window, repeats=3) / len(true)
        return speed(self._ladder, seconds, float(error))

    def truth(self) -> xarray.Dataset:
        """The test trajectories themselves, context included, with parameters and units."""
        split = self.source.split("test")
        kept = split.good
        states = self._from_start(split, kept)
        arrays = label_fields(self.problem, self.context, states)
        arrays |= labelled_parameters(self.problem, split.parameters[kept])
        if self.problem.forcings:
            arrays |= labelled_forcings(
                self.problem, split.forcings[kept][:, :: self.settings.stride], "time", {"role": "forcing"}
            )
        times = self._dt * np.arange(self.frames)
        coords = label_axes(self.context, times, self.problem.time_step)
        return xarray.Dataset(arrays, coords, {"history": self.settings.history, "problem": self.problem.name})

    def explain(self, solver: AnySolver, module: nn.Module, batch: data.WindowBatch) -> str:
        """Which field of a batch, or of the prediction for it, is not finite."""
        with torch.no_grad():
            predicted = solver.predict(module, question(batch)).mean
        for words, values in (("data", batch.inputs), ("target", batch.targets), ("prediction", predicted)):
            states = inside(values, self.context.active)
            bad = ~states.isfinite().transpose(1, 2).flatten(2).all(2).all(0)
            if bad.any():
                names = [field.name for field, is_bad in zip(self.problem.fields, bad.tolist(), strict=True) if is_bad]
                return f"{words} of field {', '.join(names)}"
        return "the loss or its gradient (but no field)"

    def _single_steps(self, solver: AnySolver, module: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        windows = data.Windows(self.source.split("test"), self.settings.history, 1, (self.settings.stride,))
        for rows in torch.arange(len(windows)).split(_ROWS):
            batch = windows.batch(rows)
            yield self._predict(solver, module, question(batch)), batch.targets

    def _rollouts(self, solver: AnySolver, module: nn.Module, name: str) -> Iterator[tuple[Window, Tensor, Tensor]]:
        for window, true in self._questions(name):
            yield window, self._predict(solver, module, window), true

    def _questions(self, name: str, chosen: Tensor | None = None) -> Iterator[tuple[Window, Tensor]]:
        """Rollouts of a split's trajectories from their first frames, all good ones or the chosen, and the truth."""
        split, history = self.source.split(name), self.settings.history
        for rows in (split.good if chosen is None else chosen).split(_ROWS):
            states = self._from_start(split, rows)
            steps, stride = states.shape[1] - history, self.settings.stride
            last, strides = torch.full_like(rows, (history - 1) * stride), torch.full_like(rows, stride)
            window = Window(
                states[:, :history],
                split.parameters[rows],
                strides.to(states.dtype),
                steps,
                forcing=split.forcing(rows, last, strides, steps + 1),
            )
            yield window, states[:, history:]

    def _beyond(self, solver: AnySolver, module: nn.Module) -> dict[str, float]:
        if data.BEYOND not in self.source.layout.splits:
            return {}
        rollouts = [(predicted, true) for _, predicted, true in self._rollouts(solver, module, data.BEYOND)]
        predicted, true = (torch.cat(parts) for parts in zip(*rollouts, strict=True))
        curves = measure(predicted, true, self.context)
        scores = {f"beyond/{name}": curves.mean(name) for name in ("relative_l2", "vrmse")}
        return scores | {"beyond/valid_steps": _valid_steps(curves)}

    @property
    def _dt(self) -> float:
        return self.context.dt * self.settings.stride

    def _from_start(self, split: data.Split, rows: Tensor) -> Tensor:
        stride = torch.full_like(rows, self.settings.stride)
        return split.read(rows, torch.zeros_like(rows), stride, self.frames)

    @staticmethod
    def _answer(solver: AnySolver, module: nn.Module, window: Window) -> Prediction:
        return predict_on(solver, module, window)

    def _predict(self, solver: AnySolver, module: nn.Module, window: Window) -> Tensor:
        return self._answer(solver, module, window).mean

    def _drifts(self, context: Tensor, predicted: Tensor, parameters: Tensor) -> dict[str, Tensor]:
        named = {p.name: parameters[:, i].double() for i, p in enumerate(self.problem.parameters)}
        states = torch.cat([context[:, -1:], predicted], dim=1).double()
        return {
            invariant.name: metrics.drift(invariant.compute(states, named, self.context.grid), dims="sample time")[
                :, -1
            ].abs()
            for invariant in self.problem.invariants
        }

    def _arrays(self, predicted: Tensor, curves: Curves) -> xarray.Dataset:
        arrays = label_fields(self.problem, self.context, predicted)
        for name in ("relative_l2", "vrmse"):
            curve = curves.values[name]
            words = {"units": "1", "long_name": _TITLES[name]}
            arrays[name] = (("sample", "time", "field")[: curve.ndim], curve.numpy(), words)
        times = self._dt * np.arange(self.settings.history, self.frames)
        coords = label_axes(self.context, times, self.problem.time_step)
        return xarray.Dataset(arrays, coords | {"field": ("field", [field.name for field in self.problem.fields])})


def _mean(values: Tensor) -> float:
    return float(values.double().mean())


def _valid_steps(curves: Curves) -> float:
    """Mean number of valid steps, by the VRMSE over the fields that have one."""
    return _mean(metrics.valid_steps(curves.over_fields("vrmse"), VALID_THRESHOLD, dims="sample time"))
