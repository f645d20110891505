"""A statement on the bench: points to train on and to choose weights by, and an examination that trusts no loss."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import xarray
from jaxtyping import Float
from torch import Tensor, nn

from sciml import data
from sciml.core import rng
from sciml.core.capabilities import HasResidual
from sciml.core.derivatives import autograd_derivatives
from sciml.core.domain import Condition, PointCondition
from sciml.core.errors import ConfigError
from sciml.core.progress import Progress
from sciml.core.scales import Scales, needed_scales, typical_scales
from sciml.core.status import count
from sciml.core.well_posed import check_determined
from sciml.tasks._cost import cost_of, device_of, predict_on, prediction_seconds
from sciml.tasks._no_space import status_of
from sciml.tasks.collocation._advice import advice, caution
from sciml.tasks.collocation._answer import Answer
from sciml.tasks.collocation._card import CollocationCard
from sciml.tasks.collocation._conclude import check_conditions, check_data, check_equation, conclude, deviations
from sciml.tasks.collocation._data import (
    CollocationBatch,
    CollocationConfig,
    CollocationContext,
    CollocationExamples,
    Locations,
    face_points,
    stated,
)
from sciml.tasks.collocation._observed import Observed, made_up, observed_in
from sciml.tasks.collocation._table import ObservedTable
from sciml.tasks.collocation._unit_points import unit_points
from sciml.train import AnySolver, Bench, Conclusion, Examination

_FACE = 200  # points per face on which conditions are examined
_LEAST = 1e-3  # of the typical magnitude: what a condition is at least compared with
_EVIDENCE = 2000  # points of the pool at which equations bind the unknown numbers


class CollocationBench(Bench[HasResidual, CollocationConfig, CollocationContext, CollocationBatch, Locations]):
    """A statement with points to train on, others to examine at, and its reference on a lattice."""

    def __init__(self, problem: HasResidual, card: CollocationCard, config: CollocationConfig) -> None:
        self.problem, self.settings = problem, config
        self.case = config.case or problem.cases[0]
        self.statement = statement = stated(problem, self.case, config.parameters)
        self.changed = {n: v for n, v in config.parameters.items() if v != problem.statement(self.case).parameters[n]}
        table = config.observations or card.measured(problem)
        self.dataset = {
            "hash": data.samples_digest(
                problem,
                card,
                case=self.case,
                **({} if table is None else {"observations": table.digest}),
                **({"parameters": repr(sorted(self.changed.items()))} if self.changed else {}),
            ),
            "card": card.model_dump(mode="json") | {"case": self.case},
        }
        randomness = partial(rng.generator, card.seed, problem.name, self.case)
        self.seen = seen = self._observe(card, table, randomness("observations"))
        check_determined(statement, () if seen is None else seen.names)
        self.typical = typical_scales(statement, {} if seen is None else seen.largest())
        scales = needed_scales(statement, self.typical, is_observed=seen is not None)
        self.scales = scales if config.scale == "auto" else Scales()
        self.context = CollocationContext(case=self.case, scales=self.scales, parameters=self.changed)
        self.observed, self.values = (None, None) if seen is None else (seen.points, seen.values)
        sigma = None if seen is None or table is None else seen.sigma  # made-up ones count as they always did
        names = () if seen is None else seen.names
        examples = CollocationExamples(
            statement, config, randomness("points"), self.observed, self.values, sigma, names
        )
        self.examples, self.trained_at = examples, examples.points
        draw = partial(unit_points, "uniform", generator=randomness("pool"))
        self.pool = statement.domain.fill(card.pool, draw)
        self.fresh = statement.domain.fill(card.pool, partial(unit_points, "uniform", generator=randomness("fresh")))
        self.faces = face_points(statement, _FACE, "uniform", randomness("faces"))
        self.size = [card.grid] * len(statement.names)
        lattice = statement.domain.lattice(self.size)
        self.within = statement.domain.contains(lattice)
        self.lattice = lattice[self.within]
        self.reference = self._reference()
        self.judged = [statement.fields.index(name) for name in statement.judged or statement.fields]
        self.example = Locations(self.pool[:1])

    def validate(self, solver: AnySolver, module: nn.Module) -> float:
        """Root of the mean squares of residual and faults of conditions and observations, at points of no training."""
        answer = self._answer(solver, module)
        residual, faults = answer.residual(self.pool), answer.faults(self.faces)
        sizes = [self.scales.of_condition(self.statement, i) for i in self.faces]
        parts = [
            (residual / torch.tensor(self.scales.of_equations(residual.shape[1]), dtype=torch.float64)).square().mean()
        ]
        parts += [(fault / size).square().mean() for fault, size in zip(faults, sizes, strict=True)]
        if self.seen is not None:
            mean = predict_on(solver, module, Locations(self.seen.points)).mean
            misfit = self._gap(self.seen, mean) / torch.tensor(
                self.scales.of_fields(self.seen.names), dtype=torch.float64
            )
            parts.append(misfit[self.seen.present].square().mean())
        score = float(torch.stack(parts).sum().sqrt())
        return score if score < float("inf") else float("inf")

    def watch(self, solver: AnySolver, module: nn.Module) -> Mapping[str, float]:
        """The error against the reference if there is one, logged and never used to choose."""
        if self.reference is None or not self.reference[:, self.judged].any():
            return {}
        mean = predict_on(solver, module, Locations(self.lattice)).mean
        return {"error": float(self._error(mean, self.reference)[0])}

    def examine(self, solver: AnySolver, module: nn.Module) -> Examination:
        """The metrics above, the fields and residuals on the lattice."""
        prediction = predict_on(solver, module, Locations(self.lattice))
        answer = self._answer(solver, module)
        residual = answer.residual(self.fresh)
        errors, each = self._errors(prediction.mean)
        scores = errors | {
            "residual/rms": float(residual.square().mean().sqrt()),
            "residual/max": float(residual.abs().max()),
        }
        scores |= each
        if faults := answer.faults(self.faces):
            scores["condition/rms"] = float(torch.cat(faults).square().mean().sqrt())
        unknowns = answer.numbers
        for unknown in self.statement.unknowns:
            if unknown.name in unknowns:
                if unknown.truth is None:
                    continue
                gap_of_it = abs(float(unknowns[unknown.name].detach().mean()) - unknown.truth)
                scores[f"unknown/{unknown.name}"] = gap_of_it / (abs(unknown.truth) or 1.0)
        seconds = prediction_seconds(solver, module, Locations(self.lattice), repeats=5)
        scores |= {**cost_of(prediction), "prediction/seconds": seconds}
        arrays = self._labelled(prediction.mean) | {
            "residual": (("equation", *self.statement.names), self._map(answer.residual(self.lattice)))
        }
        outcomes = count(status_of(prediction).tolist())
        numbers = {f"found_{name}": float(value.detach().mean()) for name, value in unknowns.items()}
        return Examination(scores, xarray.Dataset(arrays, self._coords, numbers), seconds, outcomes)

    def conclude(self, solver: AnySolver, module: nn.Module, folder: Path, progress: Progress) -> Conclusion | None:
        """The unknown numbers with their uncertainty, and which of data, equation and conditions are met.

        Equations are judged at points that neither trained nor chose the weights. Where they are not met, and nothing
        else is to be found, it says what may help.
        """
        answer = self._answer(solver, module)
        numbers = {name: float(value.detach().mean()) for name, value in answer.numbers.items()}
        misfit = None if self.seen is None else self._gap(self.seen, answer.fields(self.seen.points))
        sigma = None if self.seen is None or misfit is None else deviations(self.seen, misfit, len(numbers))
        magnitudes = self.typical.equations
        residual, terms = answer.residual(self.fresh), answer.terms(self.fresh)
        checks = [check_equation(residual, terms, magnitudes)]
        if self.seen is not None and misfit is not None:
            checks.insert(0, check_data(misfit, self.seen.values, self.seen.sigma))
        sizes = [self._size_of(i, answer) for i in self.faces]
        if (conditions := check_conditions(answer.faults(self.faces), sizes)) is not None:
            checks.append(conditions)
        covariance = None
        at_solution = all(check.met for check in checks)  # elsewhere a linearisation says nothing
        if numbers and at_solution and sigma is not None and self.seen is not None:
            evidence = CollocationBatch(
                self.pool[:_EVIDENCE], self.faces, self.seen.points, self.seen.values, sigma, self.seen.names
            ).to(device_of(module))
            covariance = answer.solver.covariance(module, evidence, self.typical)
        known = self.seen is not None and self.seen.sigma is not None
        hint = ""
        if not at_solution:
            points = self.trained_at
            trained = check_equation(answer.residual(points), answer.terms(points), magnitudes)
            hint = advice(self.statement, checks, trained, points=len(points))
        return conclude(
            numbers,
            covariance,
            checks,
            is_sigma_known=known,
            scales=self.typical.unknowns,
            is_observed=self.seen is not None,
            advice=hint,
            caution=caution(self.statement, self.fresh, residual, terms, met=at_solution),
        )

    def _size_of(self, index: int, answer: Answer) -> float:
        """The magnitude of what a condition prescribes: the typical one, or that of the solution if it is smaller.

        A deflection of 0.01 has a curvature far below 1/length²; compared with that, any bending moment would vanish.
        """
        condition, typical = self.statement.conditions[index], self.typical.of_condition(self.statement, index)
        if not isinstance(condition, (Condition, PointCondition)):
            return typical
        largest = answer.largest(condition.field, condition.derivative, self.fresh[:_EVIDENCE])
        return min(typical, max(largest, _LEAST * typical))

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
        finite = self._answer(solver, module).residual(batch.points.cpu()).isfinite().all()
        return "the loss or its gradient (but no residual)" if finite else "the residual of the equation"

    def _reference(self) -> Tensor | None:
        """The solution on the lattice; for other parameters only a closed form that still solves the equation."""
        if not self.changed:
            return self.problem.reference(self.lattice, self.case)
        statement = self.statement
        if not statement.has_solution or statement.unknowns:
            return None
        by = autograd_derivatives(statement.exact, self.pool, statement.fields, statement.names, create_graph=False)
        sizes = torch.stack([terms.abs().sum(1).amax() for terms in statement.terms(self.pool, by)])
        solved = statement.residual(self.pool, by).abs().amax(0) <= 1e-8 * sizes
        return statement.exact(self.lattice) if bool(solved.all()) else None

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
        if self.changed:
            raise ConfigError("made-up observations belong to the parameters of the case",
                              got=", ".join(f"{name}={value:g}" for name, value in self.changed.items()),
                              fix="Give measurements with task.observations, or leave the parameters.")  # fmt: skip
        return made_up(self.problem, self.case, card.observations, card.noise, generator)

    def _error(self, mean: Tensor, reference: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Relative errors of all judged fields together and of each; a field that is zero has none of its own."""
        gap, true = (mean.double() - reference)[:, self.judged], reference[:, self.judged]
        each = gap.norm(dim=0) / true.norm(dim=0)
        names = [self.statement.fields[i] for i in self.judged]
        return gap.norm() / true.norm(), {n: e for n, e in zip(names, each, strict=True) if e.isfinite() or e.isnan()}

    def _errors(self, mean: Tensor) -> tuple[dict[str, float], dict[str, float]]:
        """Errors against the reference over all judged fields, and of each where there are several; none without it."""
        if self.reference is None or not self.reference[:, self.judged].any():
            return {}, {}
        whole, each = self._error(mean, self.reference)
        gap = (mean.double() - self.reference)[:, self.judged].abs()
        sizes = self.reference[:, self.judged].abs().amax(0)
        largest = float((gap.amax(0) / sizes)[sizes > 0].max())
        named = {f"error/{name}": float(value) for name, value in each.items()} if len(each) > 1 else {}
        return {"error/relative_l2": float(whole), "error/max": largest}, named

    def _answer(self, solver: AnySolver, module: nn.Module) -> Answer:
        return Answer.of(self.statement, solver, module)

    def _gap(self, seen: Observed, mean: Float[Tensor, "observation field"]) -> Float[Tensor, "observation field"]:
        which = [self.statement.fields.index(name) for name in seen.names]
        return mean.double()[:, which] - seen.values

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
        """Values at the points of the lattice as one array per row, NaN outside of the domain."""
        if not self.within.all():
            whole = values.new_full((len(self.within), values.shape[1]), torch.nan)
            whole[self.within] = values
            values = whole
        return values.T.reshape(-1, *self.size).float().numpy()

    def _labelled(self, values: Float[Tensor, "point field"]) -> dict[str, Any]:
        """One variable per field on the lattice."""
        words = {field.name: {"units": field.units, "long_name": field.long_name} for field in self.problem.fields}
        return {
            name: (self.statement.names, array, words[name])
            for name, array in zip(self.statement.fields, self._map(values), strict=True)
        }
