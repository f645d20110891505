"""Soft trees from the parameters to the outcome of a trajectory, or to trajectories in their own modes."""

from typing import Self

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from sciml.core.capabilities import HasOutcome, HasTrajectories
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.models import SoftTrees
from sciml.nn import Units
from sciml.solvers.baselines import (
    Frames,
    FramesProgram,
    Modes,
    chosen,
    features_of,
    finished,
    reads_start,
    supports_frames,
    training_times,
    whole,
)
from sciml.solvers.soft_trees._config import CITATION, CLAIM, SoftTreesConfig
from sciml.tasks.trajectories import (
    Start,
    StartRule,
    TrajectoriesConfig,
    TrajectoriesContext,
    TrajectoriesSolver,
    TrajectoryBatch,
)
from sciml.train import Examples, Knob, Recipe, TrainConfig, recipe_of


class SoftTreesCoursesConfig(SoftTreesConfig):
    """An ensemble of soft trees for trajectories."""

    frames: int = pydantic.Field(default=256, ge=2)
    """Room for the times of a trajectory."""
    modes: int = pydantic.Field(default=8, ge=1)
    """Proper orthogonal modes that are kept of trajectories without an outcome."""
    use_start: bool | None = None
    """Whether the first state is a feature beside the parameters; without, it must be a function of them, and another
    one is refused. None: where that of the training data is no such function."""

    def reading(self, context: TrajectoriesContext) -> Self:
        """With `use_start` decided."""
        return self.model_copy(update={"use_start": reads_start(self.use_start, context)})


class SoftTreesOutcome(nn.Module):
    """chance(η) = σ(f(η)), and u(t; η) = ū₁(t) where it is above one half, ū₀(t) elsewhere; f soft trees.

    ū₁ and ū₀ are the mean training trajectories of either outcome: it is a classifier, and its trajectories say no more
    than which of the two it takes them for.

    Arguments:
        config: hyper-parameters.
        units: what standardises fields and parameters.
        problem: whose outcome it is.
    """

    means: Tensor
    starts: StartRule | None = None  # what first states its answers are for, where it does not read them

    def __init__(self, config: SoftTreesCoursesConfig, units: Units, problem: HasOutcome) -> None:
        super().__init__()
        self.config, self.problem, self.frames = config, problem, Frames(units, config.frames)
        self.map = config.network(units.num_parameters + units.channels * bool(config.use_start), 1)
        self.register_buffer("means", torch.zeros(2, config.frames, units.channels))

    def logits(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, " batch"]:
        """f."""
        return self.map(features_of(self.frames.units, state, parameters, bool(self.config.use_start)))[:, 0]

    def happened(self, batch: TrajectoryBatch) -> Tensor:
        """Whether the outcome came about, by the states of the batch."""
        names = [entry.name for entry in self.problem.parameters]
        params = dict(zip(names, batch.parameters.double().unbind(1), strict=True))
        return self.problem.chance(batch.states.double(), params) > 0.5

    def forward(
        self,
        state: Float[Tensor, "batch channel"],
        parameters: Float[Tensor, "batch parameter"],
        count: int | None = None,
    ) -> Float[Tensor, "batch frame channel"]:
        """Standardised frames, or the first `count`: the mean trajectory of the outcome that is likelier."""
        frames = int(self.frames.count) if count is None else count
        return self.means[(self.logits(state, parameters) > 0).long(), :frames]

    @torch.no_grad()
    def learn(self, batch: TrajectoryBatch) -> None:
        """Means of either outcome."""
        self.frames.learn(batch.times)
        happened, y = self.happened(batch), self.frames.units.standardise(batch.states)
        for i, of in enumerate((~happened, happened)):
            self.means[i, : y.shape[1]] = y[of if of.any() else ~of].mean(0)

    def loss(self, batch: TrajectoryBatch) -> Tensor:
        """Mean negative log-likelihood of the outcomes."""
        wanted = self.happened(batch).to(batch.states.dtype)
        return binary_cross_entropy_with_logits(self.logits(batch.states[:, 0], batch.parameters), wanted)


