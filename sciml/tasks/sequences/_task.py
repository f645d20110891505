"""Sequences: examples, validation and examination of solvers that answer signals."""

from pathlib import Path

import torch
import xarray
from jaxtyping import Float
from torch import Tensor, nn

from sciml import data
from sciml.core.capabilities import HasSequences, Sequences
from sciml.core.errors import ConfigError
from sciml.core.progress import Progress
from sciml.core.status import count, flag_attributes
from sciml.core.types import Prediction
from sciml.tasks._cost import cost_of, predict_on, prediction_seconds
from sciml.tasks._in_memory import card_for, labelled_table, refuse_steps
from sciml.tasks._no_space import (
    bad_fields,
    finite_mean,
    labelled_fields,
    labelled_outcome,
    relative_error,
    status_of,
    time_coordinate,
)
from sciml.tasks._probabilities import absent_classes, class_scores, predicted_classes, surprise
from sciml.tasks.sequences._card import SequencesCard
from sciml.tasks.sequences._data import (
    SequenceBatch,
    SequenceExamples,
    SequencesConfig,
    SequencesContext,
    Signals,
    labelled_signals,
    read_signals,
)
from sciml.tasks.sequences._metrics import METRICS
from sciml.tasks.sequences._module import SequenceModel, StateSpaces
from sciml.tasks.sequences._sampling import Resampled, reads_irregular, strided, with_losses
from sciml.tasks.sequences._splits import sequence_splits, signal_statistics, target_statistics, times_of
from sciml.tasks.sequences.view import VIEW
from sciml.train import AnySolver, Bench, Column, Examination, Task, columns_of


class SequencesTask(Task[HasSequences, SequencesConfig, SequencesContext, SequenceBatch, Signals]):
    """Learn what a signal is answered with: another signal, values, or its class.

    Metrics on the test split:
        nrmse, r2: for signals and values, root mean squared error over samples, times and fields, each in standard
            deviations of the training targets; and 1 less the squared error in units of the variance of the test
            targets, mean over fields.
        skill: of forecasts, 1 - nrmse / nrmse of holding the last value of the signal.
        accuracy, error, nll: for classes, as in the task of classification.
        stride_2/nrmse, stride_2/error, …: the same, given every second time of the test signals only, with their times.
        stride_2/unscaled_nrmse, …: the same, with the times of the training in their place: what a solver loses that
            knows nothing of the other rate.
        lost_30/nrmse, …: with 30 % of the times lost, see `SequencesConfig.losses`.
        prediction/seconds: median wall time of predicting the whole test split.
    """

    key = "sequences"
    title = "Long sequences"
    shared = frozenset({"times"})
    capability = HasSequences
    card = SequencesCard
    config = SequencesConfig
    context = SequencesContext
    metrics = METRICS
    view = VIEW

    def prepare(
        self,
        problem: HasSequences,
        preset: str,
        settings: SequencesConfig,
        *,
        progress: Progress | None = None,
        workers: int = 1,
    ) -> "SequencesBench":
        """Draw the problem's sequences as the card says."""
        card = card_for(problem, preset, HasSequences, SequencesCard)
        return SequencesBench(problem, card, data.read_card(problem).time_units, settings)

    def inputs(self, batch: SequenceBatch) -> Signals:
        """The signals without their targets."""
        return Signals(batch.signals, batch.times)

    def read_inputs(self, path: Path, problem: HasSequences, context: SequencesContext, steps: int | None) -> Signals:
        """Signals from a user's NetCDF file."""
        refuse_steps(path, steps)
        return read_signals(path, problem, context)

    def write_inputs(self, inputs: Signals, problem: HasSequences, context: SequencesContext) -> xarray.Dataset:
        """One variable per signal, and the times."""
        time = {"time": time_coordinate(inputs.times, context.time_units)}
        return xarray.Dataset(labelled_signals(problem, inputs.signals), time)

    def as_rows(self, content: xarray.Dataset) -> xarray.Dataset:
        """A row per time of every sequence."""
        return content

    def describe(
        self, inputs: Signals, prediction: Prediction, problem: HasSequences, context: SequencesContext
    ) -> xarray.Dataset:
        """One variable per field, or probabilities and the most probable class; and the outcome."""
        return _answers(problem, prediction._replace(mean=prediction.mean.cpu()), inputs.times, context)

    def arguments(self, inputs: Signals) -> tuple[Tensor, ...]:
        """The signals, at the step of the training."""
        return (inputs.signals,)

    def columns(self, problem: HasSequences, context: SequencesContext) -> tuple[tuple[Column, ...], ...]:
        """The signals."""
        return (columns_of(problem.signals),)

    def answers(self, problem: HasSequences, context: SequencesContext) -> tuple[Column, ...]:
        """The fields, or logits of the classes."""
        return tuple(Column(name, "1") for name in problem.classes) or columns_of(problem.fields)


