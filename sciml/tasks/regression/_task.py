"""Regression of targets on parameters: examples, validation and examination."""

from pathlib import Path

import torch
import xarray
from jaxtyping import Float
from torch import Tensor, nn

from sciml import data
from sciml.core.capabilities import MapsParameters
from sciml.core.progress import Progress
from sciml.core.status import count
from sciml.core.types import Prediction
from sciml.tasks._cost import cost_of, predict_on, prediction_seconds
from sciml.tasks._in_memory import bad_channels, card_for, labelled_table, refuse_steps
from sciml.tasks._inputs import open_inputs, parameter_columns
from sciml.tasks._labels import Labelled, labelled_parameters
from sciml.tasks._no_space import finite_mean, labelled_outcome, status_of
from sciml.tasks.regression._data import (
    Point,
    RegressionConfig,
    RegressionContext,
    RowBatch,
    RowExamples,
    rows_of_site,
)
from sciml.tasks.regression._metrics import METRICS
from sciml.tasks.regression.view import VIEW
from sciml.train import AnySolver, Bench, Column, Examination, Task, columns_of


class Regression(Task[MapsParameters, RegressionConfig, RegressionContext, RowBatch, Point]):
    """Learn y(η) from rows of parameters η and targets y; be judged on rows that were never seen.

    Metrics on the test split:
        rmse_share, worst_share: root mean squared and largest error, in standard deviations of the test values of each
            target; the first is a mean over targets, the second the largest of any.
        mae/<target>, rmse/<target>, worst/<target>: in the units of the target.
        r2/<target>: 1 − Σ(y_pred − y)² / Σ(y − ȳ)²; 0 for the mean of the test values.
        covered/<target>: share of test values within two standard deviations that the solver states, where it does.
    """

    key = "regression"
    title = "Regression: parameters to numbers"
    capability = MapsParameters
    card = data.RowsCard
    config = RegressionConfig
    context = RegressionContext
    separate = True
    metrics = METRICS
    view = VIEW

    def prepare(
        self,
        problem: MapsParameters,
        preset: str,
        settings: RegressionConfig,
        *,
        progress: Progress | None = None,
        workers: int = 1,
    ) -> "RegressionBench":
        """Draw the rows of the card, or read those that were imported."""
        return RegressionBench(problem, card_for(problem, preset, MapsParameters, data.RowsCard), settings)

    def inputs(self, batch: RowBatch) -> Point:
        """The parameters."""
        return Point(batch.parameters)

    def read_inputs(self, path: Path, problem: MapsParameters, context: RegressionContext, steps: int | None) -> Point:
        """Parameters from a user's table or NetCDF file, one variable per parameter on ``sample``."""
        refuse_steps(path, steps)
        names = [entry.name for entry in problem.parameters]
        source = open_inputs(path, problem, "parameters", names)
        samples = source.sizes["sample"]
        return Point(parameter_columns(path, source, problem, samples))

    def write_inputs(self, inputs: Point, problem: MapsParameters, context: RegressionContext) -> xarray.Dataset:
        """One variable per parameter on ``sample``."""
        return xarray.Dataset(labelled_parameters(problem, inputs.parameters.cpu()))

    def describe(
        self, inputs: Point, prediction: Prediction, problem: MapsParameters, context: RegressionContext
    ) -> xarray.Dataset:
        """The parameters, the targets with units, their stated standard deviations, and the outcome."""
        arrays = labelled_parameters(problem, inputs.parameters.cpu()) | _labelled(problem, prediction)
        return xarray.Dataset(arrays)

    def arguments(self, inputs: Point) -> tuple[Tensor, ...] | None:
        """The parameters."""
        return (inputs.parameters,)

    def columns(self, problem: MapsParameters, context: RegressionContext) -> tuple[tuple[Column, ...], ...]:
        """The parameters."""
        return (columns_of(problem.parameters),)


REGRESSION = Regression()


