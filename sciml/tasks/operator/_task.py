"""Operator learning: examples, validation and examination of solvers that map functions to functions."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
import xarray
from jaxtyping import Float
from torch import Tensor, nn

from sciml import data
from sciml.core import rng
from sciml.core.capabilities import AppliesOperator, MapsFunctions
from sciml.core.errors import UnknownNameError
from sciml.core.progress import Progress, SilentProgress
from sciml.core.status import count
from sciml.core.types import Prediction
from sciml.data import Pairs
from sciml.tasks._cost import cost_of, predict_on, prediction_seconds
from sciml.tasks._in_memory import card_for, refuse_steps
from sciml.tasks._labels import Labelled
from sciml.tasks._no_space import labelled_outcome, status_of
from sciml.tasks.operator._card import OperatorCard
from sciml.tasks.operator._data import (
    OperatorConfig,
    OperatorContext,
    PairBatch,
    PairExamples,
    Questions,
    statistics_of,
)
from sciml.tasks.operator._files import labelled_fields, labelled_inputs, labelled_queries, read_questions
from sciml.tasks.operator._finer import FinerLattice
from sciml.tasks.operator._metrics import METRICS, coverage, pair_errors, relative_errors
from sciml.tasks.operator._score import ScoresItself
from sciml.tasks.operator._table import functions_as_rows
from sciml.tasks.operator.view import VIEW
from sciml.train import AnySolver, Bench, Column, Examination, Task

KEPT = 64
"""Most test functions whose predictions are stored."""
TRAINED = 1000
"""Most training rows that the errors on the training split are measured on."""


_SILENT = SilentProgress()


class Operator(Task[MapsFunctions, OperatorConfig, OperatorContext, PairBatch, Questions]):
    """Learn an operator from pairs of functions; be judged on functions that were not seen.

    Functions are given by their values at fixed sensors, fields are asked for at queries, all in physical units. A
    solver gets the sensors and what standardises inputs and outputs in the context.

    Metrics on the test split:
        relative_l2: ‖v - s‖₂ / ‖s‖₂ of every function over its queries and all fields, mean over functions, with
            median and worst; for data with queries of their own the norms are over the whole split.
        mse, mse/trimmed: mean squared error of all values, and without the worst 0.1 % of them.
        field/<name>: the relative error of one field, where there are several.
        covered/<name>: share of a field's values within two stated standard deviations, where there is a spread.
        train/relative_l2, train/mse, gap: the same on training pairs, and the ratio of the mean squared errors.
        space/<name>: relative_l2 on functions of another space, where the problem has any.
        lattice/finer, sensors/shifted: relative_l2 of new functions on a lattice twice as fine, and of functions known
            half a cell beside the sensors, where `OperatorConfig.finer` asks for them.
        prediction/seconds: median wall time of predicting the whole test split.
    """

    key = "operator"
    title = "Operators between functions"
    capability = MapsFunctions
    card = OperatorCard
    config = OperatorConfig
    context = OperatorContext
    free = {1: {1: "query"}}
    metrics = METRICS
    view = VIEW

    def prepare(
        self,
        problem: MapsFunctions,
        preset: str,
        settings: OperatorConfig,
        *,
        progress: Progress | None = None,
        workers: int = 1,
    ) -> "OperatorBench":
        """Read the pairs of the card, made before if need be."""
        card = card_for(problem, preset, MapsFunctions, OperatorCard)
        return OperatorBench(problem, card, settings, workers=workers, progress=progress or _SILENT)

    def inputs(self, batch: PairBatch) -> Questions:
        """The functions and where their images are known."""
        return Questions(batch.functions, batch.queries)

    def read_inputs(self, path: Path, problem: MapsFunctions, context: OperatorContext, steps: int | None) -> Questions:
        """Functions and queries from a NetCDF file or a table."""
        refuse_steps(path, steps)
        return read_questions(path, problem, context)

    def write_inputs(self, inputs: Questions, problem: MapsFunctions, context: OperatorContext) -> xarray.Dataset:
        """Functions at their sensors, and the queries."""
        variables, coordinates = labelled_inputs(problem, context, inputs.functions)
        return xarray.Dataset(variables, coordinates | labelled_queries(problem, inputs.queries))

    def as_rows(self, content: xarray.Dataset) -> xarray.Dataset:
        """A row per sensor and per query."""
        return functions_as_rows(content)

    def describe(
        self, inputs: Questions, prediction: Prediction, problem: MapsFunctions, context: OperatorContext
    ) -> xarray.Dataset:
        """The fields at the queries, and the outcome."""
        answer = prediction._replace(mean=prediction.mean.cpu())
        arrays = labelled_fields(problem, answer.mean, answer.spread) | labelled_outcome(answer)
        return xarray.Dataset(arrays, labelled_queries(problem, inputs.queries))

    def shorten(self, inputs: Questions) -> tuple[Questions, slice] | None:
        """The first half of the queries."""
        kept = (inputs.queries.shape[-2] + 1) // 2
        return inputs._replace(queries=inputs.queries[..., :kept, :]), slice(0, kept)

    def refine(self, inputs: Questions) -> tuple[Questions, slice] | None:
        """Every query twice, the second time in reverse: any solver knows them, and order and number differ."""
        queries = torch.cat((inputs.queries, inputs.queries.flip(-2)), dim=-2)
        return inputs._replace(queries=queries), slice(0, inputs.queries.shape[-2])

    def arguments(self, inputs: Questions) -> tuple[Tensor, ...]:
        """Functions, and queries of each of them, so that both have the axis of samples."""
        queries = inputs.queries
        per_function = (
            queries if queries.ndim == 3 else queries.expand(len(inputs.functions), *queries.shape).contiguous()
        )
        return inputs.functions, per_function

    def columns(self, problem: MapsFunctions, context: OperatorContext) -> tuple[tuple[Column, ...], ...]:
        """Values of the input functions at their sensors, one function after another; coordinates of the queries."""
        functions = [
            Column(entry.name, entry.units, entry.long_name, len(sensors))
            for entry, sensors in zip(problem.inputs, context.sensors, strict=True)
        ]
        return tuple(functions), tuple(Column(axis.name, axis.units) for axis in problem.domain.axes)

    def rows(self, inputs: Questions, rows: Tensor) -> Questions:
        """The chosen functions, with their queries."""
        queries = inputs.queries if inputs.queries.ndim == 2 else inputs.queries[rows]
        return Questions(inputs.functions[rows], queries)

    def grid_of(self, context: OperatorContext) -> tuple[int, ...]:
        """Points per axis where everything lies on one lattice; nothing refines it, so no grid is promised."""
        return ()


OPERATOR = Operator()


class OperatorBench(Bench[MapsFunctions, OperatorConfig, OperatorContext, PairBatch, Questions]):
    """The pairs of a problem, in three splits."""

    def __init__(
        self,
        problem: MapsFunctions,
        card: OperatorCard,
        settings: OperatorConfig,
        *,
        workers: int = 1,
        progress: Progress = _SILENT,
    ) -> None:
        self.problem, self.settings, self._progress = problem, settings, progress
        self.card = settings.on(card)
        if isinstance(problem, AppliesOperator) and not self.card.space:
            self.card = self.card.model_copy(update={"space": problem.spaces[0]})
        self._spaces = self._other_spaces()
        self._finer = FinerLattice(problem, self.card) if settings.finer else None
        pairs = data.pair_set(problem, self.card, workers=workers, progress=progress)
        self.splits = pairs.splits
        self.context = OperatorContext(
            sensors=pairs.sensors,
            queries=pairs.queries,
            aligned=pairs.aligned,
            lattice=pairs.lattice,
            statistics=statistics_of(pairs.splits["train"], pairs.sensors),
        )
        self.dataset = {"hash": data.samples_digest(problem, self.card), "card": self.card.model_dump(mode="json")}
        self.examples = PairExamples(pairs.splits["train"])
        self.example = self._questions(pairs.splits["test"].first(1))

    def cautions(self) -> tuple[str, ...]:
        """Input functions that two splits share."""
        return data.twins({name: split.functions for name, split in self.splits.items()})

    def validate(self, solver: AnySolver, module: nn.Module) -> float:
        """The relative error on the validation split, or the solver's own score; infinite if it is not finite."""
        score = self._own_score(solver, module)
        if score is None:
            score = self._valid_error(solver, module)
        return score if score < float("inf") else float("inf")

    def watch(self, solver: AnySolver, module: nn.Module) -> Mapping[str, float]:
        """The error on the validation split of a solver that scores itself, which decides nothing."""
        if self._own_score(solver, module) is None:
            return {}
        return {"error": self._valid_error(solver, module)}

    def _own_score(self, solver: AnySolver, module: nn.Module) -> float | None:
        if not isinstance(solver, ScoresItself):
            return None
        pairs = PairExamples(self.splits["valid"])
        batch = pairs.batch(torch.arange(len(pairs)), rng.generator(0))
        return solver.score(module, batch.to(next(module.parameters()).device))

    def _valid_error(self, solver: AnySolver, module: nn.Module) -> float:
        valid = self.splits["valid"]
        error = pair_errors(self._predicted(solver, module, valid).mean, valid.values, aligned=valid.query is None)
        return error["mse"] if math.isnan(error["relative_l2"]) else error["relative_l2"]

    def examine(self, solver: AnySolver, module: nn.Module) -> Examination:
        """The metrics of the task, and the fields of some test functions."""
        test, train = self.splits["test"], self.splits["train"].first(TRAINED)
        prediction = self._predicted(solver, module, test)
        scores = pair_errors(prediction.mean, test.values, aligned=test.query is None)
        if len(self.problem.fields) > 1:
            for i, field in enumerate(self.problem.fields):
                one = pair_errors(prediction.mean[..., [i]], test.values[..., [i]], aligned=test.query is None)
                scores[f"field/{field.name}"] = one["relative_l2"]
        if prediction.spread is not None:
            scores |= coverage(self.problem, prediction.mean, prediction.spread, test.values)
        seen = pair_errors(self._predicted(solver, module, train).mean, train.values, aligned=train.query is None)
        scores |= {"train/relative_l2": seen["relative_l2"], "train/mse": seen["mse"]}
        scores["gap"] = scores["mse"] / seen["mse"] if seen["mse"] > 0 else float("nan")
        if isinstance(self.problem, AppliesOperator):
            for space in self._spaces:
                pairs = data.probe_pairs(self.problem, self.card, space, progress=self._progress)
                probed = pair_errors(self._predicted(solver, module, pairs).mean, pairs.values, aligned=True)
                scores[f"space/{space}"] = probed["relative_l2"]
        if self._finer is not None:
            scores |= self._finer.scores(solver, module, self.context)
        seconds = prediction_seconds(solver, module, self._questions(test))
        scores |= {**cost_of(prediction), "prediction/seconds": seconds}
        kept = prediction._replace(
            mean=prediction.mean[:KEPT],
            spread=None if prediction.spread is None else prediction.spread[:KEPT],
            status=None if prediction.status is None else prediction.status[:KEPT],
        )
        arrays = labelled_fields(self.problem, kept.mean, kept.spread) | labelled_outcome(kept)
        cases = {}
        if test.query is None:
            errors = relative_errors(prediction.mean, test.values)
            cases = {"relative_l2": errors.tolist()}
            label = {"units": "1", "long_name": "relative L2 error"}
            arrays["relative_l2"] = ("sample", errors[:KEPT].float().numpy(), label)
        outcomes = count(status_of(prediction).tolist())
        return Examination(scores, xarray.Dataset(arrays, self._coords), seconds / len(test), outcomes, cases)

    def truth(self) -> xarray.Dataset:
        """Some test functions at their sensors, and their images."""
        test = self.splits["test"].first(KEPT)
        variables, coordinates = labelled_inputs(self.problem, self.context, test.functions[test.row])
        arrays = variables | labelled_fields(self.problem, test.values)
        about = {
            "problem": self.problem.name,
            "inputs": [entry.name for entry in self.problem.inputs],
            "axes": list(self.problem.domain.names),
            "queries_per_axis": self._per_axis(test),
        }
        return xarray.Dataset(arrays, coordinates | self._coords, about)

    def explain(self, solver: AnySolver, module: nn.Module, batch: PairBatch) -> str:
        """Which function or field of a batch is not finite, or whether the prediction is not."""
        for entry, values in zip(self.problem.inputs, batch.functions.split(self.context.sizes, dim=1), strict=True):
            if not values.isfinite().all():
                return f"data of the input function {entry.name}"
        for field, values in zip(self.problem.fields, batch.targets.unbind(2), strict=True):
            if not values.isfinite().all():
                return f"data of field {field.name}"
        with torch.no_grad():
            bad = ~solver.predict(module, Questions(batch.functions, batch.queries)).mean.isfinite().flatten(1).all(1)
        if bad.any():
            return f"prediction for {int(bad.sum())} of {len(bad)} functions"
        return "the loss or its gradient (but no prediction)"

    def _questions(self, pairs: Pairs) -> Questions:
        return Questions(pairs.functions[pairs.row], pairs.points(torch.arange(len(pairs))))

    def _predicted(self, solver: AnySolver, module: nn.Module, pairs: Pairs) -> Prediction:
        return predict_on(solver, module, self._questions(pairs))

    def _other_spaces(self) -> tuple[str, ...]:
        spaces = self.problem.spaces if isinstance(self.problem, AppliesOperator) else ()
        asked = self.settings.probes
        for space in asked or ():
            if space not in spaces:
                raise UnknownNameError("function space", space, spaces)
        return tuple(space for space in spaces if space != self.card.space) if asked is None else asked

    @property
    def _coords(self) -> Labelled:
        test = self.splits["test"].first(KEPT)
        return labelled_queries(self.problem, test.points(torch.arange(len(test))))

    def _per_axis(self, test: Pairs) -> list[int]:
        """Points per axis of the queries, where they are a lattice; else nothing."""
        if test.query is not None:
            return []
        lines = [column.unique() for column in test.queries.unbind(1)]
        if math.prod(map(len, lines)) != len(test.queries):
            return []
        lattice: Float[Tensor, "query dim"] = torch.cartesian_prod(*lines).reshape(-1, len(lines))
        return [len(line) for line in lines] if torch.equal(lattice, test.queries) else []
