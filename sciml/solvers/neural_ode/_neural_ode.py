"""The neural ODE as a solver of trajectories: its recipes, its size, its claim."""

import copy
from dataclasses import dataclass

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.capabilities import HasDynamics, HasReducedModel, HasTrajectories
from sciml.core.config import Config
from sciml.core.errors import UserError
from sciml.core.forcing import forcing_breaks
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.models import Dynamics, Features, IntegrateConfig, RegulariseConfig
from sciml.nn import Activation, full_precision
from sciml.solvers.neural_ode._calibrate import spread
from sciml.tasks.trajectories import (
    Start,
    TrajectoriesConfig,
    TrajectoriesContext,
    TrajectoriesSolver,
    TrajectoryBatch,
    named_parameters,
)
from sciml.train import Examples, Knob, Recipe, TrainConfig, recipe_of


class DynamicsConfig(Config):
    """A perceptron as the right-hand side."""

    width: int = pydantic.Field(default=50, ge=1)
    """Neurons of a hidden layer."""
    layers: int = pydantic.Field(default=1, ge=0, le=1000)
    """Hidden layers; none gives a linear equation."""
    nonlinearity: Activation = "tanh"
    """Between the layers."""
    features: Features = "state"
    """What the network sees of the state: its components, or their cubes."""
    augment: int = pydantic.Field(default=0, ge=0)
    """Components beside those of the state, zero at the start."""
    clock: bool | None = None
    """Whether the network also sees the time; None where the problem's reduced model has a source, which acts by the
    clock."""
    rate: float | None = pydantic.Field(default=None, gt=0)
    """Factor on the network's output, one over a time in the problem's units; None measures how fast each field changes
    (and how large its cubes are) in the training data."""
    integrate: IntegrateConfig = IntegrateConfig(rtol=1e-5, atol=1e-5)
    """How it is integrated."""
    regularise: RegulariseConfig = RegulariseConfig()
    """What is penalised beside the error."""


_RECIPES = {
    "tiny": Recipe[DynamicsConfig, TrajectoriesConfig](
        model=DynamicsConfig(width=32, layers=2),
        task=TrajectoriesConfig(window=10),
        train=TrainConfig(steps=600, batch_size=128, learning_rate=2e-2, evaluate_every=100),
        baselines=("linear_ode",),
    ),
    "small": Recipe[DynamicsConfig, TrajectoriesConfig](
        model=DynamicsConfig(width=50, layers=2),
        task=TrajectoriesConfig(window=10),
        train=TrainConfig(steps=3000, batch_size=128, learning_rate=1e-2, evaluate_every=250, checkpoint_every=250),
        baselines=("linear_ode",),
    ),
    "paper": Recipe[DynamicsConfig, TrajectoriesConfig](
        model=DynamicsConfig(
            features="cube",
            rate=1.0,
            integrate=IntegrateConfig(method="dopri5", rtol=1e-7, atol=1e-9, gradient="adjoint"),
        ),
        task=TrajectoriesConfig(window=10),
        train=TrainConfig(
            steps=2000,
            batch_size=20,
            learning_rate=1e-3,
            weight_decay=0.0,
            warmup=0.0,
            final_learning_rate=1e-3,
            clip=None,
            evaluate_every=20,
        ),
        baselines=("linear_ode",),
    ),
}


@dataclass(frozen=True)
class _Forcing:
    """Parameters to the times at which the problem's forcing begins, peaks or ends; None where it names none."""

    problem: HasDynamics

    def __call__(self, parameters: Float[Tensor, "batch parameter"]) -> Float[Tensor, "batch break"] | None:
        return forcing_breaks(self.problem, named_parameters(self.problem, parameters))


class NeuralODEProgram(nn.Module):
    """Start and parameters to the states at the times of the data, the first of which is the start's, by fixed steps.

    Arguments:
        module: with times and a fixed step.
    """

    def __init__(self, module: Dynamics) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).requires_grad_(False).eval()

    def forward(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, "batch time channel"]:
        """States in physical units."""
        return self.module.restore(self.module.fixed(state, parameters, self.module.times))