class SoftTreesOfModes(nn.Module):
    """u(t; η) = ū(t) + Σ_m s_m f_m(η) φ_m(t): soft trees for the coefficients of the `Modes` φ_m, in units of their
    deviation s_m.

    For a problem that has no outcome.

    Arguments:
        config: hyper-parameters.
        units: what standardises fields and parameters.
    """

    sizes: Tensor
    starts: StartRule | None = None  # what first states its answers are for, where it does not read them

    def __init__(self, config: SoftTreesCoursesConfig, units: Units) -> None:
        super().__init__()
        self.config, self.frames = config, Frames(units, config.frames)
        self.modes = Modes(config.modes, config.frames, units.channels)
        features = units.num_parameters + units.channels * bool(config.use_start)
        self.map = config.network(features, config.modes)
        self.register_buffer("sizes", torch.zeros(config.modes))

    def forward(
        self,
        state: Float[Tensor, "batch channel"],
        parameters: Float[Tensor, "batch parameter"],
        count: int | None = None,
    ) -> Float[Tensor, "batch frame channel"]:
        """Standardised frames at the training times, or at the first `count`."""
        frames = int(self.frames.count) if count is None else count
        features = features_of(self.frames.units, state, parameters, bool(self.config.use_start))
        coefficients = self.sizes * self.map(features)
        return self.modes.compose(coefficients.to(self.modes.mean.dtype), frames).to(coefficients.dtype)

    @torch.no_grad()
    def learn(self, batch: TrajectoryBatch) -> None:
        """Modes by a singular value decomposition, and the deviations of their coefficients."""
        self.frames.learn(batch.times)
        coefficients = self.modes.learn(self.frames.units.standardise(batch.states).double())
        self.sizes[: coefficients.shape[1]] = coefficients.std(0, correction=0).to(self.sizes)

    def loss(self, batch: TrajectoryBatch) -> Tensor:
        """Mean squared error of the standardised frames."""
        predicted = self.frames.at(self(batch.states[:, 0], batch.parameters), batch.times)
        return (predicted - self.frames.units.standardise(batch.states)).square().mean()


Courses = SoftTreesOutcome | SoftTreesOfModes
"""The classifier, or the regression."""


def _recipe(trees: int, frames: int, steps: int) -> Recipe[SoftTreesCoursesConfig, TrajectoriesConfig]:
    return Recipe[SoftTreesCoursesConfig, TrajectoriesConfig](
        model=SoftTreesCoursesConfig(trees=trees, frames=frames),
        task=TrajectoriesConfig(window=None),
        train=TrainConfig(
            steps=steps, batch_size=16, learning_rate=1e-2, weight_decay=1e-4, evaluate_every=max(1, steps // 20)
        ),
        baselines=("boosted_trees", "mlp_regression"),
    )


_RECIPES = {"tiny": _recipe(32, 128, 400), "small": _recipe(64, 256, 1500), "paper": _recipe(256, 512, 6000)}


class SoftTreesSolver(TrajectoriesSolver[HasTrajectories, SoftTreesCoursesConfig, Courses]):
    """Outcomes by soft trees of the parameters; whole trajectories where there is no outcome."""

    regresses = True
    key = "soft_trees"
    title = "Soft trees"
    citation = CITATION
    claim = CLAIM
    knob = Knob("trees", 1, 2**14)
    networks = (SoftTrees,)

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasTrajectories`, has parameters and no spatial axes."""
        return supports_frames(problem)

    def recipe(self, preset: str) -> Recipe[SoftTreesCoursesConfig, TrajectoriesConfig]:
        """Larger presets have more trees and train longer."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: HasTrajectories, model: SoftTreesCoursesConfig, context: TrajectoriesContext) -> Courses:
        """A classifier of the outcome if there is one, else a regression."""
        units, model = Units(context.statistics), model.reading(context)
        if isinstance(problem, HasOutcome):
            module: Courses = SoftTreesOutcome(model, units, problem)
        else:
            module = SoftTreesOfModes(model, units)
        module.starts = None if context.starts is None else context.starts.of(problem)
        return module

    def initialise(self, module: Courses, examples: Examples[TrajectoryBatch]) -> None:
        """Means of either outcome, or modes, from whole training trajectories."""
        batch = whole(examples, module.frames.times.device)
        module.learn(chosen(batch, len(batch), module.config.frames))

    def loss(self, module: Courses, batch: TrajectoryBatch, along: float = 1.0) -> Tensor:
        """Negative log-likelihood of the outcomes, or squared error of the frames."""
        return module.loss(batch)

    @torch.no_grad()
    def predict(self, module: Courses, inputs: Start) -> Prediction:
        """States at ``inputs.times``; with an outcome the mean trajectory of the likelier one, and its chance among the
        statistics."""
        module.eval()
        times = training_times(module.starts, module.config.use_start, inputs, module.frames.used())
        frames = module.frames.at(module(inputs.state, inputs.parameters), times)
        prediction = finished(inputs, module.frames.units.restore(frames))
        if isinstance(module, SoftTreesOutcome):
            chance = torch.sigmoid(module.logits(inputs.state, inputs.parameters)).double()
            return prediction._replace(stats={"chance": chance})
        return prediction

    def program(self, module: Courses) -> FramesProgram:
        """Start and parameters to the states at the training times, the first of which is the start."""
        return FramesProgram(module, module.frames)
