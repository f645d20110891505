"""Kernel ridge regression from the parameters to whole trajectories."""

from typing import Any

import numpy as np
import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.capabilities import HasTrajectories
from sciml.core.config import Config
from sciml.core.errors import ConfigError
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.nn import Units
from sciml.solvers.baselines._frames import Frames, features_of, finished, supports_frames, whole
from sciml.tasks.trajectories import (
    Start,
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
    degree: int = pydantic.Field(default=3, ge=1)
    """Of the polynomial kernel (γ x·y + 1)^degree."""
    gammas: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
    """Values of γ tried, in both kernels; features are standardised."""
    alphas: tuple[float, ...] = (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    """Penalties tried."""
    folds: int = pydantic.Field(default=5, ge=2)
    """Parts of the cross-validation."""
    use_start: bool = False
    """Whether the first state is a feature beside the parameters; without, it must be a function of them."""


class KernelRidge(nn.Module):
    """u(t_i; η) = ū(t_i) + Σ_n k(η, η_n) a_n,i with k(x, y) = exp(-γ |x - y|²) or (γ x·y + 1)^degree.

    Fitted by `fit`; before that it predicts zeros in standardised units.

    Arguments:
        config: hyper-parameters.
        units: what standardises fields and parameters.
    """

    points: Tensor
    weights: Tensor
    mean: Tensor
    gamma: Tensor
    polynomial: Tensor

    def __init__(self, config: KernelRidgeConfig, units: Units) -> None:
        super().__init__()
        self.config, self.frames = config, Frames(units, config.frames)
        features = units.num_parameters + units.channels * config.use_start
        self.register_buffer("points", torch.zeros(config.samples, features, dtype=torch.float64))
        self.register_buffer("weights", torch.zeros(config.samples, config.frames, units.channels, dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(config.frames, units.channels, dtype=torch.float64))
        self.register_buffer("gamma", torch.ones((), dtype=torch.float64))
        self.register_buffer("polynomial", torch.zeros((), dtype=torch.bool))

    def features(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, "batch feature"]:
        """Standardised features in float64."""
        return features_of(self.frames.units, state, parameters, self.config.use_start).double()

    def forward(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, "batch frame channel"]:
        """Standardised frames at the training times."""
        x, count = self.features(state, parameters), int(self.frames.count)
        products = x @ self.points.T
        squares = x.square().sum(1)[:, None] - 2 * products + self.points.square().sum(1)
        radial = torch.exp(-self.gamma * squares)
        kernel = torch.where(self.polynomial, (self.gamma * products + 1) ** self.config.degree, radial)
        return self.mean[:count] + torch.einsum("bn,nfc->bfc", kernel, self.weights[:, :count])

    @torch.no_grad()
    def learn(self, batch: TrajectoryBatch) -> None:
        """Choose kernel, γ and penalty by cross-validation over samples, then fit to all of them."""
        from sklearn.kernel_ridge import KernelRidge as Estimator
        from sklearn.model_selection import GridSearchCV, KFold

        c, units = self.config, self.frames.units
        self.frames.learn(batch.times)
        x = self.features(batch.states[:, 0], batch.parameters)
        y = units.standardise(batch.states).double()
        self.mean[: y.shape[1]] = y.mean(0)
        flat = (y - y.mean(0)).flatten(1).cpu().numpy()
        grid: list[dict[str, Any]] = [
            {"kernel": ["rbf"], "gamma": list(c.gammas), "alpha": list(c.alphas)},
            {
                "kernel": ["poly"],
                "degree": [c.degree],
                "coef0": [1.0],
                "gamma": list(c.gammas),
                "alpha": list(c.alphas),
            },
        ]
        folds = KFold(min(c.folds, len(x)), shuffle=True, random_state=0)
        search = GridSearchCV(Estimator(), grid, cv=folds, scoring="neg_mean_squared_error")
        search.fit(x.cpu().numpy(), flat)
        best = search.best_estimator_
        weights = torch.from_numpy(np.asarray(best.dual_coef_)).to(self.weights).unflatten(1, y.shape[1:])
        self.weights.zero_()
        self.weights[: len(x), : y.shape[1]] = weights
        self.points[: len(x)] = x
        self.gamma.fill_(float(best.gamma))
        self.polynomial.fill_(best.kernel == "poly")


def chosen(batch: TrajectoryBatch, samples: int, frames: int) -> TrajectoryBatch:
    """At most `samples` trajectories, spread evenly. Raises ConfigError if they have more than `frames` frames."""
    if len(batch.times) > frames:
        raise ConfigError(
            "the trajectories have more frames than the regression can store",
            got=len(batch.times),
            expected=f"at most model.frames={frames}",
        )
    if len(batch) <= samples:
        return batch
    rows = torch.linspace(0, len(batch) - 1, samples).long().to(batch.states.device)
    return TrajectoryBatch(batch.states[rows], batch.times, batch.parameters[rows])


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
        return KernelRidge(model, Units(context.statistics))

    def loss(self, module: KernelRidge, batch: TrajectoryBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of the standardised frames; nothing here has a gradient."""
        predicted = module.frames.at(module(batch.states[:, 0], batch.parameters), batch.times)
        return (predicted - module.frames.units.standardise(batch.states)).square().mean().float()

    @torch.no_grad()
    def predict(self, module: KernelRidge, inputs: Start) -> Prediction:
        """States at ``inputs.times``, interpolated between the training times; the first one is the given one."""
        frames = module.frames.at(module(inputs.state, inputs.parameters), inputs.times)
        return finished(inputs, module.frames.units.restore(frames))

    def solve_closed_form(self, module: KernelRidge, examples: Examples[TrajectoryBatch]) -> bool:
        """Cross-validated closed form; `examples` must be whole trajectories."""
        batch = whole(examples, module.points.device)
        module.learn(chosen(batch, module.config.samples, module.config.frames))
        return True
