"""Discovery: from sparse noisy observations to the hidden part of an equation."""

from pathlib import Path
from typing import Any

import torch
import xarray
from torch import Tensor, nn

from sciml import data
from sciml.core.capabilities import HasHiddenTerm
from sciml.core.errors import DataError, UnsupportedError
from sciml.core.problem import Problem
from sciml.core.progress import Progress
from sciml.core.status import Status, count
from sciml.core.types import Prediction
from sciml.discovery import TableProblem, forecast, relative_error, require_engine
from sciml.tasks._cost import cost_of, predict_on, prediction_seconds
from sciml.tasks._in_memory import card_for, column, refuse_steps
from sciml.tasks._inputs import open_inputs
from sciml.tasks._labels import Labelled
from sciml.tasks._no_space import finite_mean, labelled_outcome, status_of
from sciml.tasks.discovery._card import ObservationsCard
from sciml.tasks.discovery._conclude import conclude
from sciml.tasks.discovery._data import (
    DiscoveryConfig,
    DiscoveryContext,
    ObservationBatch,
    ObservationExamples,
    Visited,
    dense_places,
    observe,
)
from sciml.tasks.discovery._metrics import METRICS
from sciml.tasks.discovery._module import HiddenTermModule
from sciml.tasks.discovery.view import VIEW
from sciml.train import AnySolver, Bench, Conclusion, Examination, Task


class Discovery(Task[HasHiddenTerm, DiscoveryConfig, DiscoveryContext, ObservationBatch, Visited]):
    """Find the hidden part of d(state)/dt from sparse noisy values; be judged by what it truly is.

    Solvers predict the hidden term at places on the observed trajectories, from their own idea of the state there.

    Metrics:
        hidden/<field>: relative L2 error of that field's hidden term along all trajectories.
        hidden/relative_l2: root mean square of those; fields without a hidden term are left out.
        state/relative_l2: of the method's idea of the state along the trajectories.
        forecast/relative_l2: of the trajectory from the held-out initial condition, simulated with the hidden term as
            the method has it; infinite where it broke down, absent where it has none as a function.
        prediction/seconds: median wall time of predicting all examined places.
        named/forecast: as forecast/relative_l2, with the equation that was found; only of runs that name the term.
        named/misfit: mean squared misfit of the observations by that equation, in units of the noise where known.
    """

    key = "discovery"
    title = "Hidden terms of differential equations"
    capability = HasHiddenTerm
    card = ObservationsCard
    config = DiscoveryConfig
    context = DiscoveryContext
    metrics = METRICS
    view = VIEW

    def prepare(
        self,
        problem: HasHiddenTerm,
        preset: str,
        settings: DiscoveryConfig,
        *,
        progress: Progress | None = None,
        workers: int = 1,
    ) -> "DiscoveryBench":
        """Make the observations."""
        if settings.naming.engine != "none":
            require_engine(settings.naming.engine, problem)
        has_card = not isinstance(problem, TableProblem)
        card = card_for(problem, preset, HasHiddenTerm, ObservationsCard) if has_card else ObservationsCard()
        return DiscoveryBench(problem, card, settings)

    def inputs(self, batch: ObservationBatch) -> Visited:
        """The hidden term where the state was observed."""
        return Visited(batch.trajectory, batch.coordinates)

    def read_inputs(self, path: Path, problem: HasHiddenTerm, context: DiscoveryContext, steps: int | None) -> Visited:
        """Places from a user's NetCDF file: ``trajectory``, ``time`` and the axes in space, each on ``sample``."""
        refuse_steps(path, steps)
        names = ("time", *problem.boundary)
        source = open_inputs(path, problem, "places on observed trajectories", names=("trajectory", *names),
                             also=_place_units(problem))  # fmt: skip
        table = [column(path, source[name], dtype="float64") for name in names]
        which = column(path, source["trajectory"], dtype="float64").long()
        if len(which) and not 0 <= int(which.min()) <= int(which.max()) < len(context.observed):
            raise DataError(f"{path} asks for a trajectory that was not observed",
                            expected=f"0 to {len(context.observed) - 1}")  # fmt: skip
        return Visited(which, torch.stack(table, dim=1))

    def write_inputs(self, inputs: Visited, problem: HasHiddenTerm, context: DiscoveryContext) -> xarray.Dataset:
        """The places."""
        return xarray.Dataset(_place_coords(problem, inputs))

    def describe(
        self, inputs: Visited, prediction: Prediction, problem: HasHiddenTerm, context: DiscoveryContext
    ) -> xarray.Dataset:
        """The hidden term at the places, with units."""
        arrays = _labelled(problem, "hidden_", prediction.mean.cpu()) | labelled_outcome(prediction)
        return xarray.Dataset(arrays, _place_coords(problem, inputs))


