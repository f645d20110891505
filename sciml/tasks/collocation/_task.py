"""Solving a differential equation from its statement: points to train on, and an examination that trusts no loss."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
import xarray
from jaxtyping import Float
from torch import Tensor, nn

from sciml import data
from sciml.core import rng
from sciml.core.capabilities import HasResidual
from sciml.core.config import Config
from sciml.core.derivatives import autograd_derivatives
from sciml.core.errors import ConfigError, UnsupportedError
from sciml.core.progress import Progress
from sciml.core.scales import Scales, needed_scales, typical_scales
from sciml.core.status import count
from sciml.core.types import Params, Prediction
from sciml.tasks._cost import cost_of, device_of, predict_on, prediction_seconds
from sciml.tasks._in_memory import card_for, column, refuse_steps
from sciml.tasks._inputs import open_inputs
from sciml.tasks._labels import Labelled
from sciml.tasks._no_space import labelled_outcome, status_of
from sciml.tasks.collocation._card import CollocationCard
from sciml.tasks.collocation._conclude import check_conditions, check_data, check_equation, conclude, deviations
from sciml.tasks.collocation._data import (
    CollocationBatch,
    CollocationConfig,
    CollocationContext,
    CollocationExamples,
    Locations,
    face_points,
)
from sciml.tasks.collocation._metrics import METRICS
from sciml.tasks.collocation._observed import Observed, made_up, observed_in
from sciml.tasks.collocation._table import ObservedTable
from sciml.tasks.collocation.view import VIEW
from sciml.train import AnySolver, Bench, Conclusion, Examination, Solver, Task

M = TypeVar("M", bound=Config)
N = TypeVar("N", bound=nn.Module)

_BLOCK = 8192  # points whose derivatives are taken at a time
_FACE = 200  # points per face on which conditions are examined
_EVIDENCE = 2000  # points of the pool at which equations bind the unknown numbers


class Collocation(Task[HasResidual, CollocationConfig, CollocationContext, CollocationBatch, Locations]):
    """Solve a differential equation; be judged by what the trained solver does at points it has not seen.

    Where nobody knows the solution, metrics that need it are left out. Of unknown numbers and observed fields it
    concludes the values found with their uncertainty, and whether data, equation and conditions are met.

    Weights are chosen by the residual on an independent pool of points (and by that of the conditions), which needs
    no solution; the training loss is never looked at. Derivatives for the examination are those of autograd, whatever
    the solver trains with.

    Metrics:
        error/relative_l2: ‖u - u_ref‖₂ / ‖u_ref‖₂ on the card's lattice, over all judged fields; ``error/<field>`` for
            each where there are several. error/max: the largest difference relative to the largest |u_ref|.
        residual/rms, residual/max: of the equations at the pool.
        condition/rms: of the residuals of all boundary and initial conditions at points of their faces.
        unknown/<name>: relative error of an unknown number whose true value is known.
        found/<name>, found_sigma/<name>: an unknown number and its standard deviation, from the errors of the data.
        data/misfit: RMS misfit of the observations in their standard deviations, or relative to their spread where
            nobody knows these. residual/relative: RMS residual of an equation relative to its largest term.
            condition/relative: RMS residual of a condition relative to the magnitude of what it prescribes.
        prediction/seconds: median wall time of predicting the whole lattice.
    """

    key = "collocation"
    title = "Differential equations solved from their statement"
    capability = HasResidual
    card = CollocationCard
    config = CollocationConfig
    context = CollocationContext
    metrics = METRICS
    view = VIEW

    def prepare(
        self,
        problem: HasResidual,
        preset: str,
        settings: CollocationConfig,
        *,
        progress: Progress | None = None,
        workers: int = 1,
    ) -> "CollocationBench":
        """Draw the points and compute the reference."""
        return CollocationBench(problem, card_for(problem, preset, HasResidual, CollocationCard), settings)

    def inputs(self, batch: CollocationBatch) -> Locations:
        """The points inside."""
        return Locations(batch.points)

    def read_inputs(
        self, path: Path, problem: HasResidual, context: CollocationContext, steps: int | None
    ) -> Locations:
        """Points from a user's NetCDF file, one variable per axis on ``sample``."""
        refuse_steps(path, steps)
        axes = problem.statement(context.case).domain.axes
        names = [axis.name for axis in axes]
        source = open_inputs(path, problem, "points", names, also={axis.name: axis.units for axis in axes})
        return Locations(torch.stack([column(path, source[name], dtype="float64") for name in names], dim=1))

    def write_inputs(self, inputs: Locations, problem: HasResidual, context: CollocationContext) -> xarray.Dataset:
        """One variable per axis."""
        return xarray.Dataset(_labelled_points(inputs, problem, context))

    def describe(
        self, inputs: Locations, prediction: Prediction, problem: HasResidual, context: CollocationContext
    ) -> xarray.Dataset:
        """The points, the fields there and the outcome."""
        answer = prediction._replace(mean=prediction.mean.cpu())
        arrays = _labelled_points(inputs, problem, context)
        words = {field.name: {"units": field.units, "long_name": field.long_name} for field in problem.fields}
        for i, name in enumerate(problem.statement(context.case).fields):
            arrays[name] = ("sample", answer.mean[:, i].numpy(), words[name])
        return xarray.Dataset(arrays | labelled_outcome(answer))

    def arguments(self, inputs: Locations) -> tuple[Tensor, ...]:
        """The points."""
        return (inputs.points,)


