"""A plain network from parameters and time to the state."""

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.capabilities import HasTrajectories
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.nn import MLP, Activation, Units
from sciml.solvers.baselines._frames import features_of, finished, reads_start, supports_frames, training_times
from sciml.tasks.trajectories import (
    Start,
    StartRule,
    TrajectoriesConfig,
    TrajectoriesContext,
    TrajectoriesSolver,
    TrajectoryBatch,
)
from sciml.train import Examples, Knob, Recipe, TrainConfig, recipe_of


class MLPRegressionConfig(Config):
    """A fully connected network."""

    width: int = pydantic.Field(default=64, ge=1)
    """Neurons of a hidden layer."""
    layers: int = pydantic.Field(default=3, ge=1, le=1000)
    """Hidden layers."""
    nonlinearity: Activation = "tanh"
    """Between the layers."""
    use_start: bool | None = None
    """Whether the first state is a feature beside the parameters; without, it must be a function of them, and another
    one is refused. None: where that of the training data is no such function."""


class MLPRegression(nn.Module):
    """ũ(t; η) = N([η, 2 t / T - 1]) with T the length of the training trajectories.

    Nothing ties neighbouring times together, and no equation or bound is obeyed but by learning.

    Arguments:
        config: hyper-parameters.
        units: what standardises fields and parameters.
    """

    span: Tensor
    count: Tensor
    starts: StartRule | None = None  # what first states its answers are for, where it does not read them

    def __init__(self, config: MLPRegressionConfig, units: Units) -> None:
        super().__init__()
        self.config, self.units = config, units
        features = units.num_parameters + units.channels * bool(config.use_start)
        self.network = MLP(
            features + 1, units.channels, width=config.width, layers=config.layers, nonlinearity=config.nonlinearity
        )
        self.register_buffer("span", torch.tensor([0.0, 1.0]))
        self.register_buffer("count", torch.tensor(2))

    def forward(
        self,
        state: Float[Tensor, "batch channel"],
        parameters: Float[Tensor, "batch parameter"],
        times: Float[Tensor, " time"],
    ) -> Float[Tensor, "batch time channel"]:
        """Standardised states at `times`."""
        known = features_of(self.units, state, parameters, bool(self.config.use_start))
        moments = 2 * (times - self.span[0]) / (self.span[1] - self.span[0]) - 1
        rows = known[:, None].expand(-1, len(times), -1)
        return self.network(torch.cat((rows, moments[None, :, None].expand(rows.shape[0], -1, 1).to(rows)), dim=2))


class MLPProgram(nn.Module):
    """The network as a program: start and parameters to states at the training times.

    Arguments:
        module: the network; its times are fixed from now on, as a program has no others.
    """

    times: Tensor

    def __init__(self, module: MLPRegression) -> None:
        super().__init__()
        self.module = module
        first, last = module.span.tolist()
        self.register_buffer("times", torch.linspace(first, last, int(module.count)).to(module.span))

    def forward(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, "batch time channel"]:
        """States in physical units; the first one is the given one."""
        states = self.module.units.restore(self.module(state, parameters, self.times))
        return torch.cat((state[:, None], states[:, 1:].to(state.dtype)), dim=1)


def _recipe(width: int, layers: int, steps: int, every: int) -> Recipe[MLPRegressionConfig, TrajectoriesConfig]:
    return Recipe[MLPRegressionConfig, TrajectoriesConfig](
        model=MLPRegressionConfig(width=width, layers=layers),
        task=TrajectoriesConfig(window=None),
        train=TrainConfig(steps=steps, batch_size=16, learning_rate=3e-3, weight_decay=1e-4, evaluate_every=every),
    )


_RECIPES = {
    "tiny": _recipe(32, 2, 1000, 50),
    "small": _recipe(64, 3, 5000, 100),
    "paper": _recipe(128, 3, 20_000, 500),
}


class MLPRegressionSolver(TrajectoriesSolver[HasTrajectories, MLPRegressionConfig, MLPRegression]):
    """Trajectories by a fully connected network of parameters and time, stopped where validation is best."""

    regresses = True
    key = "mlp_regression"
    title = "Fully connected network"
    citation = "Rumelhart, Hinton, Williams, Learning representations by back-propagating errors, Nature 323 (1986)"
    claim = ""
    knob = Knob("width", 1, 2**14)

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasTrajectories`, has parameters and no spatial axes."""
        return supports_frames(problem)

    def recipe(self, preset: str) -> Recipe[MLPRegressionConfig, TrajectoriesConfig]:
        """Larger presets are wider and train longer."""
        return recipe_of(_RECIPES, preset)

    def build(
        self, problem: HasTrajectories, model: MLPRegressionConfig, context: TrajectoriesContext
    ) -> MLPRegression:
        """The network with the dataset's constants."""
        model = model.model_copy(update={"use_start": reads_start(model.use_start, context)})
        module = MLPRegression(model, Units(context.statistics))
        module.starts = None if context.starts is None else context.starts.of(problem)
        return module

    def loss(self, module: MLPRegression, batch: TrajectoryBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of the standardised states."""
        predicted = module(batch.states[:, 0], batch.parameters, batch.times)
        return (predicted - module.units.standardise(batch.states)).square().mean()

    @torch.no_grad()
    def predict(self, module: MLPRegression, inputs: Start) -> Prediction:
        """States in physical units at ``inputs.times``; the first one is the given one."""
        module.eval()
        times = training_times(module.starts, module.config.use_start, inputs, module.span)
        return finished(inputs, module.units.restore(module(inputs.state, inputs.parameters, times)))

    def program(self, module: MLPRegression) -> "MLPProgram":
        """Start and parameters to the states at as many even times as the training trajectories have, start first."""
        return MLPProgram(module)

    def initialise(self, module: MLPRegression, examples: Examples[TrajectoryBatch]) -> None:
        """Measure how long the trajectories are."""
        times = examples.batch(torch.arange(1), rng.generator(0, "mlp_regression")).times
        module.span.copy_(torch.stack((times[0], times[-1])))
        module.count.fill_(len(times))
