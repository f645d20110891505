"""Solving a differential equation from its statement: points to train on, and an examination that trusts no loss."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
import xarray
from jaxtyping import Float
from torch import Tensor, nn

from sciml import data
from sciml.core import rng
from sciml.core.capabilities import HasResidual
from sciml.core.config import Config
from sciml.core.derivatives import autograd_derivatives
from sciml.core.errors import UnsupportedError
from sciml.core.problem import Problem
from sciml.core.progress import Progress
from sciml.core.status import count
from sciml.core.types import Grid, Params, Prediction
from sciml.tasks._cost import cost_of, device_of, predict_on, prediction_seconds
from sciml.tasks._in_memory import card_for, column, refuse_steps
from sciml.tasks._inputs import open_inputs
from sciml.tasks._no_space import labelled_outcome, status_of
from sciml.tasks.collocation._data import (
    CollocationBatch,
    CollocationConfig,
    CollocationExamples,
    Locations,
    face_points,
)
from sciml.train import Examination, Solver, Task

_BLOCK = 8192  # points whose derivatives are taken at a time
_FACE = 200  # points per face on which conditions are examined


@runtime_checkable
class Differentiable(Protocol):
    """A solver whose answer can be differentiated by the coordinates."""

    def fields(self, module: nn.Module, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point field"]:
        """The fields at points, with gradients, row by row."""
        ...

    def numbers(self, module: nn.Module) -> Params:
        """The unknown numbers it has found, by name."""
        ...


class Collocation(Task):
    """Solve a differential equation; be judged by what the trained solver does at points it has not seen.

    Weights are chosen by the residual on an independent pool of points (and the faults of the conditions), which needs
    no solution; the training loss is never looked at. Derivatives for the examination are those of autograd, whatever
    the solver trains with.

    Metrics:
        error/relative_l2: ‖u - u_ref‖₂ / ‖u_ref‖₂ on the card's lattice, over all judged fields; ``error/<field>`` for
            each where there are several. error/max: the largest difference relative to the largest |u_ref|.
        residual/rms, residual/max: of the equations at the pool.
        condition/rms: of the faults of all conditions at points of their faces.
        unknown/<name>: relative error of an unknown number.
        prediction/seconds: median wall time of predicting the whole lattice.
    """

    key = "collocation"
    capability = HasResidual
    config = CollocationConfig

    def __init__(self, problem: Problem, card: data.CollocationCard, config: CollocationConfig) -> None:
        assert isinstance(problem, HasResidual)
        self.problem, self.settings, self.grid = problem, config, Grid()
        self.case = config.case or problem.cases[0]
        self.statement = statement = problem.statement(self.case)
        unit = torch.zeros(len(problem.fields)), torch.ones(len(problem.fields))
        self.statistics = data.Statistics(*unit, torch.zeros(0), torch.ones(0))  # the solution is not looked at
        self.dataset = {
            "hash": data.samples_digest(problem, card, case=self.case),
            "card": card.model_dump(mode="json") | {"case": self.case},
        }

        def randomness(what: str) -> torch.Generator:
            return rng.generator(card.seed, problem.name, self.case, what)

        self.observed, self.values = self._observe(card, randomness("observations"))
        self.examples = CollocationExamples(statement, config, randomness("points"), self.observed, self.values)
        self.pool = statement.domain.place(
            torch.rand(card.pool, len(statement.names), generator=randomness("pool"), dtype=torch.float64)
        )
        self.faces = face_points(statement, _FACE, "uniform", randomness("faces"))
        self.size = [card.grid] * len(statement.names)
        self.lattice = statement.domain.lattice(self.size)
        self.reference = problem.reference(self.lattice, self.case)
        self.judged = [statement.fields.index(name) for name in statement.judged or statement.fields]

    @classmethod
    def prepare(
        cls, problem: Problem, preset: str, config: Config, *, progress: Progress | None = None, workers: int = 1
    ) -> "Collocation":
        """Draw the points and compute the reference."""
        assert isinstance(config, CollocationConfig)
        return cls(problem, card_for(problem, preset, HasResidual, data.CollocationCard), config)

    def validate(self, solver: Solver, module: nn.Module) -> float:
        """Root of the mean squares of residual and faults of conditions and observations, at points of no training."""
        residual, faults = self._residual(solver, module, self.pool), self._faults(solver, module)
        parts = [residual.square().mean(), *(fault.square().mean() for fault in faults)]
        if self.observed is not None:
            parts.append(self._misfit(solver, module).square().mean())
        score = float(torch.stack(parts).sum().sqrt())
        return score if score < float("inf") else float("inf")

    def watch(self, solver: Solver, module: nn.Module) -> Mapping[str, float]:
        """The error against the reference, logged and never used to choose."""
        return {"error": float(self._error(predict_on(solver, module, Locations(self.lattice)).mean)[0])}

    def examine(self, solver: Solver, module: nn.Module) -> Examination:
        """The metrics above, the fields and residuals on the lattice."""
        prediction = predict_on(solver, module, Locations(self.lattice))
        whole, each = self._error(prediction.mean)
        gap = (prediction.mean.double() - self.reference)[:, self.judged].abs()
        residual = self._residual(solver, module, self.pool)
        scores = {
            "error/relative_l2": float(whole),
            "error/max": float((gap.amax(0) / self.reference[:, self.judged].abs().amax(0)).max()),
            "residual/rms": float(residual.square().mean().sqrt()),
            "residual/max": float(residual.abs().max()),
        }
        if len(each) > 1:
            scores |= {f"error/{name}": float(value) for name, value in each.items()}
        if faults := self._faults(solver, module):
            scores["condition/rms"] = float(torch.cat(faults).square().mean().sqrt())
        found = solver.numbers(module) if isinstance(solver, Differentiable) else {}
        for unknown in self.statement.unknowns:
            if unknown.name in found:
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

    def truth(self) -> xarray.Dataset:
        """The reference on the lattice, and the points that were observed."""
        attributes = {"problem": self.problem.name, "case": self.case, "time": self.statement.domain.time}
        arrays = self._labelled(self.reference.float())
        if self.observed is not None:
            for i, name in enumerate(self.statement.names):
                arrays[f"observed_{name}"] = ("observation", self.observed[:, i].numpy())
        return xarray.Dataset(arrays, self._coords, attributes)

    def sample(self) -> Locations:
        """One point of the pool."""
        return Locations(self.pool[:1])

    def arguments(self) -> tuple[Tensor, ...]:
        """One point."""
        return (self.pool[:1],)

    def read_inputs(self, path: Path, steps: int | None) -> Locations:
        """Points from a user's NetCDF file, one variable per axis on ``sample``."""
        refuse_steps(path, steps)
        source = open_inputs(path, self.problem, "points", names=self.statement.names)
        return Locations(torch.stack([column(path, source[name]) for name in self.statement.names], dim=1).double())

    def describe(self, inputs: Locations, prediction: Prediction) -> xarray.Dataset:
        """The points, the fields there and the outcome."""
        found = prediction._replace(mean=prediction.mean.cpu())
        arrays: dict[str, Any] = {
            name: ("sample", inputs.points[:, i].cpu().numpy()) for i, name in enumerate(self.statement.names)
        }
        words = {field.name: {"units": field.units, "long_name": field.long_name} for field in self.problem.fields}
        for i, name in enumerate(self.statement.fields):
            arrays[name] = ("sample", found.mean[:, i].numpy(), words[name])
        return xarray.Dataset(arrays | labelled_outcome(found))

    def explain(self, solver: Solver, module: nn.Module, batch: CollocationBatch) -> str:
        """Whether the solution, or the residual of the equation, is not finite at the batch's points."""
        with torch.no_grad():
            bad = ~solver.predict(module, Locations(batch.points)).mean.isfinite().all(0)
        if bad.any():
            names = [name for name, is_bad in zip(self.statement.fields, bad.tolist(), strict=True) if is_bad]
            return f"field {', '.join(names)}"
        finite = self._residual(solver, module, batch.points.cpu()).isfinite().all()
        return "the loss or its gradient (but no residual)" if finite else "the residual of the equation"

    def _observe(self, card: data.CollocationCard, generator: torch.Generator) -> tuple[Any, Any]:
        """Where the observed fields are known, and their values with errors."""
        if not (self.statement.observed and card.observations):
            return None, None
        assert isinstance(self.problem, HasResidual)
        dim = len(self.statement.names)
        unit = torch.rand(card.observations, dim, generator=generator, dtype=torch.float64)
        points = self.statement.domain.place(unit)
        which = [self.statement.fields.index(name) for name in self.statement.observed]
        values = self.problem.reference(points, self.case)[:, which]
        return points, values + card.noise * torch.randn(values.shape, generator=generator, dtype=torch.float64)

    def _error(self, mean: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        gap, true = (mean.double() - self.reference)[:, self.judged], self.reference[:, self.judged]
        each = gap.norm(dim=0) / true.norm(dim=0)
        names = [self.statement.fields[i] for i in self.judged]
        return gap.norm() / true.norm(), dict(zip(names, each, strict=True))

    def _residual(self, solver: Solver, module: nn.Module, points: Tensor) -> Float[Tensor, "point equation"]:
        found = [
            self.statement.residual(part, self._derivatives(solver, module, part), self._numbers(solver, module))
            for part in points.to(device_of(module)).split(_BLOCK)
        ]
        return torch.cat([part.detach() for part in found]).cpu()

    def _faults(self, solver: Solver, module: nn.Module) -> list[Float[Tensor, " face"]]:
        found = []
        for i, points in self.faces.items():
            there = points.to(device_of(module))
            derivatives = self._derivatives(solver, module, there)
            found.append(self.statement.fault(i, there, derivatives, self._numbers(solver, module)).detach().cpu())
        return found

    def _misfit(self, solver: Solver, module: nn.Module) -> Tensor:
        assert self.observed is not None
        which = [self.statement.fields.index(name) for name in self.statement.observed]
        return predict_on(solver, module, Locations(self.observed)).mean.double()[:, which] - self.values

    def _derivatives(self, solver: Solver, module: nn.Module, points: Tensor) -> Any:
        if not isinstance(solver, Differentiable):
            raise UnsupportedError(
                f"solver {solver.key!r} does not let its answer be differentiated by the coordinates"
            )
        return autograd_derivatives(
            lambda p: solver.fields(module, p), points, self.statement.fields, self.statement.names, create_graph=False
        )

    def _numbers(self, solver: Solver, module: nn.Module) -> Params:
        assert isinstance(solver, Differentiable)
        return solver.numbers(module)

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
