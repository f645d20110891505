"""Trajectories of a dataset: examples, validation and examination."""

from pathlib import Path

import torch
import xarray
from jaxtyping import Float
from torch import Tensor, nn

from sciml import data
from sciml.core.capabilities import HasOutcome, HasTrajectories
from sciml.core.progress import Progress
from sciml.core.status import count
from sciml.core.types import Prediction
from sciml.tasks._conformal import conformal_widths
from sciml.tasks._cost import cost_of, predict_on, prediction_seconds
from sciml.tasks._labels import Labelled, labelled_parameters
from sciml.tasks._no_space import (
    bad_fields,
    finite_mean,
    good_parameters,
    good_states,
    labelled_fields,
    labelled_outcome,
    labelled_spread,
    relative_error,
    status_of,
    stored_times,
    time_coordinate,
    whole_error,
)
from sciml.tasks.trajectories._answer import completed, in_own_terms
from sciml.tasks.trajectories._bands import BAND, check_conformal
from sciml.tasks.trajectories._cautions import Cautions
from sciml.tasks.trajectories._data import (
    Start,
    TrajectoriesConfig,
    TrajectoriesContext,
    TrajectoryBatch,
    TrajectoryExamples,
    good_derived,
)
from sciml.tasks.trajectories._outcome import (
    chance_of,
    constraint_scores,
    derived_scores,
    labelled_map,
    map_inputs,
    named_parameters,
    outcome_scores,
)
from sciml.tasks.trajectories._seen import seen_starts
from sciml.tasks.trajectories._starts import start_rule, stated_rule
from sciml.train import AnySolver, Bench, Conclusion, Examination

_MAP = 15
"""Places along each axis of the map of outcomes."""
_LOOKED_AT = 20
"""States at which a stated equation is linearised, for warnings."""


