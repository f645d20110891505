"""Classification: examples, validation and examination of solvers that tell classes apart."""

import copy
import math
from pathlib import Path

import torch
import xarray
from torch import Tensor, nn

from sciml import data
from sciml.core import rng
from sciml.core.capabilities import Classifies
from sciml.core.progress import Progress
from sciml.core.status import count, flag_attributes
from sciml.core.types import Prediction
from sciml.tasks._cost import cost_of, predict_on, prediction_seconds
from sciml.tasks._in_memory import bad_channels, card_for, refuse_steps
from sciml.tasks._no_space import finite_mean, labelled_outcome, status_of
from sciml.tasks._probabilities import absent_classes, class_scores, predicted_classes, surprise
from sciml.tasks.classification._card import ClassificationCard
from sciml.tasks.classification._data import (
    ClassificationConfig,
    ClassificationContext,
    Labelled,
    LabelledExamples,
    Pictures,
    as_read,
    labelled_pictures,
    read_pictures,
    read_split,
)
from sciml.tasks.classification._metrics import METRICS
from sciml.tasks.classification.view import VIEW
from sciml.train import AnySolver, Bench, Column, Examination, Task, columns_of

TIGHTER = 1e-2
"""Tolerance of the predictions the sweep is compared with, in units of its last one."""


class Classification(Task[Classifies, ClassificationConfig, ClassificationContext, Labelled, Pictures]):
    """Learn the class of a sample; be judged on samples that were not seen.

    Metrics on the test split:
        accuracy, error: share of the samples whose most probable class is theirs, and the rest; a prediction that is
            not finite is an error.
        majority_accuracy: what answering always with the most frequent class of the training split would reach.
        recall/<class>: share of the samples of a class that are answered with it; not for classes without a test
            sample, which the record names. balanced_accuracy: their mean.
        auc/<class>: how surely its probability ranks samples of a class above the others, from 0 to 1; 0.5 is chance.
        nll: mean negative log probability of the true class, in nat.
        evaluations, calls: of the right-hand side, mean over samples, and of the network, where the solver counts them.
        tolerance_1e-1/evaluations, …/error, …/difference: the same predicted with other tolerances, for a solver that
            counts evaluations; the difference is the relative L2 distance of all probabilities from those at a
            hundredth of the smallest tolerance. The sweep runs in float64, so that it shows the integration and not
            the rounding.
        prediction/seconds: median wall time of predicting the whole test split.
    """

    key = "classification"
    title = "Classification of samples"
    capability = Classifies
    card = ClassificationCard
    config = ClassificationConfig
    context = ClassificationContext
    separate = True
    metrics = METRICS
    view = VIEW

    def prepare(
        self,
        problem: Classifies,
        preset: str,
        settings: ClassificationConfig,
        *,
        progress: Progress | None = None,
        workers: int = 1,
    ) -> "ClassificationBench":
        """Split the problem's samples as the card says."""
        card = card_for(problem, preset, Classifies, ClassificationCard)
        if settings.draw:
            card = card.model_copy(update={"seed": rng.derive(card.seed, "draw", settings.draw)})
        return ClassificationBench(problem, card, settings)

    def inputs(self, batch: Labelled) -> Pictures:
        """The samples without their classes."""
        return Pictures(batch.inputs)

    def read_inputs(
        self, path: Path, problem: Classifies, context: ClassificationContext, steps: int | None
    ) -> Pictures:
        """Samples from a user's NetCDF file."""
        refuse_steps(path, steps)
        return read_pictures(path, as_read(problem, context.inputs), context.shape)

    def write_inputs(self, inputs: Pictures, problem: Classifies, context: ClassificationContext) -> xarray.Dataset:
        """One variable per field."""
        return xarray.Dataset(labelled_pictures(as_read(problem, context.inputs), inputs.inputs))

    def describe(
        self, inputs: Pictures, prediction: Prediction, problem: Classifies, context: ClassificationContext
    ) -> xarray.Dataset:
        """Probabilities of every class, the most probable one (-1 where there is none) and the outcome."""
        return _answers(problem, prediction._replace(mean=prediction.mean.cpu()))

    def arguments(self, inputs: Pictures) -> tuple[Tensor, ...]:
        """The samples; a module without an equation in it maps them to logits."""
        return (inputs.inputs,)

    def columns(self, problem: Classifies, context: ClassificationContext) -> tuple[tuple[Column, ...], ...]:
        """The fields: components of a vector, or the channels of a picture."""
        return (columns_of(as_read(problem, context.inputs).fields),)

    def answers(self, problem: Classifies, context: ClassificationContext) -> tuple[Column, ...]:
        """Logits of the classes."""
        return tuple(Column(name, "1") for name in problem.classes)


CLASSIFICATION = Classification()


