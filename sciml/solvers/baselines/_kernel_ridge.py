"""Kernel ridge regression from the parameters to whole trajectories."""

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.capabilities import HasTrajectories
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.models import KernelRidgeMap
from sciml.nn import Units
from sciml.solvers.baselines._frames import (
    Frames,
    FramesProgram,
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


class KernelRidgeConfig(Config):
    """Kernels and penalties that cross-validation chooses from."""

    samples: int = pydantic.Field(default=256, ge=2)
    """Largest number of training trajectories used, spread evenly over all of them."""
    frames: int = pydantic.Field(default=256, ge=2)
    """Room for the times of a trajectory."""
    degree: int = pydantic.Field(default=3, ge=1, le=100)
    """Of the polynomial kernel (γ x·y + 1)^degree."""
    gammas: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
    """Values of γ tried, in both kernels; features are standardised."""
    alphas: tuple[float, ...] = (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    """Penalties tried."""
    folds: int = pydantic.Field(default=5, ge=2, le=1000)
    """Parts of the cross-validation."""
    use_start: bool | None = None
    """Whether the first state is a feature beside the parameters; without, it must be a function of them, and another
    one is refused. None: where that of the training data is no such function."""


class KernelRidge(nn.Module):
    """u(t_i; η) = ū(t_i) + Σ_n k(η, η_n) a_n,i: a `KernelRidgeMap` to whole trajectories.

    Fitted by `learn`; before that it predicts zeros in standardised units.

    Arguments:
        config: hyper-parameters.
        units: what standardises fields and parameters.
    """

    starts: StartRule | None = None  # what first states its answers are for, where it does not read them

    def __init__(self, config: KernelRidgeConfig, units: Units) -> None:
        super().__init__()
        self.config, self.frames = config, Frames(units, config.frames)
        features = units.num_parameters + units.channels * bool(config.use_start)
        outputs = config.frames * units.channels
        self.map = KernelRidgeMap(features, outputs, samples=config.samples, degree=config.degree)

    def features(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, "batch feature"]:
        """Standardised features in float64."""
        return features_of(self.frames.units, state, parameters, bool(self.config.use_start)).double()

    def forward(
        self,
        state: Float[Tensor, "batch channel"],
        parameters: Float[Tensor, "batch parameter"],
        count: int | None = None,
    ) -> Float[Tensor, "batch frame channel"]:
        """Standardised frames at the training times, or at the first `count`."""
        return self.frames.folded(self.map(self.features(state, parameters)), count)

    @torch.no_grad()
    def learn(self, batch: TrajectoryBatch) -> None:
        """Choose kernel, γ and penalty by cross-validation over samples, then fit to all of them."""
        c = self.config
        self.frames.learn(batch.times)
        x = self.features(batch.states[:, 0], batch.parameters)
        y = self.frames.units.standardise(batch.states).double()
        self.map.fit(x, y.flatten(1), gammas=c.gammas, alphas=c.alphas, folds=c.folds)


_RECIPES = {
    preset: Recipe[KernelRidgeConfig, TrajectoriesConfig](
        model=KernelRidgeConfig(samples=samples, frames=frames),
        task=TrajectoriesConfig(window=None),
        train=TrainConfig(steps=0),
    )
    for preset, samples, frames in (("tiny", 64, 128), ("small", 256, 256), ("paper", 1024, 512))
}


class KernelRidgeSolver(TrajectoriesSolver[HasTrajectories, KernelRidgeConfig, KernelRidge]):
    """Trajectories by kernel ridge regression on the parameters."""

    regresses = True
    key = "kernel_ridge"
    title = "Kernel ridge"
    citation = "Saunders, Gammerman, Vovk, Ridge regression learning algorithm in dual variables, ICML 1998"
    claim = ""
    rule = None

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasTrajectories`, has parameters and no spatial axes."""
        return supports_frames(problem)

    def recipe(self, preset: str) -> Recipe[KernelRidgeConfig, TrajectoriesConfig]:
        """Larger presets have room for more trajectories."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: HasTrajectories, model: KernelRidgeConfig, context: TrajectoriesContext) -> KernelRidge:
        """A regression without training points."""
        model = model.model_copy(update={"use_start": reads_start(model.use_start, context)})
        module = KernelRidge(model, Units(context.statistics))
        module.starts = None if context.starts is None else context.starts.of(problem)
        return module

    def loss(self, module: KernelRidge, batch: TrajectoryBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of the standardised frames; nothing here has a gradient."""
        predicted = module.frames.at(module(batch.states[:, 0], batch.parameters), batch.times)
        return (predicted - module.frames.units.standardise(batch.states)).square().mean().float()

    @torch.no_grad()
    def predict(self, module: KernelRidge, inputs: Start) -> Prediction:
        """States at ``inputs.times``, interpolated between the training times; the first one is the given one."""
        times = training_times(module.starts, module.config.use_start, inputs, module.frames.used())
        frames = module.frames.at(module(inputs.state, inputs.parameters), times)
        return finished(inputs, module.frames.units.restore(frames))

    def program(self, module: KernelRidge) -> FramesProgram:
        """Start and parameters to the states at the training times, the first of which is the start."""
        return FramesProgram(module, module.frames)

    def solve_closed_form(self, module: KernelRidge, examples: Examples[TrajectoryBatch]) -> bool:
        """Cross-validated closed form; `examples` must be whole trajectories."""
        batch = whole(examples, module.map.points.device)
        module.learn(chosen(batch, module.config.samples, module.config.frames))
        return True