DISCOVERY = Discovery()


class DiscoveryBench(Bench[HasHiddenTerm, DiscoveryConfig, DiscoveryContext, ObservationBatch, Visited]):
    """Observations to fit, and places along the trajectories at which the hidden term is examined."""

    def __init__(self, problem: HasHiddenTerm, card: ObservationsCard, config: DiscoveryConfig) -> None:
        self.problem, self.settings = problem, config
        self.seen = observe(problem, config)
        self.examples = self._points = ObservationExamples(self.seen)
        self.context = DiscoveryContext.of(self.seen)
        words = {name: str(value) for name, value in config.model_dump(exclude={"naming"}).items()}
        if isinstance(problem, TableProblem):
            words["table"] = problem.source.digest
        self.dataset = {
            "hash": data.samples_digest(problem, card, **words),
            "card": card.model_dump(mode="json") | config.model_dump(mode="json", exclude={"naming"}),
        }
        self.places = dense_places(self.seen, config.dense)
        self.example = Visited(self.places.trajectory[:1], self.places.coordinates[:1])

    def validate(self, solver: AnySolver, module: nn.Module) -> float:
        """The solver's own loss on the observations; there is nothing else to choose by."""
        return finite_mean(solver.loss(module, self._points.whole, 1.0).detach().reshape(1))

    def examine(self, solver: AnySolver, module: nn.Module) -> Examination:
        """The metrics above and the hidden term along the trajectories."""
        module = _measuring(solver, module)
        prediction = predict_on(solver, module, self.places)
        measured = module.measure(self.places)
        scores: dict[str, float] = {}
        columns = self.problem.rate_equation.field_columns
        arrays: dict[str, Any] = _labelled(self.problem, "hidden_", measured.hidden)
        arrays |= _labelled(self.problem, "", measured.inputs[:, columns])
        true_inputs, true_hidden = self._true()
        if true_hidden is not None:
            scores |= hidden_errors(self.problem, measured.hidden, true_hidden)
        if true_inputs is not None:
            scores["state/relative_l2"] = _relative(measured.inputs[:, columns], true_inputs[:, columns])
        held = self.problem.held_out()
        if held is not None and module.term_of(measured.inputs[:1]) is not None:
            ahead = forecast(self.problem, lambda x: _present(module.term_of(x)), held, _tensors(module))
            ok = int(ahead.status[0]) == Status.OK
            scores["forecast/relative_l2"] = (
                relative_error(self.problem, ahead.states[0], held.states) if ok else float("inf")
            )
        scores |= {**cost_of(prediction), "prediction/seconds": prediction_seconds(solver, module, self.places)}
        seconds = scores["prediction/seconds"] / len(self.places.trajectory)
        arrays |= labelled_outcome(prediction)
        return Examination(
            scores, xarray.Dataset(arrays, self._coords()), seconds, count(status_of(prediction).tolist())
        )

    def conclude(self, solver: AnySolver, module: nn.Module, folder: Path, progress: Progress) -> Conclusion | None:
        """Name the measured term, if `naming` asks for it."""
        if self.settings.naming.engine == "none":
            return None
        measuring = _measuring(solver, module)
        return conclude(self.problem, measuring, self.seen, self.places, self.settings.naming, folder, progress)

    def truth(self) -> xarray.Dataset:
        """The true hidden term and state at the examined places, and the observations."""
        true_inputs, true_hidden = self._true()
        arrays: dict[str, Any] = {}
        if true_hidden is not None:
            arrays |= _labelled(self.problem, "hidden_", true_hidden)
        if true_inputs is not None:
            columns = self.problem.rate_equation.field_columns
            arrays |= _labelled(self.problem, "", true_inputs[:, columns])
        whole = self._points.whole
        arrays["observed_trajectory"] = ("observation", whole.trajectory.to(torch.int16).numpy())
        for i, name in enumerate(("time", *self.problem.boundary)):
            arrays[f"observed_at_{name}"] = ("observation", whole.coordinates[:, i].numpy())
        for i, field in enumerate(self.problem.fields):
            arrays[f"observed_{field.name}"] = ("observation", whole.values[:, i].numpy(), {"units": field.units})
        return xarray.Dataset(arrays, self._coords(), {"problem": self.problem.name})

    def explain(self, solver: AnySolver, module: nn.Module, batch: ObservationBatch) -> str:
        """Which field's hidden term is not finite."""
        term = solver.predict(module, Visited(batch.trajectory, batch.coordinates)).mean
        bad = [f.name for f, column in zip(self.problem.fields, term.unbind(1), strict=True)
               if not column.isfinite().all()]  # fmt: skip
        return f"hidden term of field {', '.join(bad)}" if bad else "the loss or its gradient (but no hidden term)"

    def _true(self) -> tuple[Tensor | None, Tensor | None]:
        return true_values(self.problem, self.places)

    def _coords(self) -> dict[str, Any]:
        return _place_coords(self.problem, self.places)


