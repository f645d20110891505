"""DeepONet that learns from the equation, with pairs of functions or without."""

import pydantic
import torch
from torch import Tensor

from sciml.core.ansatz import Ansatz
from sciml.core.capabilities import HasOperatorResidual, MapsFunctions
from sciml.core.config import Config
from sciml.core.errors import UnsupportedError
from sciml.core.problem import Problem
from sciml.core.types import Support
from sciml.models import DeepONet, Strategy
from sciml.solvers.deeponet._deeponet import features_for
from sciml.solvers.deeponet._informed import BuiltIn, InformedOperator, Physics, refusal
from sciml.tasks.operator import (
    FreeOperator,
    OperatorConfig,
    OperatorContext,
    OperatorScales,
    OperatorSolver,
    PairBatch,
    ScoresItself,
    squared_error,
)
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class PIDeepONetConfig(Config):
    """A DeepONet with tanh, whose derivatives have a closed form, and what it is to make small."""

    modes: int = pydantic.Field(default=50, ge=1)
    """Products summed, per field."""
    width: int = pydantic.Field(default=50, ge=1)
    """Neurons of hidden layers."""
    branch_layers: int = pydantic.Field(default=3, ge=1, le=1000)
    """Weight layers of the branch."""
    trunk_layers: int = pydantic.Field(default=3, ge=1, le=1000)
    """Weight layers of the trunk, the last one activated."""
    bias: bool = True
    """Whether a number is added at the end."""
    strategy: Strategy = "split_both"
    """How several fields come out."""
    harmonics: int = pydantic.Field(default=2, ge=0, le=1000)
    """Waves that a periodic axis is seen by; 0 to see its coordinate, and then nothing makes it periodic."""
    hard: bool = True
    """Whether conditions are built in, as far as they can be: those that hold an input function are not."""
    points: int = pydantic.Field(default=200, ge=1)
    """Points inside of the domain at which the equation is to hold, the same for all functions."""
    face_points: int = pydantic.Field(default=100, ge=1)
    """Points of the face of every condition that is not built in."""
    soft: float = pydantic.Field(default=100.0, gt=0)
    """Weight of the conditions that are not built in, beside 1 for the equations."""
    data: float = pydantic.Field(default=0.0, ge=0)
    """Weight of the pairs; 0 to learn without their outputs."""


class PIDeepONetSolver(OperatorSolver[PIDeepONetConfig, InformedOperator], ScoresItself[InformedOperator]):
    """Branch and trunk, trained on the residual of the problem's statement."""

    key = "pi_deeponet"
    title = "Physics-informed DeepONet"
    citation = (
        "S. Wang, H. Wang, P. Perdikaris, Learning the solution operator of parametric partial differential equations "
        "with physics-informed DeepONets, Science Advances 7 (2021) eabi8605, arXiv:2103.10974"
    )
    claim = "Learns the antiderivative, a pendulum and a reaction-diffusion equation without any outputs"
    knob = Knob("width", 1, 4096)
    differentiates = "the product of branch and trunk"

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasOperatorResidual`, with input functions of one coordinate."""
        if not isinstance(problem, HasOperatorResidual):
            return Support(False, "it states no differential equation for its input functions")
        reason = refusal(problem.operator_statement(), problem)
        return Support(not reason, reason)

    def recipe(self, preset: str) -> Recipe[PIDeepONetConfig, OperatorConfig]:
        """Without outputs, at all presets."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: MapsFunctions, model: PIDeepONetConfig, context: OperatorContext) -> InformedOperator:
        """A network for the problem's functions, queries and fields; without data it is not told their statistics.

        Raises: UnsupportedError for a problem without a statement of its operator.
        """
        if not isinstance(problem, HasOperatorResidual):
            raise UnsupportedError("there is no equation to learn from", got=f"problem {problem.name!r}",
                                   expected="an operator with a statement", fix="Take solver deeponet.")  # fmt: skip
        scales = OperatorScales(context, problem.domain)
        if model.data == 0:
            scales.field_std.fill_(1.0)
        physics = Physics(problem, context.sensors, hard=model.hard, points=model.points, face_points=model.face_points)
        network = DeepONet(
            sensors=sum(context.sizes),
            dims=len(problem.domain.axes),
            fields=len(problem.fields),
            modes=model.modes,
            width=model.width,
            branch_layers=model.branch_layers,
            trunk_layers=model.trunk_layers,
            nonlinearity="tanh",
            bias=model.bias,
            strategy=model.strategy,
            features=features_for(problem, model.harmonics),
            constraint=_built_in(physics.ansatz, scales),
        )
        return InformedOperator(FreeOperator(network, scales, centred=False), physics, soft=model.soft, data=model.data)

    def loss(self, module: InformedOperator, batch: PairBatch, along: float = 1.0) -> Tensor:
        """Mean squares of residuals and soft conditions, and the mean squared error of the pairs, weighted."""
        total = module.violation(batch.functions)
        if module.data:
            total = total + module.data * squared_error(module.operator, batch)
        return total

    @torch.no_grad()
    def score(self, module: InformedOperator, batch: PairBatch) -> float | None:
        """The loss on functions that were not trained on; None with data, where the error decides."""
        return None if module.data else float(module.violation(batch.functions))


def _built_in(ansatz: Ansatz, scales: OperatorScales) -> BuiltIn | None:
    return None if ansatz.free else BuiltIn(ansatz, scales)


def _recipe(model: PIDeepONetConfig, steps: int, batch_size: int) -> Recipe[PIDeepONetConfig, OperatorConfig]:
    return Recipe[PIDeepONetConfig, OperatorConfig](
        model=model,
        task=OperatorConfig(),
        train=TrainConfig(
            steps=steps,
            batch_size=batch_size,
            learning_rate=2e-3,
            weight_decay=0.0,
            clip=None,
            warmup=0.02,
            final_learning_rate=1e-5,
            evaluate_every=max(100, steps // 20),
            checkpoint_every=max(100, steps // 20),
        ),
        baselines=("mean_map", "linear_map", "deeponet"),
    )


_RECIPES = {
    "tiny": _recipe(PIDeepONetConfig(), 2000, 32),
    "small": _recipe(PIDeepONetConfig(modes=100, width=100, points=500), 10_000, 64),
    "paper": _recipe(PIDeepONetConfig(modes=100, width=100, branch_layers=5, trunk_layers=5, points=1000), 40_000, 100),
}
