"""Discovery: from sparse noisy observations to the hidden part of an equation."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
import xarray
from torch import Tensor, nn

from sciml import data
from sciml.core.capabilities import HasHiddenTerm
from sciml.core.config import Config
from sciml.core.errors import DataError
from sciml.core.problem import Problem
from sciml.core.progress import Progress
from sciml.core.status import Status, count
from sciml.core.types import Grid, Prediction
from sciml.tasks._cost import cost_of, predict_on, prediction_seconds
from sciml.tasks._in_memory import card_for, column, refuse_steps
from sciml.tasks._no_space import finite_mean, labelled_outcome, status_of
from sciml.tasks.discovery._data import (
    DiscoveryConfig,
    Measured,
    ObservationBatch,
    ObservationExamples,
    Visited,
    dense_places,
    forecast,
    observe,
)
from sciml.train import Examination, Solver, Task


@runtime_checkable
class Measures(Protocol):
    """A module that says what the hidden term is on observed trajectories."""

    def measure(self, places: Visited) -> Measured:
        """Inputs and hidden term at the places."""
        ...

    def term_of(self, inputs: Tensor) -> Tensor | None:
        """The hidden term as a function of a table of inputs; None where the method has values along curves only."""
        ...

    def found_scalars(self) -> dict[str, float]:
        """The unknown scalars of the known part."""
        ...


class Discovery(Task):
    """Find the hidden part of d(state)/dt from sparse noisy values; be judged by what it truly is.

    Solvers predict the hidden term at places on the observed trajectories, from their own idea of the state there.

    Metrics:
        hidden/<field>: relative L2 error of that field's hidden term along all trajectories.
        hidden/relative_l2: root mean square of those; fields without a hidden term are left out.
        state/relative_l2: of the method's idea of the state along the trajectories.
        forecast/relative_l2: of the trajectory from the held-out initial condition, simulated with the hidden term as
            the method has it; infinite where it broke down, absent where it has none as a function.
        prediction/seconds: median wall time of predicting all examined places.
    """

    key = "discovery"
    capability = HasHiddenTerm
    config = DiscoveryConfig

    def __init__(self, problem: Problem, card: data.ObservationsCard, config: DiscoveryConfig) -> None:
        self.problem, self.settings, self.grid = problem, config, Grid()
        self.seen = observe(problem, config)
        self.examples = ObservationExamples(self.seen)
        every = self.examples.whole.values
        self.statistics = data.sample_statistics(every.float())
        words = {name: str(value) for name, value in config.model_dump().items()}
        self.dataset = {
            "hash": data.samples_digest(problem, card, **words),
            "card": card.model_dump(mode="json") | config.model_dump(mode="json"),
        }
        self.places = dense_places(self.seen, config.dense)

    @classmethod
    def prepare(
        cls, problem: Problem, preset: str, config: Config, *, progress: Progress | None = None, workers: int = 1
    ) -> "Discovery":
        """Make the observations."""
        assert isinstance(config, DiscoveryConfig)
        return cls(problem, card_for(problem, preset, HasHiddenTerm, data.ObservationsCard), config)

    def validate(self, solver: Solver, module: nn.Module) -> float:
        """The solver's own loss on the observations; there is nothing else to choose by."""
        return finite_mean(solver.loss(module, self.examples.whole, 1.0).detach().reshape(1))

    def examine(self, solver: Solver, module: nn.Module) -> Examination:
        """The metrics above and the hidden term along the trajectories."""
        assert isinstance(module, Measures) and isinstance(self.problem, HasHiddenTerm)
        prediction = predict_on(solver, module, self.places)
        measured = module.measure(self.places)
        scores: dict[str, float] = {}
        arrays: dict[str, Any] = self._table("hidden_", measured.hidden)
        true_inputs, true_hidden = self._true()
        if true_hidden is not None:
            scores |= hidden_errors(self.problem, measured.hidden, true_hidden)
        if true_inputs is not None:
            columns = [self.problem.inputs.index(field.symbol) for field in self.problem.fields]
            arrays |= self._table("", measured.inputs[:, columns])
            scores["state/relative_l2"] = _relative(measured.inputs[:, columns], true_inputs[:, columns])
        held = self.problem.held_out()
        if held is not None and module.term_of(measured.inputs[:1]) is not None:
            ahead = forecast(self.problem, lambda x: _present(module.term_of(x)), held, _tensors(module))
            ok = int(ahead.status[0]) == Status.OK
            scores["forecast/relative_l2"] = _relative(ahead.states[0], held.states) if ok else float("inf")
        scores |= {**cost_of(prediction), "prediction/seconds": prediction_seconds(solver, module, self.places)}
        seconds = scores["prediction/seconds"] / len(self.places.trajectory)
        arrays |= labelled_outcome(prediction)
        return Examination(
            scores, xarray.Dataset(arrays, self._coords()), seconds, count(status_of(prediction).tolist())
        )

    def truth(self) -> xarray.Dataset:
        """The true hidden term and state at the examined places, and the observations."""
        true_inputs, true_hidden = self._true()
        arrays: dict[str, Any] = {}
        if true_hidden is not None:
            arrays |= self._table("hidden_", true_hidden)
        if true_inputs is not None:
            assert isinstance(self.problem, HasHiddenTerm)
            columns = [self.problem.inputs.index(field.symbol) for field in self.problem.fields]
            arrays |= self._table("", true_inputs[:, columns])
        whole = self.examples.whole
        arrays["observed_trajectory"] = ("observation", whole.trajectory.to(torch.int16).numpy())
        for i, name in enumerate(("time", *self.problem.boundary)):
            arrays[f"observed_at_{name}"] = ("observation", whole.coordinates[:, i].numpy())
        for i, field in enumerate(self.problem.fields):
            arrays[f"observed_{field.name}"] = ("observation", whole.values[:, i].numpy(), {"units": field.units})
        return xarray.Dataset(arrays, self._coords(), {"problem": self.problem.name})

    def sample(self) -> Visited:
        """The first examined place."""
        return Visited(self.places.trajectory[:1], self.places.coordinates[:1])

    def read_inputs(self, path: Path, steps: int | None) -> Visited:
        """Places from a user's NetCDF file: ``trajectory``, ``time`` and the axes in space, each on ``sample``."""
        refuse_steps(path, steps)
        names = ("time", *self.problem.boundary)
        with xarray.open_dataset(path, engine="h5netcdf") as file:
            missing = [name for name in ("trajectory", *names) if name not in file.variables]
            if missing:
                raise DataError(f"{path} lacks the variable {missing[0]!r}",
                                expected=f"trajectory, {', '.join(names)} on the dimension sample")  # fmt: skip
            table = [column(path, file[name].load()).double() for name in names]
            which = column(path, file["trajectory"].load()).long()
        if len(which) and not 0 <= int(which.min()) <= int(which.max()) < len(self.seen):
            raise DataError(f"{path} asks for a trajectory that was not observed",
                            expected=f"0 to {len(self.seen) - 1}")  # fmt: skip
        return Visited(which, torch.stack(table, dim=1))

    def describe(self, inputs: Visited, prediction: Prediction) -> xarray.Dataset:
        """The hidden term at the places, with units."""
        arrays = self._table("hidden_", prediction.mean.cpu()) | labelled_outcome(prediction)
        return xarray.Dataset(arrays, _place_coords(self.problem, inputs))

    def explain(self, solver: Solver, module: nn.Module, batch: ObservationBatch) -> str:
        """Which field's hidden term is not finite."""
        found = solver.predict(module, Visited(batch.trajectory, batch.coordinates)).mean
        bad = [f.name for f, column in zip(self.problem.fields, found.unbind(1), strict=True)
               if not column.isfinite().all()]  # fmt: skip
        return f"hidden term of field {', '.join(bad)}" if bad else "the loss or its gradient (but no hidden term)"

    def _true(self) -> tuple[Tensor | None, Tensor | None]:
        return true_values(self.problem, self.places)

    def _table(self, prefix: str, values: Tensor) -> dict[str, Any]:
        words = "hidden part of the rate of " if prefix else ""
        return {
            prefix + field.name: (
                "sample",
                values[:, i].numpy(),
                {"units": field.units, "long_name": words + field.long_name},
            )
            for i, field in enumerate(self.problem.fields)
        }

    def _coords(self) -> dict[str, Any]:
        return _place_coords(self.problem, self.places)