class ClassificationBench(Bench[Classifies, ClassificationConfig, ClassificationContext, Labelled, Pictures]):
    """The labelled samples of a problem, in three splits."""

    def __init__(self, problem: Classifies, card: ClassificationCard, settings: ClassificationConfig) -> None:
        self.problem, self.settings = as_read(problem, settings.inputs), settings
        self.splits = {
            name: read_split(problem, self.problem, split)
            for name, split in data.labelled_splits(problem, card).items()
        }
        features = self.splits["train"].features
        self.context = ClassificationContext(
            shape=tuple(features.shape[1:]),
            statistics=data.sample_statistics(data.as_channels(self.problem, features)),
            inputs=tuple(field.name for field in self.problem.fields) if settings.inputs else (),
        )
        self.dataset = {"hash": data.samples_digest(problem, card), "card": card.model_dump(mode="json")}
        if absent := absent_classes(self.splits["test"].labels, self.splits["train"].labels, problem.classes):
            self.dataset["unmeasured"] = absent
        self.examples = LabelledExamples(self.problem, self.splits["train"], self.context.statistics, settings)
        self.example = Pictures(self.splits["test"].features[:1])

    def cautions(self) -> tuple[str, ...]:
        """Samples that two splits share."""
        return data.twins({name: split.features for name, split in self.splits.items()})

    def validate(self, solver: AnySolver, module: nn.Module) -> float:
        """Mean negative log probability of the true class on the validation split."""
        inputs, labels = self.splits["valid"]
        return finite_mean(surprise(predict_on(solver, module, Pictures(inputs)).mean, labels))

    def test_batch(self) -> Labelled:
        """The test samples."""
        return Labelled(*self.splits["test"])

    def examine(self, solver: AnySolver, module: nn.Module) -> Examination:
        """The metrics of the task, probabilities and predicted classes."""
        features, labels = self.splits["test"]
        inputs = Pictures(features)
        prediction = predict_on(solver, module, inputs)
        seconds = prediction_seconds(solver, module, inputs)
        scores = {
            **class_scores(prediction.mean, labels, self.splits["train"].labels, self.problem.classes),
            **cost_of(prediction),
            **(self._sweep(solver, module) if "evaluations" in prediction.stats else {}),
            "prediction/seconds": seconds,
        }
        arrays = _answers(self.problem, prediction)
        arrays["label"] = ("sample", labels.numpy(), flag_attributes(self.problem.classes, "true class"))
        return Examination(scores, arrays, seconds / len(labels), count(status_of(prediction).tolist()))

    def truth(self) -> xarray.Dataset:
        """The test samples and their classes."""
        features, labels = self.splits["test"]
        arrays = {"label": ("sample", labels.numpy(), flag_attributes(self.problem.classes, "true class"))}
        arrays |= labelled_pictures(self.problem, features)
        return xarray.Dataset(arrays, {"class": ("class", list(self.problem.classes))}, {"problem": self.problem.name})

    def explain(self, solver: AnySolver, module: nn.Module, batch: Labelled) -> str:
        """Whether a batch, or the prediction for it, is not finite."""
        if names := bad_channels(self.problem, data.as_channels(self.problem, batch.inputs)):
            return f"data of field {names}"
        with torch.no_grad():
            bad = ~solver.predict(module, Pictures(batch.inputs)).mean.isfinite().all(1)
        if bad.any():
            return f"prediction for {int(bad.sum())} of {len(bad)} samples"
        return "the loss or its gradient (but no probability)"

    def _sweep(self, solver: AnySolver, module: nn.Module) -> dict[str, float]:
        """What a tolerance costs and what it changes, in float64."""
        if not self.settings.tolerances:
            return {}
        features, labels = self.splits["test"]
        double, inputs = copy.deepcopy(module).double(), features.double()
        finest = TIGHTER * self.settings.tolerances[-1]
        reference = predict_on(solver, double, Pictures(inputs, finest)).mean
        scores = {}
        for tolerance in self.settings.tolerances:
            prediction, key = (
                predict_on(solver, double, Pictures(inputs, tolerance)),
                f"tolerance_{in_words(tolerance)}",
            )
            scores[f"{key}/evaluations"] = cost_of(prediction)["evaluations"]
            scores[f"{key}/error"] = float((predicted_classes(prediction.mean) != labels).double().mean())
            scores[f"{key}/difference"] = float((prediction.mean - reference).norm() / reference.norm())
        return scores


def _answers(problem: Classifies, prediction: Prediction) -> xarray.Dataset:
    """Probabilities, the most probable class and the outcome of every sample."""
    probabilities, names = prediction.mean, problem.classes
    arrays = {
        "probability": (("sample", "class"), probabilities.numpy(), {"units": "1", "long_name": "probability"}),
        "predicted": (
            "sample",
            predicted_classes(probabilities).numpy(),
            flag_attributes(names, "most probable class"),
        ),
        **labelled_outcome(prediction),
    }
    return xarray.Dataset(arrays, {"class": ("class", list(problem.classes))})


def in_words(tolerance: float) -> str:
    """``1e-3``; a mantissa only where it is not 1."""
    exponent = math.floor(math.log10(tolerance) + 1e-9)
    return f"{tolerance / 10.0**exponent:.3g}e{exponent}"