class RegressionBench(Bench[MapsParameters, RegressionConfig, RegressionContext, RowBatch, Point]):
    """Rows of a table in three splits."""

    def __init__(self, problem: MapsParameters, card: data.RowsCard, settings: RegressionConfig) -> None:
        self.problem, self.settings = problem, settings
        self.splits = data.row_splits(problem, card)
        self.context = RegressionContext(statistics=data.row_statistics(self.splits["train"]))
        self.dataset = {"hash": data.samples_digest(problem, card), "card": card.model_dump(mode="json")}
        names = [entry.name for entry in problem.parameters]
        of_site = {name: rows_of_site(self.splits[name], settings, names, name) for name in ("train", "valid")}
        self.splits = {**self.splits, **of_site}
        self.examples = RowExamples(self.splits["train"], settings)
        self.example = Point(self._asked("test").parameters[:1])

    def cautions(self) -> tuple[str, ...]:
        """Rows that two splits share."""
        return data.twins({name: torch.cat((rows.parameters, rows.targets), 1) for name, rows in self.splits.items()})

    def validate(self, solver: AnySolver, module: nn.Module) -> float:
        """Root mean squared error of the validation rows in standard deviations of the training data."""
        predicted = predict_on(solver, module, self._asked("valid")).mean
        error = (predicted - self.splits["valid"].targets) / self.context.statistics.field_std
        return finite_mean(error.square()) ** 0.5

    def test_batch(self) -> RowBatch:
        """The test rows."""
        rows = self.splits["test"]
        return RowBatch(rows.parameters.float(), rows.targets.float())

    def examine(self, solver: AnySolver, module: nn.Module) -> Examination:
        """The metrics above and the predicted targets of the test rows."""
        asked, true = self._asked("test"), self.splits["test"].targets
        prediction = predict_on(solver, module, asked)
        seconds = prediction_seconds(solver, module, asked)
        scores = {**self._errors(prediction, true), **cost_of(prediction), "prediction/seconds": seconds}
        arrays = xarray.Dataset(_labelled(self.problem, prediction))
        return Examination(scores, arrays, seconds / len(true), count(status_of(prediction).tolist()))

    def truth(self) -> xarray.Dataset:
        """The test rows."""
        rows = self.splits["test"]
        arrays = labelled_table(self.problem, rows.targets) | labelled_parameters(self.problem, rows.parameters)
        return xarray.Dataset(arrays, attrs={"problem": self.problem.name})

    def explain(self, solver: AnySolver, module: nn.Module, batch: RowBatch) -> str:
        """Which target of a batch, or of the prediction for it, is not finite."""
        if names := bad_channels(self.problem, batch.targets):
            return f"data of target {names}"
        if not batch.parameters.isfinite().all():
            return "a parameter of the data"
        with torch.no_grad():
            predicted = solver.predict(module, Point(batch.parameters)).mean
        if names := bad_channels(self.problem, predicted):
            return f"prediction of target {names}"
        return "the loss or its gradient (but no target)"

    def _asked(self, name: str) -> Point:
        return Point(self.splits[name].parameters.float())

    def _errors(self, prediction: Prediction, true: Float[Tensor, "sample target"]) -> dict[str, float]:
        error = prediction.mean.double() - true
        spread = true.std(0, correction=0)
        usable = spread > 0  # a single test row, or a target that is the same in all of them, has no deviation
        scale = torch.where(usable, spread, self.context.statistics.field_std.double())
        rmse = error.square().mean(0).sqrt()
        scores = {"rmse_share": float((rmse / scale).mean()), "worst_share": float((error.abs() / scale).max())}
        for i, field in enumerate(self.problem.fields):
            scores[f"mae/{field.name}"] = float(error[:, i].abs().mean())
            scores[f"rmse/{field.name}"] = float(rmse[i])
            scores[f"worst/{field.name}"] = float(error[:, i].abs().max())
            if usable[i]:
                scores[f"r2/{field.name}"] = float(1 - (rmse[i] / spread[i]) ** 2)
            if prediction.spread is not None:
                within = error[:, i].abs() <= 2 * prediction.spread[:, i].double()
                scores[f"covered/{field.name}"] = float(within.double().mean())
        return scores


def _labelled(problem: MapsParameters, prediction: Prediction) -> Labelled:
    """Targets, their stated standard deviations as ``sigma_<target>``, and the outcome."""
    arrays = labelled_table(problem, prediction.mean.cpu())
    if prediction.spread is not None:
        for name, (dim, values, words) in labelled_table(problem, prediction.spread.cpu(), prefix="sigma_").items():
            arrays[name] = (dim, values, words | {"long_name": f"stated standard deviation of {words['long_name']}"})
    return arrays | labelled_outcome(prediction._replace(mean=prediction.mean.cpu()))
