"""The neural SDE as a solver of path statistics: its recipes, its size, its claim."""

from typing import Any

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml import ode
from sciml.core.capabilities import Diffuses
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.nn import MLP, Activation
from sciml.solvers.neural_ode._dynamics import Features
from sciml.solvers.neural_ode._regularise import RegulariseConfig
from sciml.solvers.neural_ode._sde_block import DiffuseConfig, SDEBlock
from sciml.tasks.paths import PathBatch, PathInputs, Paths, PathsConfig
from sciml.train import Knob, Recipe, Solver, Spec, TrainConfig, recipe_of


class NeuralSDEConfig(Config):
    """Drift and diffusion."""

    width: int = pydantic.Field(50, ge=1)
    """Hidden neurons of the drift."""
    nonlinearity: Activation = "tanh"
    """Of the drift."""
    features: Features = "cube"
    """What the drift sees of the state: its components, or their cubes."""
    integrate: DiffuseConfig = DiffuseConfig()
    """How paths are integrated."""
    regularise: RegulariseConfig = RegulariseConfig()
    """What is penalised beside the error of the moments."""


class Part(nn.Module):
    """A network of the state, or of its cubes, as a right-hand side that does not depend on the time.

    Arguments:
        network: ``row dim`` to ``row dim``.
        cube: whether it sees cubes.
    """

    def __init__(self, network: nn.Module, *, cube: bool = False) -> None:
        super().__init__()
        self.network, self.cube = network, cube

    def forward(self, time: Tensor, state: Float[Tensor, "row dim"]) -> Float[Tensor, "row dim"]:
        """The network's output."""
        return self.network(state**3 if self.cube else state)


class NeuralSDE(nn.Module):
    """Paths of dx = N(x³) dt + (W x + b) dB, every component with its own noise, in the problem's units.

    Arguments:
        config: hyper-parameters.
        channels: components of x.

    Reference: Pal, Ma, Shah, Rackauckas, ICML 2021, arXiv:2105.03918 (the sizes).
    """

    def __init__(self, config: NeuralSDEConfig, *, channels: int) -> None:
        super().__init__()
        drift = MLP(channels, channels, width=config.width, nonlinearity=config.nonlinearity)
        self.block = SDEBlock(
            Part(drift, cube=config.features == "cube"),
            Part(nn.Linear(channels, channels)),
            integrate=config.integrate,
            regularise=config.regularise,
        )

    def forward(
        self,
        start: Float[Tensor, "path channel"],
        times: Float[Tensor, " time"],
        *,
        seed: int,
        tolerance: float | None = None,
    ) -> tuple[Float[Tensor, "path time channel"], ode.Solution]:
        """One path per row of `start` at `times`, and what the solve says."""
        return self.block(start, times, seed=seed, tolerance=tolerance)


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


class NeuralSDESolver(Solver):
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
    task = Paths
    coupled = "all paths share their steps, and every path of a batch has its own noise"
    knob = Knob("width", 1, 2**16)

    def supports(self, problem: Problem) -> Support:
        """A problem that `Diffuses`."""
        if isinstance(problem, Diffuses):
            return Support(True)
        return Support(False, "it has no noise (the problem is not a Diffuses)")

    def recipe(self, preset: str) -> Recipe:
        """``paper`` has the published sizes, tolerance and schedule."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Problem, spec: Spec[Any]) -> NeuralSDE:
        """Drift and diffusion for the problem's fields."""
        return NeuralSDE(spec.model, channels=len(problem.fields))

    def loss(self, module: nn.Module, batch: PathBatch, along: float = 1.0) -> Tensor:
        """Squared errors of mean and variance over the paths, summed over times and components, and the penalty."""
        assert isinstance(module, NeuralSDE)
        paths, _ = module(batch.start, batch.times, seed=batch.seed)
        moments = (paths.mean(0) - batch.mean).square().sum() + (paths.var(0) - batch.variance).square().sum()
        return module.block.policy.add_to(moments, along)

    @torch.no_grad()
    def predict(self, module: nn.Module, inputs: PathInputs) -> Prediction:
        """One path per start at ``inputs.times``."""
        assert isinstance(module, NeuralSDE)
        module.eval()
        paths, solution = module(inputs.start, inputs.times, seed=inputs.seed, tolerance=inputs.tolerance)
        stats = {"evaluations": solution.stats.evaluations, "calls": solution.stats.calls}
        return Prediction(paths, None, solution.status, stats)