def true_values(problem: Problem, places: Visited) -> tuple[Tensor | None, Tensor | None]:
    """The true inputs and hidden term at the places, as far as they are known."""
    assert isinstance(problem, HasHiddenTerm)
    parts = []
    for i in places.trajectory.unique_consecutive().tolist():
        rows = places.coordinates[places.trajectory == i]
        parts.append(problem.reference(i, rows))
    if any(part is None for part in parts):
        return None, None
    inputs = torch.cat(parts)
    return inputs, problem.hidden(places.coordinates[:, 0], inputs)


def hidden_errors(problem: Problem, found: Tensor, true: Tensor) -> dict[str, float]:
    """``hidden/<field>`` and ``hidden/relative_l2``, see `Discovery`."""
    scores = {
        f"hidden/{field.name}": _relative(found[:, i], true[:, i])
        for i, field in enumerate(problem.fields)
        if true[:, i].norm() > 0
    }
    together = (sum(value**2 for value in scores.values()) / max(1, len(scores))) ** 0.5
    return {"hidden/relative_l2": together, **scores}


def _relative(found: Tensor, true: Tensor) -> float:
    return float((found - true).norm() / true.norm())


def _present(value: Tensor | None) -> Tensor:
    assert value is not None
    return value


def _tensors(module: Measures) -> dict[str, Tensor]:
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in module.found_scalars().items()}


def _place_coords(problem: Problem, places: Visited) -> dict[str, Any]:
    named = {"trajectory": ("sample", places.trajectory.cpu().to(torch.int16).numpy())}
    for i, name in enumerate(("time", *problem.boundary)):
        named[name] = ("sample", places.coordinates[:, i].cpu().double().numpy())
    return named