class TrajectoriesBench(Bench[HasTrajectories, TrajectoriesConfig, TrajectoriesContext, TrajectoryBatch, Start]):
    """Trajectories of a dataset, cut into windows to train on, whole to be predicted."""

    def __init__(self, problem: HasTrajectories, dataset: data.Dataset, settings: TrajectoriesConfig) -> None:
        self.problem, self.settings, self.source = problem, settings, dataset
        self.dataset = {"hash": dataset.digest, "card": dataset.card.model_dump(mode="json")}
        names, first = tuple(field.name for field in problem.fields), float(dataset.layout.times[0])
        begun = good_states(dataset, "train")[:, 0], good_parameters(dataset, "train"), dataset.statistics, first
        fitted = start_rule(names, *begun)
        self.context = TrajectoriesContext(
            starts=stated_rule(problem, *begun) or fitted,
            free_starts=fitted is None,
            seen=seen_starts(dataset, settings),
            statistics=dataset.statistics,
            dt=dataset.card.dt,
            frames=dataset.card.frames,
            time_units=dataset.layout.about.time_units,
            conformal=settings.conformal,
        )
        if settings.conformal is not None:
            check_conformal(settings.conformal, len(good_states(dataset, "valid")))
        self.examples = TrajectoryExamples(dataset, settings)
        start = self._starts("test")
        self.example = Start(start.state[:1], start.parameters[:1], start.times[:2])

    def cautions(self) -> tuple[str, ...]:
        """Trajectories that two splits share."""
        return data.twin_trajectories(self.source)

    def validate(self, solver: AnySolver, module: nn.Module) -> float:
        """Mean relative L2 error of the validation trajectories, each predicted from its first frame.

        Where fields have different units it is the mean absolute error in standard deviations of the training data, so
        that none counts for its unit, nor a sample for how little happens in it.
        """
        predicted, true = predict_on(solver, module, self._starts("valid")).mean, good_states(self.source, "valid")
        if len({field.units for field in self.problem.fields}) > 1:
            return finite_mean(((predicted - true)[:, 1:] / self.context.statistics.field_std).abs())
        return finite_mean(whole_error(_errors(predicted, true)))

    def test_batch(self) -> TrajectoryBatch:
        """The test trajectories, whole."""
        start = self._starts("test")
        return TrajectoryBatch(good_states(self.source, "test"), start.times, start.parameters)

    def examine(self, solver: AnySolver, module: nn.Module) -> Examination:
        """The metrics above and the predicted trajectories from frame 1 on."""
        inputs, true = self._starts("test"), good_states(self.source, "test")
        parameters = named_parameters(self.problem, inputs.parameters)
        prediction = predict_on(solver, module, inputs)
        prediction = completed(solver, module, inputs, prediction, self.problem)
        curve = _errors(prediction.mean, true)
        errors = whole_error(curve).double()
        absolute = (prediction.mean - true)[:, 1:].abs().double().mean((0, 1))
        seconds = prediction_seconds(solver, module, inputs)
        scores = {
            "rollout/relative_l2": float(errors.mean()),
            "rollout/mae_share": float((absolute / true.double().std((0, 1), correction=0)).mean()),
            **self._window_error(solver, module, true),
            **{f"mae/{field.name}": float(v) for field, v in zip(self.problem.fields, absolute, strict=True)},
            **outcome_scores(self.problem, prediction, true, parameters),
            **self._coverage(prediction, true),
            **derived_scores(self.problem, inputs.times, prediction, self._truth(true, "test"), parameters),
            **constraint_scores(self.problem, prediction.mean, parameters),
            **self._beyond(solver, module, true.double().std((0, 1), correction=0)),
            **cost_of(prediction),
            "prediction/seconds": seconds,
        }
        arrays = xarray.Dataset(
            {
                **labelled_fields(self.problem, prediction.mean[:, 1:]),
                **labelled_spread(self.problem, _later(prediction), self.settings.conformal),
                "relative_l2": (("sample", "time"), curve.numpy(), {"units": "1", "long_name": "relative L2 error"}),
                **labelled_outcome(prediction),
                **in_own_terms(self.problem, inputs, prediction),
                **self._outcome_map(solver, module, inputs),
            },
            {"time": time_coordinate(inputs.times[1:], self.context.time_units)},
        )
        each = seconds / (len(true) * (len(inputs.times) - 1))
        cases = {"rollout/relative_l2": errors.tolist()}
        return Examination(scores, arrays, each, count(status_of(prediction).tolist()), cases)

    def conclude(self, solver: AnySolver, module: nn.Module, folder: Path, progress: Progress) -> Conclusion | None:
        """What the solver warns of; None for nothing."""
        if not isinstance(solver, Cautions):
            return None
        states = good_states(self.source, "train").flatten(0, 1)
        some = states[torch.linspace(0, len(states) - 1, min(len(states), _LOOKED_AT)).long()]
        words = solver.cautions(module, self.problem, self.context, some)
        return Conclusion({}, {"cautions": list(words)}, xarray.Dataset(), words) if words else None

    def truth(self) -> xarray.Dataset:
        """The test trajectories themselves with parameters and units; the first frame is what is given."""
        states, parameters = good_states(self.source, "test"), good_parameters(self.source, "test")
        inputs = self._starts("test")
        arrays = labelled_fields(self.problem, states) | labelled_parameters(self.problem, parameters)
        arrays |= in_own_terms(self.problem, inputs, self._truth(states, "test"))
        coords = {"time": time_coordinate(self.source.layout.times, self.context.time_units)}
        return xarray.Dataset(arrays, coords, {"history": 1, "problem": self.problem.name})

    def explain(self, solver: AnySolver, module: nn.Module, batch: TrajectoryBatch) -> str:
        """Which field of a batch, or of the prediction for it, is not finite."""
        if names := bad_fields(self.problem, batch.states):
            return f"data of field {names}"
        if not batch.parameters.isfinite().all():
            return "a parameter of the data"
        with torch.no_grad():
            predicted = solver.predict(module, batch.start).mean
        if names := bad_fields(self.problem, predicted):
            return f"prediction of field {names}"
        return "the loss or its gradient (but no field)"

    def _coverage(self, prediction: Prediction, true: Float[Tensor, "sample time channel"]) -> dict[str, float]:
        """``covered/…`` and ``held/…``; the first frame is given and does not count, nor does rounding as stored."""
        scores: dict[str, float] = {}
        rounding = 2 * torch.finfo(torch.float32).eps * true.abs().amax((0, 1))
        error = (prediction.mean - true)[:, 1:].abs() - rounding
        for name, factor, widths in (("covered", 2.0, prediction.spread), ("held", 1.0, prediction.band)):
            if widths is not None:
                within = (error <= factor * widths[:, 1:]).double().mean((0, 1))
                scores |= {f"{name}/{f.name}": float(v) for f, v in zip(self.problem.fields, within, strict=True)}
        return scores

    def calibrate(self, solver: AnySolver, module: nn.Module) -> None:
        """With ``task.conformal``, widths of the bands from the validation trajectories, which nothing is fitted to."""
        if self.settings.conformal is None:
            return
        inputs, true = self._starts("valid"), good_states(self.source, "valid")
        check_conformal(self.settings.conformal, len(true))
        error = (predict_on(solver, module, inputs).mean - true).abs()
        error = error[..., None]  # no space: one point
        widths = conformal_widths(error, torch.ones_like(error), self.settings.conformal)
        module.get_buffer(BAND).copy_(widths)

    def _truth(self, states: Float[Tensor, "sample time channel"], name: str) -> Prediction:
        """The good samples of a split with the derived quantities that the reference found between the frames."""
        derived = good_derived(self.source, name)
        if derived is None:
            return Prediction(states)
        columns = zip(self.source.layout.derived, derived.unbind(1), strict=True)
        return Prediction(states, stats={f"summary/{entry.name}": values for entry, values in columns})

    def _starts(self, name: str) -> Start:
        states = good_states(self.source, name)
        return Start(states[:, 0], good_parameters(self.source, name), stored_times(self.source))

    def _outcome_map(self, solver: AnySolver, module: nn.Module, inputs: Start) -> Labelled:
        """The predicted chance over the problem's two axes; nothing where it names none."""
        places = map_inputs(self.problem, self.source.grid, _MAP)
        if places is None or not isinstance(self.problem, HasOutcome):
            return {}
        states, parameters = places
        prediction = predict_on(solver, module, Start(states, parameters, inputs.times))
        chance = chance_of(self.problem, prediction, named_parameters(self.problem, parameters))
        return labelled_map(self.problem, parameters, chance, _MAP)

    def _beyond(self, solver: AnySolver, module: nn.Module, spread: Float[Tensor, " channel"]) -> dict[str, float]:
        """``beyond/…``: errors, shares in units of `spread`, and outcomes, with parameters outside of their ranges."""
        if data.BEYOND not in self.source.layout.splits:
            return {}
        inputs, true = self._starts(data.BEYOND), good_states(self.source, data.BEYOND)
        prediction = predict_on(solver, module, inputs)
        absolute = (prediction.mean - true)[:, 1:].abs().double().mean((0, 1))
        outcomes = outcome_scores(self.problem, prediction, true, named_parameters(self.problem, inputs.parameters))
        return {
            "beyond/mae_share": float((absolute / spread).mean()),
            **{f"beyond/mae/{field.name}": float(v) for field, v in zip(self.problem.fields, absolute, strict=True)},
            **{f"beyond/{key}": value for key, value in outcomes.items()},
        }

    def _window_error(
        self, solver: AnySolver, module: nn.Module, true: Float[Tensor, "sample time channel"]
    ) -> dict[str, float]:
        """Relative L2 error over the trajectories when every `window` frames begin anew from the truth."""
        if self.settings.window is None:
            return {}
        steps = self.settings.window - 1
        count_windows = (true.shape[1] - 1) // steps
        kept = true[:, : count_windows * steps + 1]
        parameters, times = good_parameters(self.source, "test"), stored_times(self.source)
        predicted = torch.cat(
            [
                predict_on(solver, module, Start(true[:, first], parameters, times[first : first + steps + 1])).mean[
                    :, 1:
                ]
                for first in range(0, count_windows * steps, steps)
            ],
            dim=1,
        )
        return {"window/relative_l2": float(whole_error(relative_error(predicted, kept[:, 1:])).double().mean())}


def _later(prediction: Prediction) -> Prediction:
    """Without the first frame, which is given."""
    parts = {name: None if part is None else part[:, 1:] for name, part in
             (("mean", prediction.mean), ("spread", prediction.spread), ("band", prediction.band))}  # fmt: skip
    return prediction._replace(**parts)


def _errors(
    predicted: Float[Tensor, "sample time channel"], true: Float[Tensor, "sample time channel"]
) -> Float[Tensor, "sample step"]:
    """Relative error of every predicted frame; the first one is given and left out."""
    return relative_error(predicted[:, 1:], true[:, 1:])
