"""A classifier whose middle is a stochastic differential equation."""

import pydantic
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sciml.core.capabilities import Classifies
from sciml.core.config import Config
from sciml.core.types import Prediction
from sciml.models import DiffuseConfig, RegulariseConfig, SDENet
from sciml.nn import Activation
from sciml.tasks.classification import (
    ClassificationConfig,
    ClassificationContext,
    ClassificationSolver,
    Labelled,
    Pictures,
)
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class SDENetConfig(Config):
    """Sizes of the classifier, and how many paths it averages over."""

    dim: int = pydantic.Field(default=16, ge=1)
    """Components of the state."""
    width: int = pydantic.Field(default=32, ge=1)
    """Hidden neurons of the drift."""
    nonlinearity: Activation = "tanh"
    """Of the drift."""
    paths: int = pydantic.Field(default=10, ge=1)
    """Paths whose logits are averaged when classifying; training takes one."""
    integrate: DiffuseConfig = DiffuseConfig(rtol=0.14, atol=0.14)
    """How paths are integrated, t from 0 to 1."""
    regularise: RegulariseConfig = RegulariseConfig()
    """What is penalised beside the cross-entropy."""


_RECIPES = {
    "tiny": Recipe[SDENetConfig, ClassificationConfig](
        model=SDENetConfig(),
        task=ClassificationConfig(tolerances=()),
        train=TrainConfig(steps=200, batch_size=128, learning_rate=1e-2, evaluate_every=50),
        baselines=("resnet",),
    ),
    "small": Recipe[SDENetConfig, ClassificationConfig](
        model=SDENetConfig(),
        task=ClassificationConfig(tolerances=()),
        train=TrainConfig(steps=600, batch_size=128, learning_rate=1e-2, evaluate_every=100),
        baselines=("resnet",),
    ),
    "paper": Recipe[SDENetConfig, ClassificationConfig](
        model=SDENetConfig(dim=32, width=64),
        task=ClassificationConfig(tolerances=()),
        train=TrainConfig(
            steps=4720,
            batch_size=512,
            learning_rate=1e-2,
            weight_decay=0.0,
            warmup=0.0,
            clip=None,
            evaluate_every=118,
            checkpoint_every=118,
        ),
        baselines=("resnet",),
    ),
}


class SDENetSolver(ClassificationSolver[SDENetConfig, SDENet]):
    """Classification by a network with an SDE block."""

    key = "sde_net"
    title = "SDE-Net"
    citation = (
        "Pal, Ma, Shah, Rackauckas, Opening the Blackbox: Accelerating Neural Differential Equations by Regularizing "
        "Internal Solver Heuristics, ICML 2021, arXiv:2105.03918"
    )
    claim = "penalised solver errors save evaluations at little loss of accuracy"
    coupled = "all paths share their steps, and every path of a batch has its own noise"
    branches = "its steps in time depend on the samples"
    knob = Knob("width", 1, 2**16)

    def recipe(self, preset: str) -> Recipe[SDENetConfig, ClassificationConfig]:
        """``paper`` has the published sizes, tolerance and schedule."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Classifies, model: SDENetConfig, context: ClassificationContext) -> SDENet:
        """A classifier for the problem's samples and classes."""
        config, statistics = model, context.statistics
        return SDENet(
            context.shape,
            len(problem.classes),
            dim=config.dim,
            width=config.width,
            nonlinearity=config.nonlinearity,
            mean=statistics.field_mean.mean(),
            std=statistics.field_std.square().mean().sqrt(),
            paths=config.paths,
            integrate=config.integrate,
            regularise=config.regularise,
        )

    def loss(self, module: SDENet, batch: Labelled, along: float = 1.0) -> Tensor:
        """Cross-entropy along one path per sample, drawn anew every time, and the penalty."""
        logits, _ = module(batch.inputs, seed=int(torch.randint(2**62, ())))
        return module.block.policy.add_to(cross_entropy(logits, batch.labels), along)

    @torch.no_grad()
    def predict(self, module: SDENet, inputs: Pictures) -> Prediction:
        """Class probabilities of the logits averaged over paths, always the same paths for the same number of samples.

        Samples share the steps of their batch, so that a sample's answer depends a little on the others.
        """
        module.eval()
        logits, solution = module(inputs.inputs, seed=0, paths=module.paths, tolerance=inputs.tolerance)
        status = solution.status.unflatten(0, (module.paths, len(logits))).amax(0)
        evaluations = solution.stats.evaluations.unflatten(0, (module.paths, len(logits))).sum(0)  # all are paid for
        stats = {"evaluations": evaluations, "calls": solution.stats.calls}
        return Prediction(logits.softmax(dim=1), None, status, stats)
