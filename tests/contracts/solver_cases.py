"""What the contract tests must know of each task: a problem to try it on, how inputs and answers are laid out."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import torch

from sciml.core import registry
from sciml.tasks.forecast import Window
from sciml.tasks.trajectories import Start

FIXTURES = Path(__file__).parent.parent / "fixtures"
ADVECTION, TANK = FIXTURES / "periodic_advection", FIXTURES / "warm_tank"


class Case(ABC):
    """How solvers of one task are tested.

    Fields:
        problem: what they are tried on first: a registered name or a folder.
        others: what is tried next, before every registered problem.
        paper_size: least number of parameters of a paper recipe.
        paper_is_larger: whether a paper recipe has at least the parameters of the tiny one.
        reduced: sizes at which a paper recipe takes a step in no time, for the models that have such settings.
    """

    problem: str | Path
    others: tuple[str | Path, ...] = ()
    paper_size = 1
    paper_is_larger = True
    reduced: ClassVar[dict[str, int]] = {}

    @abstractmethod
    def inputs(self, task, batch):
        """Inputs of `predict` for the samples of a training batch."""

    @abstractmethod
    def shape(self, task, inputs):
        """The shape of the prediction's mean."""

    def shortened(self, inputs):
        """Inputs that ask for less, and which part of the full answer they must give; None if all is asked at once."""
        return None

    def fitting(self, config, task):
        """The settings of another recipe's task, changed so that the tiny dataset allows them."""
        return config


class ForecastCase(Case):
    problem, paper_size = ADVECTION, 1_000_000
    reduced: ClassVar = {"width": 4, "waves": 3, "levels": 2, "modes": 4}

    def inputs(self, task, batch):
        return Window(batch.inputs, batch.parameters, batch.stride, 3)

    def shape(self, task, inputs):
        return (len(inputs.states), inputs.steps, *inputs.states.shape[2:])

    def shortened(self, inputs):
        return inputs._replace(steps=1), slice(0, 1)


class TrajectoriesCase(Case):
    problem, others = "two_mode_oscillator", (TANK,)
    paper_is_larger = False  # the published network for a point in the plane has 252 parameters

    def inputs(self, task, batch):
        return Start(batch.states[:, 0], batch.parameters, batch.times)

    def shape(self, task, inputs):
        return (len(inputs.state), len(inputs.times), inputs.state.shape[1])

    def shortened(self, inputs):
        return inputs._replace(times=inputs.times[:3]), slice(0, 3)

    def fitting(self, config, task):
        frames = task.source.card.frames
        return config.model_copy(update={"window": min(config.window or frames, frames)})


class SeriesCase(Case):
    problem = "damped_oscillators"

    def inputs(self, task, batch):
        return batch.inputs()

    def shape(self, task, inputs):
        return tuple(inputs.values.shape)


class ClassificationCase(Case):
    problem = "digits"
    reduced: ClassVar = {"width": 8}

    def inputs(self, task, batch):
        return task.sample()._replace(inputs=batch.inputs)

    def shape(self, task, inputs):
        return (len(inputs.inputs), len(task.problem.classes))


class DensityCase(Case):
    problem = "densities"

    def inputs(self, task, batch):
        return task.sample()._replace(points=batch.points)

    def shape(self, task, inputs):
        return (len(inputs.points),)


class PathsCase(Case):
    problem = "spiral_sde"

    def inputs(self, task, batch):
        sample = task.sample()
        return sample._replace(start=sample.start[:1].expand(4, -1).contiguous())

    def shape(self, task, inputs):
        return (len(inputs.start), len(inputs.times), inputs.start.shape[1])


class DiscoveryCase(Case):
    problem = "lotka_volterra_hidden"
    reduced: ClassVar = {"adam": 2, "lbfgs": 0}

    def inputs(self, task, batch):
        return task.sample()._replace(trajectory=batch.trajectory, coordinates=batch.coordinates)

    def shape(self, task, inputs):
        return (len(inputs.coordinates), len(task.problem.fields))


class CollocationCase(Case):
    problem = "burgers"
    reduced: ClassVar = {"width": 8}

    def inputs(self, task, batch):
        return task.sample()._replace(points=batch.points)

    def shape(self, task, inputs):
        return (len(inputs.points), len(task.statement.fields))


CASES = {
    "discovery": DiscoveryCase(),
    "collocation": CollocationCase(),
    "forecast": ForecastCase(),
    "trajectories": TrajectoriesCase(),
    "series": SeriesCase(),
    "classification": ClassificationCase(),
    "density": DensityCase(),
    "paths": PathsCase(),
}


def problem_for(solver):
    """A problem that a solver supports: the one of its task's case, else any that is registered."""
    known = registry.problem_folders()
    case = CASES[solver.task.key]
    for name in [case.problem, *case.others, *sorted(known)]:
        if isinstance(name, Path) or name in known:
            subject = registry.problem(name)
            if isinstance(subject, solver.task.capability) and solver.supports(subject).ok:
                return subject
    raise LookupError(f"no registered problem is one that {solver.key} supports")


def rows(inputs, which):
    """The chosen samples of a named tuple of inputs; what has no sample axis stays whole."""
    count = max(len(v) for name, v in inputs._asdict().items() if torch.is_tensor(v) and name != "times")
    return type(inputs)(
        *(v[which] if torch.is_tensor(v) and name != "times" and len(v) == count else v
          for name, v in inputs._asdict().items())
    )  # fmt: skip