class NeuralODESolver(TrajectoriesSolver[HasTrajectories, DynamicsConfig, Dynamics]):
    """Trajectories by a learned right-hand side."""

    key = "neural_ode"
    title = "Neural ODE"
    citation = (
        "Chen, Rubanova, Bettencourt, Duvenaud, Neural Ordinary Differential Equations, NeurIPS 2018, arXiv:1806.07366"
    )
    claim = (
        "windows of ten points are enough to learn a spiral whose whole trajectory is then followed, which no linear "
        "equation can; penalised solver errors save evaluations"
    )
    knob = Knob("width", 1, 2**17)
    leaves_with = "with --set model.integrate.step=…, a fixed step in the problem's unit of time of an explicit method"

    def recipe(self, preset: str) -> Recipe[DynamicsConfig, TrajectoriesConfig]:
        """``paper`` has the sizes and the schedule of the published spiral."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: HasTrajectories, model: DynamicsConfig, context: TrajectoriesContext) -> Dynamics:
        """The right-hand side with the dataset's constants; it sees the time where the problem has a source."""
        clock = model.clock
        if clock is None:
            clock = isinstance(problem, HasReducedModel) and any(c.kind == "source" for c in problem.uncertain)
        module = Dynamics(
            len(context.statistics.field_mean),
            parameters=len(context.statistics.parameter_mean),
            width=model.width,
            layers=model.layers,
            nonlinearity=model.nonlinearity,
            features=model.features,
            augment=model.augment,
            clock=clock,
            rate=model.rate,
            units=context.statistics,
            integrate=model.integrate,
            regularise=model.regularise,
        )
        if clock and isinstance(problem, HasDynamics):
            module.force(_Forcing(problem))
        module.times = context.times
        return module

    def program(self, module: Dynamics) -> NeuralODEProgram | None:
        """With ``model.integrate.step``: start and parameters to the states at the times of the data."""
        return NeuralODEProgram(module) if module.fixed_step is not None and module.times else None

    def loss(self, module: Dynamics, batch: TrajectoryBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of the standardised states after the first, and the penalty."""
        times = batch.moments if module.clock else batch.times
        states, _ = module(batch.states[:, 0], batch.parameters, times)
        error = states[:, 1:] - module.standardise(batch.states[:, 1:])
        return module.block.policy.add_to(error.square().mean(), along)

    def initialise(self, module: Dynamics, examples: Examples[TrajectoryBatch]) -> None:
        """Measure the scales of the data."""
        field, batch = module.block.field, spread(examples).to(module.field_std.device)
        if not module.rate_given:
            field.measure(module.standardise(batch.states), batch.times)
        if module.clock:
            field.end.copy_(batch.moments.max())

    @torch.no_grad()
    def predict(self, module: Dynamics, inputs: Start) -> Prediction:
        """States in physical units at ``inputs.times``, the first of which is that of the given state."""
        module.eval()
        if module.clock and inputs.origin:
            raise UserError(
                "this equation depends on the time by the clock, and was learned from times near zero",
                got=f"times from {float(inputs.clock[0]):g}",
                expected=f"times up to {float(module.block.field.end):g}",
                fix="Count the times as those of the training data are counted.",
            )
        if module.fixed_step is not None and inputs.tolerance is None:
            return self._predict_fixed(module, inputs)
        states, solution = module(inputs.state, inputs.parameters, inputs.times, tolerance=inputs.tolerance)
        stats = {"evaluations": solution.stats.evaluations, "calls": solution.stats.calls}
        return Prediction(module.restore(states), None, solution.status, stats)

    def _predict_fixed(self, module: Dynamics, inputs: Start) -> Prediction:
        """The same by the steps of the exported program."""
        times = inputs.times.double().tolist()
        with full_precision(inputs.state):
            states = module.restore(module.fixed(inputs.state, inputs.parameters, times))
        status = torch.where(states.isfinite().flatten(1).all(1), int(Status.OK), int(Status.DIVERGED))
        calls = module.count_fixed(times[-1] - times[0])
        return Prediction(states, None, status, {"evaluations": torch.full_like(status, calls), "calls": calls})
