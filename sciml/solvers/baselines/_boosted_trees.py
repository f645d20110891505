"""Boosted trees from the parameters to the outcome of a trajectory, or to trajectories in their own modes."""

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.capabilities import HasOutcome, HasTrajectories
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.models import BoostedTreesMap
from sciml.nn import Units
from sciml.solvers.baselines._frames import (
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
from sciml.tasks.trajectories import (
    Start,
    StartRule,
    TrajectoriesConfig,
    TrajectoriesContext,
    TrajectoriesSolver,
    TrajectoryBatch,
)
from sciml.train import Examples, Recipe, TrainConfig, recipe_of


def sensible_depths(depths: tuple[int, ...]) -> tuple[int, ...]:
    """Depths of trees that can be stored whole. Raises ValueError for others."""
    if not all(1 <= depth <= 8 for depth in depths):
        raise ValueError("every depth must be from 1 to 8")
    return depths


class BoostedTreesConfig(Config):
    """Depths and numbers of trees that cross-validation chooses from."""

    samples: int = pydantic.Field(default=4096, ge=2)
    """Largest number of training trajectories used, spread evenly over all of them."""
    frames: int = pydantic.Field(default=256, ge=2)
    """Room for the times of a trajectory."""
    trees: int = pydantic.Field(default=200, ge=1, le=100_000)
    """Most trees."""
    depths: tuple[int, ...] = pydantic.Field(default=(1, 2, 3), min_length=1)
    """Depths tried."""
    learning_rate: float = pydantic.Field(default=0.1, gt=0, le=1)
    """Share of its step that each tree takes."""
    leaf: int = pydantic.Field(default=3, ge=1)
    """Fewest samples in a leaf."""
    folds: int = pydantic.Field(default=5, ge=2, le=1000)
    """Parts of the cross-validation."""
    modes: int = pydantic.Field(default=8, ge=1)
    """Proper orthogonal modes that are kept of trajectories without an outcome."""
    use_start: bool | None = None
    """Whether the first state is a feature beside the parameters; without, it must be a function of them, and another
    one is refused. None: where that of the training data is no such function."""

    @pydantic.field_validator("depths")
    @classmethod
    def _sensible(cls, depths: tuple[int, ...]) -> tuple[int, ...]:
        return sensible_depths(depths)


class BoostedTrees(nn.Module):
    """chance(η) = σ(y(η)), and u(t; η) = ū₁(t) where the chance is above one half, ū₀(t) elsewhere; y boosted trees.

    ū₁ and ū₀ are the mean training trajectories of either outcome. It is a classifier: its trajectories say no more
    than which of the two it takes them for. Fitted by `learn`; before that the chance is one half and it predicts zeros
    in standardised units.

    Arguments:
        config: hyper-parameters.
        units: what standardises fields and parameters.
        problem: whose outcome it is.
    """

    means: Tensor
    starts: StartRule | None = None  # what first states its answers are for, where it does not read them

    def __init__(self, config: BoostedTreesConfig, units: Units, problem: HasOutcome) -> None:
        super().__init__()
        self.config, self.problem, self.frames = config, problem, Frames(units, config.frames)
        self.names = [entry.name for entry in problem.parameters]
        self.map = _map(config, 1)
        self.register_buffer("means", torch.zeros(2, config.frames, units.channels, dtype=torch.float64))

    def chance(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, " batch"]:
        """The chance of the outcome."""
        features = features_of(self.frames.units, state, parameters, bool(self.config.use_start))
        return torch.sigmoid(self.map(features)[:, 0])

    def forward(
        self,
        state: Float[Tensor, "batch channel"],
        parameters: Float[Tensor, "batch parameter"],
        count: int | None = None,
    ) -> Float[Tensor, "batch frame channel"]:
        """Standardised frames, or the first `count`: the mean trajectory of the outcome that is likelier."""
        frames = int(self.frames.count) if count is None else count
        return self.means[(self.chance(state, parameters) > 0.5).long(), :frames]

    @torch.no_grad()
    def learn(self, batch: TrajectoryBatch) -> None:
        """Means of either outcome; depth and number of trees by the cross-validated likelihood of the labels."""
        units, c = self.frames.units, self.config
        self.frames.learn(batch.times)
        params = dict(zip(self.names, batch.parameters.double().unbind(1), strict=True))
        happened = self.problem.chance(batch.states.double(), params) > 0.5
        y = units.standardise(batch.states).double()
        for i, of in enumerate((~happened, happened)):
            self.means[i, : y.shape[1]] = y[of if of.any() else ~of].mean(0)
        x = features_of(units, batch.states[:, 0], batch.parameters, bool(c.use_start))
        self.map.fit_labels(0, x, happened.long(), depths=c.depths, folds=c.folds)


class BoostedTreesOfModes(nn.Module):
    """u(t; η) = ū(t) + Σ_m c_m(η) φ_m(t) with boosted trees for every c_m and the `Modes` φ_m of the trajectories.

    For a problem that has no outcome. Fitted by `learn`; before that it predicts zeros in standardised units.

    Arguments:
        config: hyper-parameters.
        units: what standardises fields and parameters.
    """

    starts: StartRule | None = None  # what first states its answers are for, where it does not read them

    def __init__(self, config: BoostedTreesConfig, units: Units) -> None:
        super().__init__()
        self.config, self.frames = config, Frames(units, config.frames)
        self.modes = Modes(config.modes, config.frames, units.channels)
        self.map = _map(config, config.modes)

    def forward(
        self,
        state: Float[Tensor, "batch channel"],
        parameters: Float[Tensor, "batch parameter"],
        count: int | None = None,
    ) -> Float[Tensor, "batch frame channel"]:
        """Standardised frames at the training times, or at the first `count`."""
        frames = int(self.frames.count) if count is None else count
        features = features_of(self.frames.units, state, parameters, bool(self.config.use_start))
        return self.modes.compose(self.map(features), frames)

    @torch.no_grad()
    def learn(self, batch: TrajectoryBatch) -> None:
        """Modes by a singular value decomposition; depth and number of trees by the cross-validated squared error."""
        units, c = self.frames.units, self.config
        self.frames.learn(batch.times)
        x = features_of(units, batch.states[:, 0], batch.parameters, bool(c.use_start))
        for i, wanted in enumerate(self.modes.learn(units.standardise(batch.states).double()).unbind(1)):
            self.map.fit_values(i, x, wanted, depths=c.depths, folds=c.folds)


def _map(config: BoostedTreesConfig, outputs: int) -> BoostedTreesMap:
    return BoostedTreesMap(
        outputs, trees=config.trees, depth=max(config.depths), learning_rate=config.learning_rate, leaf=config.leaf
    )


Trees = BoostedTrees | BoostedTreesOfModes
"""The classifier, or the regression."""


_RECIPES = {
    preset: Recipe[BoostedTreesConfig, TrajectoriesConfig](
        model=BoostedTreesConfig(trees=trees, frames=frames),
        task=TrajectoriesConfig(window=None),
        train=TrainConfig(steps=0),
    )
    for preset, trees, frames in (("tiny", 100, 128), ("small", 200, 256), ("paper", 400, 512))
}


class BoostedTreesSolver(TrajectoriesSolver[HasTrajectories, BoostedTreesConfig, Trees]):
    """Outcomes by boosted trees on the parameters; whole trajectories where there is no outcome."""

    regresses = True
    key = "boosted_trees"
    title = "Boosted trees"
    citation = "Friedman, Greedy function approximation: a gradient boosting machine, Ann. Statist. 29 (2001)"
    claim = ""
    rule = None

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasTrajectories`, has parameters and no spatial axes."""
        return supports_frames(problem)

    def recipe(self, preset: str) -> Recipe[BoostedTreesConfig, TrajectoriesConfig]:
        """Larger presets may grow more trees."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: HasTrajectories, model: BoostedTreesConfig, context: TrajectoriesContext) -> Trees:
        """A classifier of the outcome if there is one, else a regression; without trees."""
        units = Units(context.statistics)
        model = model.model_copy(update={"use_start": reads_start(model.use_start, context)})
        if isinstance(problem, HasOutcome):
            module: Trees = BoostedTrees(model, units, problem)
        else:
            module = BoostedTreesOfModes(model, units)
        module.starts = None if context.starts is None else context.starts.of(problem)
        return module

    def loss(self, module: Trees, batch: TrajectoryBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of the standardised frames; nothing here has a gradient."""
        predicted = module.frames.at(module(batch.states[:, 0], batch.parameters), batch.times)
        return (predicted - module.frames.units.standardise(batch.states)).square().mean().float()

    @torch.no_grad()
    def predict(self, module: Trees, inputs: Start) -> Prediction:
        """States at ``inputs.times``; with an outcome the mean trajectory of the likelier one, and its chance among the
        statistics."""
        times = training_times(module.starts, module.config.use_start, inputs, module.frames.used())
        frames = module.frames.at(module(inputs.state, inputs.parameters), times)
        prediction = finished(inputs, module.frames.units.restore(frames))
        if isinstance(module, BoostedTrees):
            return prediction._replace(stats={"chance": module.chance(inputs.state, inputs.parameters)})
        return prediction

    def program(self, module: Trees) -> FramesProgram:
        """Start and parameters to the states at the training times, the first of which is the start."""
        return FramesProgram(module, module.frames)

    def solve_closed_form(self, module: Trees, examples: Examples[TrajectoryBatch]) -> bool:
        """Grow the trees; `examples` must be whole trajectories."""
        batch = whole(examples, module.map.base.device)
        module.learn(chosen(batch, module.config.samples, module.config.frames))
        return True