SEQUENCES = SequencesTask()


class SequencesBench(Bench[HasSequences, SequencesConfig, SequencesContext, SequenceBatch, Signals]):
    """The sequences of a problem, in three splits."""

    def __init__(self, problem: HasSequences, card: SequencesCard, time_units: str, settings: SequencesConfig) -> None:
        self.problem, self.settings = problem, settings
        if settings.strides and card.length <= settings.strides[-1]:
            raise ConfigError("a stride leaves one time of a sequence", got=f"task.strides={settings.strides}",
                              expected=f"less than the {card.length} times of the card")  # fmt: skip
        self.splits, self.times = sequence_splits(problem, card), times_of(problem, card)
        train = self.splits["train"]
        self.context = SequencesContext(
            length=card.length,
            dt=card.dt,
            time_units=time_units,
            signals=signal_statistics(train),
            targets=target_statistics(problem, train),
        )
        self.dataset = {"hash": data.samples_digest(problem, card), "card": card.model_dump(mode="json")}
        is_class = problem.target == "class"
        if is_class and (absent := absent_classes(self.splits["test"].targets, train.targets, problem.classes)):
            self.dataset["unmeasured"] = absent
        self.examples = SequenceExamples(train, self.times, self.context.signals.field_std, settings.noise)
        self.example = Signals(self.splits["test"].signals[:1], self.times)

    def cautions(self) -> tuple[str, ...]:
        """Samples that two splits share."""
        return data.twins({name: split.signals for name, split in self.splits.items()})

    def validate(self, solver: AnySolver, module: nn.Module) -> float:
        """Mean squared error in variances of each target, or mean negative log probability of the true class."""
        split = self.splits["valid"]
        prediction = predict_on(solver, module, Signals(split.signals, self.times))
        if self.problem.target == "class":
            return finite_mean(surprise(prediction.mean, split.targets))
        return finite_mean(self._squares(prediction, split.targets))

    def watch(self, solver: AnySolver, module: nn.Module) -> dict[str, float]:
        """The spectral radius of a network of state-space layers: from 1 on it does not forget."""
        network = module.network if isinstance(module, SequenceModel) else module
        return {"spectral_radius": network.spectral_radius()} if isinstance(network, StateSpaces) else {}

    def examine(self, solver: AnySolver, module: nn.Module) -> Examination:
        """The metrics of the task and the answers to all test signals."""
        split = self.splits["test"]
        inputs = Signals(split.signals, self.times)
        prediction = predict_on(solver, module, inputs)
        scores = self._scores(prediction, split)
        scores |= self._resampled(solver, module)
        scores |= self._skill(scores)
        seconds = prediction_seconds(solver, module, inputs)
        scores |= {**cost_of(prediction), "prediction/seconds": seconds}
        arrays = _answers(self.problem, prediction, self.times, self.context)
        if self.problem.target == "signal":
            arrays["relative_l2"] = (("sample", "time"), relative_error(prediction.mean, split.targets).numpy())
        counted = count(status_of(prediction).tolist())
        return Examination(scores, arrays, seconds / len(split.signals), counted)

    def truth(self) -> xarray.Dataset:
        """The test signals and what they should be answered with."""
        split, problem = self.splits["test"], self.problem
        arrays = {
            f"signal_{name}": entry for name, entry in labelled_signals(problem, split.signals, "observation").items()
        }
        coords = {"time": time_coordinate(self.times, self.context.time_units)}
        if problem.target == "class":
            arrays["label"] = ("sample", split.targets.numpy(), flag_attributes(problem.classes, "true class"))
            coords |= {"class": ("class", list(problem.classes), {})}
        elif problem.target == "signal":
            arrays |= labelled_fields(problem, split.targets)
        else:
            arrays |= labelled_table(problem, split.targets)
        return xarray.Dataset(arrays, coords, {"history": 0, "problem": problem.name, "target": problem.target})

    def explain(self, solver: AnySolver, module: nn.Module, batch: SequenceBatch) -> str:
        """Which signal of a batch, or what of the prediction for it, is not finite."""
        bad = ~batch.signals.isfinite().all(0).all(0)
        if bad.any():
            names = [field.name for field, is_bad in zip(self.problem.signals, bad.tolist(), strict=True) if is_bad]
            return f"data of signal {', '.join(names)}"
        with torch.no_grad():
            answers = solver.predict(module, Signals(batch.signals, batch.times)).mean
        if self.problem.target == "signal" and (names := bad_fields(self.problem, answers)):
            return f"prediction of field {names}"
        broken = int((~answers.isfinite().flatten(1).all(1)).sum())
        return f"prediction for {broken} of {len(answers)} samples" if broken else "the loss or its gradient"

    def _scores(self, prediction: Prediction, split: Sequences) -> dict[str, float]:
        if self.problem.target == "class":
            return class_scores(prediction.mean, split.targets, self.splits["train"].targets, self.problem.classes)
        channels = (lambda t: t.flatten(0, -2).double())(split.targets)
        variance = (channels - channels.mean(0)).square().mean(0)
        error = (prediction.mean.flatten(0, -2).double() - channels).square().mean(0)
        return {
            "nrmse": float(self._squares(prediction, split.targets).mean().sqrt()),
            "r2": float((1 - error / variance).mean()),
        }

    def _resampled(self, solver: AnySolver, module: nn.Module) -> dict[str, float]:
        """Scores at other rates, with the step told and not, and with times lost."""
        split, times, signal = self.splits["test"], self.times, self.problem.target == "signal"
        score = "error" if self.problem.target == "class" else "nrmse"
        cases: dict[str, Resampled] = {}
        for stride in self.settings.strides:
            cases[f"stride_{stride}/{score}"] = strided(split, times, stride, signal=signal, told=True)
            cases[f"stride_{stride}/unscaled_{score}"] = strided(split, times, stride, signal=signal, told=False)
        for share in self.settings.losses:
            case = with_losses(split, times, share, signal=signal, irregular=reads_irregular(module))
            cases[f"lost_{100 * share:g}/{score}"] = case
        scores = {}
        for key, (inputs, rows, targets) in cases.items():
            prediction = predict_on(solver, module, inputs)
            if signal:
                prediction = prediction._replace(mean=prediction.mean[:, rows])
            scores[key] = self._scores(prediction, Sequences(inputs.signals, targets))[score]
        return scores

    def _skill(self, scores: dict[str, float]) -> dict[str, float]:
        """1 - the error of a forecast in units of that of holding the last value."""
        if not self.problem.forecasts:
            return {}
        split, names = self.splits["test"], [field.name for field in self.problem.signals]
        held = split.signals[..., [names.index(name) for name in self.problem.forecasts]]
        persistence = float(self._squares(Prediction(held, None, None), split.targets).mean().sqrt())
        return {"skill": 1 - scores["nrmse"] / persistence}

    def _squares(self, prediction: Prediction, targets: Tensor) -> Tensor:
        """Squared errors in variances of each target, float64."""
        return ((prediction.mean - targets) / self.context.targets.field_std).double().square()


def _answers(
    problem: HasSequences, prediction: Prediction, times: Float[Tensor, " time"], context: SequencesContext
) -> xarray.Dataset:
    coords = {"time": time_coordinate(times, context.time_units)}
    if problem.target == "signal":
        return xarray.Dataset({**labelled_fields(problem, prediction.mean), **labelled_outcome(prediction)}, coords)
    if problem.target == "value":
        return xarray.Dataset({**labelled_table(problem, prediction.mean), **labelled_outcome(prediction)}, coords)
    names = problem.classes
    arrays = {
        "probability": (("sample", "class"), prediction.mean.numpy(), {"units": "1", "long_name": "probability"}),
        "predicted": (
            "sample",
            predicted_classes(prediction.mean).numpy(),
            flag_attributes(names, "most probable class"),
        ),
        **labelled_outcome(prediction),
    }
    return xarray.Dataset(arrays, {**coords, "class": ("class", list(problem.classes))})
