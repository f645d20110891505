"""The neural SDE as a solver of path statistics: its recipes, its size, its claim."""

import pydantic
import torch
from torch import Tensor

from sciml.core.capabilities import Diffuses
from sciml.core.config import Config
from sciml.core.types import Prediction
from sciml.models import DiffuseConfig, Features, NeuralSDE, RegulariseConfig
from sciml.nn import Activation
from sciml.tasks.paths import (
    LEAST_PATHS,
    PathBatch,
    PathInputs,
    PathsConfig,
    PathsContext,
    PathsSolver,
    moment_errors,
)
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class NeuralSDEConfig(Config):
    """Drift and diffusion."""

    width: int = pydantic.Field(default=50, ge=1)
    """Hidden neurons of the drift."""
    nonlinearity: Activation = "tanh"
    """Of the drift."""
    features: Features = "cube"
    """What the drift sees of the state: its components, or their cubes."""
    integrate: DiffuseConfig = DiffuseConfig()
    """How paths are integrated."""
    regularise: RegulariseConfig = RegulariseConfig()
    """What is penalised beside the error of the moments."""


_RECIPES = {
    "tiny": Recipe[NeuralSDEConfig, PathsConfig](
        model=NeuralSDEConfig(integrate=DiffuseConfig(rtol=0.5, atol=0.5)),
        task=PathsConfig(),
        train=TrainConfig(steps=80, batch_size=100, learning_rate=4e-2, evaluate_every=20),
    ),
    "small": Recipe[NeuralSDEConfig, PathsConfig](
        model=NeuralSDEConfig(integrate=DiffuseConfig(rtol=0.3, atol=0.3)),
        task=PathsConfig(),
        train=TrainConfig(steps=250, batch_size=100, learning_rate=3e-2, evaluate_every=25),
    ),
    "paper": Recipe[NeuralSDEConfig, PathsConfig](
        model=NeuralSDEConfig(integrate=DiffuseConfig(rtol=0.3, atol=0.3)),
        task=PathsConfig(),
        train=TrainConfig(
            steps=250,
            batch_size=100,
            learning_rate=1e-2,
            weight_decay=0.0,
            warmup=0.0,
            final_learning_rate=1e-2,
            clip=None,
            evaluate_every=25,
        ),
    ),
}


class NeuralSDESolver(PathsSolver[NeuralSDEConfig, NeuralSDE]):
    """Statistics of paths by a learned stochastic equation."""

    key = "neural_sde"
    title = "Neural SDE"
    citation = (
        "Pal, Ma, Shah, Rackauckas, Opening the Blackbox: Accelerating Neural Differential Equations by Regularizing "
        "Internal Solver Heuristics, ICML 2021, arXiv:2105.03918"
    )
    claim = (
        "mean and variance of a spiral with noise are learned from paths; penalised solver errors save few evaluations"
    )
    coupled = "all paths share their steps, and every path of a batch has its own noise"
    least_batch = LEAST_PATHS
    pooled = "mean and variance are taken over all paths of a batch before they are compared"
    knob = Knob("width", 1, 2**16)

    def recipe(self, preset: str) -> Recipe[NeuralSDEConfig, PathsConfig]:
        """``paper`` has the published sizes, tolerance and schedule."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Diffuses, model: NeuralSDEConfig, context: PathsContext) -> NeuralSDE:
        """Drift and diffusion for the problem's fields."""
        config = model
        return NeuralSDE(
            len(problem.fields),
            width=config.width,
            nonlinearity=config.nonlinearity,
            features=config.features,
            integrate=config.integrate,
            regularise=config.regularise,
        )

    def loss(self, module: NeuralSDE, batch: PathBatch, along: float = 1.0) -> Tensor:
        """Squared errors of mean and variance, freed of what they owe to the number of paths, and the penalty."""
        paths, _ = module(batch.start, batch.times, seed=batch.seed)
        of_mean, of_variance = moment_errors(paths, batch.mean, batch.variance)
        return module.block.policy.add_to(of_mean + of_variance, along)

    @torch.no_grad()
    def predict(self, module: NeuralSDE, inputs: PathInputs) -> Prediction:
        """One path per start at ``inputs.times``."""
        module.eval()
        paths, solution = module(inputs.start, inputs.times, seed=inputs.seed, tolerance=inputs.tolerance)
        stats = {"evaluations": solution.stats.evaluations, "calls": solution.stats.calls}
        return Prediction(paths, None, solution.status, stats)
