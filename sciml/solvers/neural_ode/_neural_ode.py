"""The neural ODE as a solver of trajectories: its recipes, its size, its claim."""

from typing import Any

import torch
from torch import Tensor, nn

from sciml.core.capabilities import Evolves, HasReducedModel
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.solvers.neural_ode._block import IntegrateConfig
from sciml.solvers.neural_ode._calibrate import spread
from sciml.solvers.neural_ode._dynamics import Dynamics, DynamicsConfig, StateField
from sciml.tasks.trajectories import Start, Trajectories, TrajectoriesConfig, TrajectoryBatch
from sciml.train import Knob, Recipe, Solver, Spec, TrainConfig, recipe_of

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


class NeuralODESolver(Solver):
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
    task = Trajectories
    knob = Knob("width", 1, 2**17)

    def supports(self, problem: Problem) -> Support:
        """A problem that `Evolves` without spatial axes."""
        if not isinstance(problem, Evolves):
            return Support(False, "it has no reference simulation (the problem is not an Evolves)")
        if problem.boundary:
            return Support(False, f"it has {len(problem.boundary)} spatial axes; this solver knows points only")
        return Support(True)

    def recipe(self, preset: str) -> Recipe:
        """``paper`` has the sizes and the schedule of the published spiral."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Problem, spec: Spec[Any]) -> Dynamics:
        """The right-hand side with the dataset's constants; it sees the time where the problem has a source."""
        config = spec.model
        if config.clock is None:
            driven = isinstance(problem, HasReducedModel) and any(c.kind == "source" for c in problem.uncertain)
            config = config.model_copy(update={"clock": driven})
        return Dynamics(config, spec.statistics)

    def loss(self, module: nn.Module, batch: TrajectoryBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of the standardised states after the first, and the penalty."""
        assert isinstance(module, Dynamics)
        times = batch.moments if module.config.clock else batch.times
        states, _ = module(batch.states[:, 0], batch.parameters, times)
        error = states[:, 1:] - module.standardise(batch.states[:, 1:])
        return module.block.policy.add_to(error.square().mean(), along)

    def fit(self, module: nn.Module, examples: Any) -> bool:
        """Measure the scales of the data, then leave the rest to the trainer."""
        assert isinstance(module, Dynamics)
        field = module.block.field
        assert isinstance(field, StateField)
        batch = spread(examples).to(module.field_std.device)
        if module.config.rate is None:
            field.measure(module.standardise(batch.states), batch.times)
        if module.config.clock:
            field.end.copy_(batch.moments.max())
        return False

    @torch.no_grad()
    def predict(self, module: nn.Module, inputs: Start) -> Prediction:
        """States in physical units at ``inputs.times``, the first of which is that of the given state."""
        assert isinstance(module, Dynamics)
        module.eval()
        states, solution = module(inputs.state, inputs.parameters, inputs.times, tolerance=inputs.tolerance)
        stats = {"evaluations": solution.stats.evaluations, "calls": solution.stats.calls}
        return Prediction(module.restore(states), None, solution.status, stats)