def _labelled(problem: Problem, prefix: str, values: Tensor) -> Labelled:
    words = "hidden part of the rate of " if prefix else ""
    return {
        prefix + field.name: (
            "sample",
            values[:, i].numpy(),
            {"units": field.units, "long_name": words + field.long_name},
        )
        for i, field in enumerate(problem.fields)
    }


def true_values(problem: HasHiddenTerm, places: Visited) -> tuple[Tensor | None, Tensor | None]:
    """The true inputs and hidden term at the places, as far as they are known."""
    parts = []
    for i in places.trajectory.unique_consecutive().tolist():
        rows = places.coordinates[places.trajectory == i]
        parts.append(problem.reference_inputs(i, rows))
    if any(part is None for part in parts):
        return None, None
    inputs = torch.cat(parts)
    return inputs, problem.rate_equation.hidden(inputs)


def hidden_errors(problem: Problem, predicted: Tensor, true: Tensor) -> dict[str, float]:
    """``hidden/<field>`` and ``hidden/relative_l2``, see `Discovery`."""
    scores = {
        f"hidden/{field.name}": _relative(predicted[:, i], true[:, i])
        for i, field in enumerate(problem.fields)
        if true[:, i].norm() > 0
    }
    together = (sum(value**2 for value in scores.values()) / max(1, len(scores))) ** 0.5
    return {"hidden/relative_l2": together, **scores}


def _relative(predicted: Tensor, true: Tensor) -> float:
    return float((predicted - true).norm() / true.norm())


def _measuring(solver: AnySolver, module: nn.Module) -> HiddenTermModule:
    if not isinstance(module, HiddenTermModule):
        raise UnsupportedError(f"solver {solver.key!r} does not say what the hidden term is",
                               expected="a module that is a HiddenTermModule")  # fmt: skip
    return module


def _present(value: Tensor | None) -> Tensor:
    assert value is not None
    return value


def _tensors(module: HiddenTermModule) -> dict[str, Tensor]:
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in module.found_scalars().items()}


def _place_units(problem: Problem) -> dict[str, str]:
    """Units of the coordinates of a place, by name and in their order."""
    axes = problem.hidden_statement().domain.axes if isinstance(problem, HasHiddenTerm) else ()
    known = {"time" if axis.name == "t" else axis.name: axis.units for axis in axes}
    return {name: known.get(name, "1") for name in ("time", *problem.boundary)}


def _place_coords(problem: Problem, places: Visited) -> dict[str, Any]:
    words = {"long_name": "number of the observed trajectory"}
    named: dict[str, Any] = {"trajectory": ("sample", places.trajectory.cpu().to(torch.int16).numpy(), words)}
    for i, (name, units) in enumerate(_place_units(problem).items()):
        attrs = {"units": units, "long_name": name if name == "time" else f"{name} coordinate"}
        named[name] = ("sample", places.coordinates[:, i].cpu().double().numpy(), attrs)
    return named