COLLOCATION = Collocation()


class CollocationSolver(
    Solver[HasResidual, M, CollocationConfig, CollocationContext, CollocationBatch, Locations, N], Generic[M, N]
):
    """Base of the solvers whose answer can be differentiated by the coordinates."""

    task = COLLOCATION

    @abstractmethod
    def fields(self, module: N, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point field"]:
        """The fields at points, with gradients, row by row."""

    @abstractmethod
    def numbers(self, module: N) -> Params:
        """The unknown numbers it has found, by name."""

    def covariance(
        self, module: N, evidence: CollocationBatch, typical: Scales
    ) -> Float[Tensor, "unknown unknown"] | None:
        """Covariance of the unknown numbers that follows from the errors of the observations.

        Arguments:
            module: at the solution.
            evidence: points at which equations and conditions hold, and observations with their standard deviations.
            typical: magnitudes of fields and equations.

        Returns: rows and columns in the order of the statement; None for a solver that cannot say.
        """
        return None


AnyCollocationSolver = CollocationSolver[Any, Any]
"""See `sciml.train.AnySolver`."""


class CollocationBench(Bench[HasResidual, CollocationConfig, CollocationContext, CollocationBatch, Locations]):
    """A statement with points to train on, others to examine at, and its reference on a lattice."""

    def __init__(self, problem: HasResidual, card: CollocationCard, config: CollocationConfig) -> None:
        self.problem, self.settings = problem, config
        self.case = config.case or problem.cases[0]
        self.statement = statement = problem.statement(self.case)
        table = config.observations or card.measured(problem)
        self.dataset = {
            "hash": data.samples_digest(
                problem, card, case=self.case, **({} if table is None else {"observations": table.digest})
            ),
            "card": card.model_dump(mode="json") | {"case": self.case},
        }

        def randomness(what: str) -> torch.Generator:
            return rng.generator(card.seed, problem.name, self.case, what)

        self.seen = seen = self._observe(card, table, randomness("observations"))
        self.typical = typical_scales(statement, {} if seen is None else seen.largest())
        scales = needed_scales(statement, self.typical, is_observed=seen is not None)
        self.scales = scales if config.scale == "auto" else Scales()
        self.context = CollocationContext(case=self.case, scales=self.scales)
        self.observed, self.values = (None, None) if seen is None else (seen.points, seen.values)
        sigma = None if seen is None or table is None else seen.sigma  # made-up ones count as they always did
        names = () if seen is None else seen.names
        self.examples = CollocationExamples(
            statement, config, randomness("points"), self.observed, self.values, sigma, names
        )
        self.pool = statement.domain.place(
            torch.rand(card.pool, len(statement.names), generator=randomness("pool"), dtype=torch.float64)
        )
        self.faces = face_points(statement, _FACE, "uniform", randomness("faces"))
        self.size = [card.grid] * len(statement.names)
        self.lattice = statement.domain.lattice(self.size)
        self.reference = problem.reference(self.lattice, self.case)
        self.judged = [statement.fields.index(name) for name in statement.judged or statement.fields]
        self.example = Locations(self.pool[:1])

    def validate(self, solver: AnySolver, module: nn.Module) -> float:
        """Root of the mean squares of residual and faults of conditions and observations, at points of no training."""
        residual, faults = self._residual(solver, module, self.pool), self._faults(solver, module)
        sizes = [self.scales.of_condition(self.statement, i) for i in self.faces]
        parts = [
            (residual / torch.tensor(self.scales.of_equations(residual.shape[1]), dtype=torch.float64)).square().mean()
        ]
        parts += [(fault / size).square().mean() for fault, size in zip(faults, sizes, strict=True)]
        if self.seen is not None:
            misfit = self._misfit(solver, module) / torch.tensor(
                self.scales.of_fields(self.seen.names), dtype=torch.float64
            )
            parts.append(misfit[self.seen.present].square().mean())
        score = float(torch.stack(parts).sum().sqrt())
        return score if score < float("inf") else float("inf")

    def watch(self, solver: AnySolver, module: nn.Module) -> Mapping[str, float]:
        """The error against the reference if there is one, logged and never used to choose."""
        if self.reference is None:
            return {}
        mean = predict_on(solver, module, Locations(self.lattice)).mean
        return {"error": float(self._error(mean, self.reference)[0])}

    def examine(self, solver: AnySolver, module: nn.Module) -> Examination:
        """The metrics above, the fields and residuals on the lattice."""
        prediction = predict_on(solver, module, Locations(self.lattice))
        residual = self._residual(solver, module, self.pool)
        errors, each = self._errors(prediction.mean)
        scores = errors | {
            "residual/rms": float(residual.square().mean().sqrt()),
            "residual/max": float(residual.abs().max()),
        }
        scores |= each
        if faults := self._faults(solver, module):
            scores["condition/rms"] = float(torch.cat(faults).square().mean().sqrt())
        found = self._numbers(solver, module)
        for unknown in self.statement.unknowns:
            if unknown.name in found:
                if unknown.truth is None:
                    continue
                gap_of_it = abs(float(found[unknown.name].detach().mean()) - unknown.truth)
                scores[f"unknown/{unknown.name}"] = gap_of_it / abs(unknown.truth)
        seconds = prediction_seconds(solver, module, Locations(self.lattice), repeats=5)
        scores |= {**cost_of(prediction), "prediction/seconds": seconds}
        arrays = self._labelled(prediction.mean) | {
            "residual": (("equation", *self.statement.names), self._map(self._residual(solver, module, self.lattice)))
        }
        outcomes = count(status_of(prediction).tolist())
        numbers = {f"found_{name}": float(value.detach().mean()) for name, value in found.items()}
        return Examination(scores, xarray.Dataset(arrays, self._coords, numbers), seconds, outcomes)

    def conclude(self, solver: AnySolver, module: nn.Module, folder: Path, progress: Progress) -> Conclusion | None:
        """The unknown numbers with their uncertainty, and which of data, equation and conditions are met.

        None where there are neither unknown numbers nor observations.
        """
        numbers = {name: float(value.detach().mean()) for name, value in self._numbers(solver, module).items()}
        if not numbers and self.seen is None:
            return None
        misfit = None if self.seen is None else self._exact_misfit(solver, module)
        sigma = None if self.seen is None or misfit is None else deviations(self.seen, misfit, len(numbers))
        checks = [check_equation(self._residual(solver, module, self.pool), self._terms(solver, module, self.pool))]
        if self.seen is not None and misfit is not None:
            checks.insert(0, check_data(misfit, self.seen.values, self.seen.sigma))
        sizes = [self.typical.of_condition(self.statement, i) for i in self.faces]
        if (conditions := check_conditions(self._faults(solver, module), sizes)) is not None:
            checks.append(conditions)
        covariance = None
        at_solution = all(check.met for check in checks)  # elsewhere a linearisation says nothing
        if numbers and at_solution and sigma is not None and self.seen is not None:
            evidence = CollocationBatch(
                self.pool[:_EVIDENCE], self.faces, self.seen.points, self.seen.values, sigma, self.seen.names
            ).to(device_of(module))
            covariance = _differentiable(solver).covariance(module, evidence, self.typical)
        known = self.seen is not None and self.seen.sigma is not None
        return conclude(numbers, covariance, checks, is_sigma_known=known)

    def truth(self) -> xarray.Dataset:
        """The reference on the lattice if there is one, and what was observed where."""
        attributes = {"problem": self.problem.name, "case": self.case, "time": self.statement.domain.time}
        arrays = {} if self.reference is None else self._labelled(self.reference.float())
        if self.seen is not None:
            for i, name in enumerate(self.statement.names):
                arrays[f"observed_{name}"] = ("observation", self.seen.points[:, i].numpy())
            for i, name in enumerate(self.seen.names):
                arrays[f"observed_{name}"] = ("observation", self.seen.values[:, i].numpy())
        return xarray.Dataset(arrays, self._coords, attributes)

    def explain(self, solver: AnySolver, module: nn.Module, batch: CollocationBatch) -> str:
        """Whether the solution, or the residual of the equation, is not finite at the batch's points."""
        with torch.no_grad():
            bad = ~solver.predict(module, Locations(batch.points)).mean.isfinite().all(0)
        if bad.any():
            names = [name for name, is_bad in zip(self.statement.fields, bad.tolist(), strict=True) if is_bad]
            return f"field {', '.join(names)}"
        finite = self._residual(solver, module, batch.points.cpu()).isfinite().all()
        return "the loss or its gradient (but no residual)" if finite else "the residual of the equation"

    def _observe(
        self, card: CollocationCard, table: ObservedTable | None, generator: torch.Generator
    ) -> Observed | None:
        """What was measured; else values of the reference with errors, as the card says."""
        if table is not None:
            units = {field.name: field.units for field in self.problem.fields}
            return observed_in(table, self.statement, units, self.settings.sigma or card.noise or None)
        if self.settings.sigma is not None:
            raise ConfigError("task.sigma is the error of measurements, and there are none",
                              fix="Name their file with task.observations.")  # fmt: skip
        if not (self.statement.observed and isinstance(card.observations, int) and card.observations):
            return None
        return made_up(self.problem, self.case, card.observations, card.noise, generator)

    def _error(self, mean: Tensor, reference: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        gap, true = (mean.double() - reference)[:, self.judged], reference[:, self.judged]
        each = gap.norm(dim=0) / true.norm(dim=0)
        names = [self.statement.fields[i] for i in self.judged]
        return gap.norm() / true.norm(), dict(zip(names, each, strict=True))

    def _errors(self, mean: Tensor) -> tuple[dict[str, float], dict[str, float]]:
        """Errors against the reference over all judged fields, and of each where there are several; none without it."""
        if self.reference is None:
            return {}, {}
        whole, each = self._error(mean, self.reference)
        gap = (mean.double() - self.reference)[:, self.judged].abs()
        largest = float((gap.amax(0) / self.reference[:, self.judged].abs().amax(0)).max())
        named = {f"error/{name}": float(value) for name, value in each.items()} if len(each) > 1 else {}
        return {"error/relative_l2": float(whole), "error/max": largest}, named

    def _residual(self, solver: AnySolver, module: nn.Module, points: Tensor) -> Float[Tensor, "point equation"]:
        found = [
            self.statement.residual(part, self._derivatives(solver, module, part), self._numbers(solver, module))
            for part in points.to(device_of(module)).split(_BLOCK)
        ]
        return torch.cat([part.detach() for part in found]).cpu()

    def _faults(self, solver: AnySolver, module: nn.Module) -> list[Float[Tensor, " face"]]:
        found = []
        for i, points in self.faces.items():
            there = points.to(device_of(module))
            derivatives = self._derivatives(solver, module, there)
            found.append(self.statement.fault(i, there, derivatives, self._numbers(solver, module)).detach().cpu())
        return found

    def _terms(self, solver: AnySolver, module: nn.Module, points: Tensor) -> list[Float[Tensor, "point term"]]:
        parts = [
            self.statement.terms(part, self._derivatives(solver, module, part), self._numbers(solver, module))
            for part in points.to(device_of(module)).split(_BLOCK)
        ]
        return [torch.cat([term.detach() for term in terms]).cpu() for terms in zip(*parts, strict=True)]

    def _misfit(self, solver: AnySolver, module: nn.Module) -> Float[Tensor, "observation field"]:
        assert self.seen is not None
        return self._gap(predict_on(solver, module, Locations(self.seen.points)).mean)

    def _exact_misfit(self, solver: AnySolver, module: nn.Module) -> Float[Tensor, "observation field"]:
        """In the precision of the fields, which a prediction rounds."""
        assert self.seen is not None
        points = self.seen.points.to(device_of(module))
        return self._gap(_differentiable(solver).fields(module, points).detach().cpu())

    def _gap(self, mean: Float[Tensor, "observation field"]) -> Float[Tensor, "observation field"]:
        assert self.seen is not None
        which = [self.statement.fields.index(name) for name in self.seen.names]
        return mean.double()[:, which] - self.seen.values

    def _derivatives(self, solver: AnySolver, module: nn.Module, points: Tensor) -> Callable[[str, str], Tensor]:
        fields = _differentiable(solver).fields
        return autograd_derivatives(
            lambda p: fields(module, p), points, self.statement.fields, self.statement.names, create_graph=False
        )

    def _numbers(self, solver: AnySolver, module: nn.Module) -> Params:
        return _differentiable(solver).numbers(module)

    @property
    def _coords(self) -> dict[str, Any]:
        return {
            axis.name: (
                axis.name,
                self.statement.domain.lattice(self.size)[:, i].unique(sorted=True).numpy(),
                {"units": axis.units, "long_name": axis.long_name or axis.name},
            )
            for i, axis in enumerate(self.statement.domain.axes)
        }

    def _map(self, values: Float[Tensor, "point row"]) -> Any:
        return values.T.reshape(-1, *self.size).float().numpy()

    def _labelled(self, values: Float[Tensor, "point field"]) -> dict[str, Any]:
        """One variable per field on the lattice."""
        words = {field.name: {"units": field.units, "long_name": field.long_name} for field in self.problem.fields}
        return {
            name: (self.statement.names, values[:, i].reshape(self.size).float().numpy(), words[name])
            for i, name in enumerate(self.statement.fields)
        }


def _differentiable(solver: AnySolver) -> AnyCollocationSolver:
    if not isinstance(solver, CollocationSolver):
        raise UnsupportedError(f"solver {solver.key!r} does not let its answer be differentiated by the coordinates",
                               expected="a CollocationSolver")  # fmt: skip
    return solver


def _labelled_points(inputs: Locations, problem: HasResidual, context: CollocationContext) -> Labelled:
    axes = problem.statement(context.case).domain.axes
    return {
        axis.name: ("sample", inputs.points[:, i].cpu().numpy(), {"units": axis.units}) for i, axis in enumerate(axes)
    }
