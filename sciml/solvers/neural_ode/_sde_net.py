"""A classifier whose middle is a stochastic differential equation."""

from typing import Any

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sciml import ode
from sciml.core.capabilities import Classifies
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.data import Statistics
from sciml.nn import MLP, Activation
from sciml.solvers.neural_ode._neural_sde import Part
from sciml.solvers.neural_ode._ode_net import sample_shape
from sciml.solvers.neural_ode._regularise import RegulariseConfig
from sciml.solvers.neural_ode._sde_block import DiffuseConfig, SDEBlock
from sciml.tasks.classification import Classification, ClassificationConfig, Labelled, Pictures
from sciml.train import Knob, Recipe, Solver, Spec, TrainConfig, recipe_of


class SDENetConfig(Config):
    """Sizes of the classifier, and how many paths it averages over."""

    dim: int = pydantic.Field(16, ge=1)
    """Components of the state."""
    width: int = pydantic.Field(32, ge=1)
    """Hidden neurons of the drift."""
    nonlinearity: Activation = "tanh"
    """Of the drift."""
    paths: int = pydantic.Field(10, ge=1)
    """Paths whose logits are averaged when classifying; training takes one."""
    integrate: DiffuseConfig = DiffuseConfig(rtol=0.14, atol=0.14)
    """How paths are integrated, t from 0 to 1."""
    regularise: RegulariseConfig = RegulariseConfig()
    """What is penalised beside the cross-entropy."""


class SDENet(nn.Module):
    """z(0) = A x, dz = tanh-perceptron(z) dt + (B z + b) dW on t in [0, 1], logits = C z(1), affine maps A and C.

    Arguments:
        config: hyper-parameters.
        shape: of one sample.
        classes: how many.
        statistics: of the inputs.

    Reference: Pal, Ma, Shah, Rackauckas, ICML 2021, arXiv:2105.03918.
    """

    mean: Tensor
    std: Tensor
    times: Tensor

    def __init__(self, config: SDENetConfig, *, shape: tuple[int, ...], classes: int, statistics: Statistics) -> None:
        super().__init__()
        self.paths = config.paths
        self.register_buffer("mean", statistics.field_mean.mean())
        self.register_buffer("std", statistics.field_std.square().mean().sqrt())
        self.register_buffer("times", torch.tensor([0.0, 1.0]), persistent=False)
        self.stem = nn.Linear(int(torch.Size(shape).numel()), config.dim)
        self.block = SDEBlock(
            Part(MLP(config.dim, config.dim, width=config.width, nonlinearity=config.nonlinearity)),
            Part(nn.Linear(config.dim, config.dim)),
            integrate=config.integrate,
            regularise=config.regularise,
        )
        self.head = nn.Linear(config.dim, classes)

    def forward(
        self, inputs: Float[Tensor, "batch *shape"], *, seed: int, paths: int = 1, tolerance: float | None = None
    ) -> tuple[Float[Tensor, "batch class"], ode.Solution]:
        """Logits averaged over `paths` paths per sample, and what the solve of all paths says (path by path)."""
        start = self.stem(((inputs - self.mean) / self.std).flatten(1)).repeat(paths, 1)
        states, solution = self.block(start, self.times, seed=seed, tolerance=tolerance)
        return self.head(states[:, -1]).unflatten(0, (paths, len(inputs))).mean(0), solution


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


class SDENetSolver(Solver):
    """Classification by a network with an SDE block."""

    key = "sde_net"
    title = "SDE-Net"
    citation = (
        "Pal, Ma, Shah, Rackauckas, Opening the Blackbox: Accelerating Neural Differential Equations by Regularizing "
        "Internal Solver Heuristics, ICML 2021, arXiv:2105.03918"
    )
    claim = "penalised solver errors save evaluations at little loss of accuracy"
    task = Classification
    coupled = "all paths share their steps, and every path of a batch has its own noise"
    knob = Knob("width", 1, 2**16)

    def supports(self, problem: Problem) -> Support:
        """A problem that `Classifies`."""
        if isinstance(problem, Classifies):
            return Support(True)
        return Support(False, "it has no labelled samples (the problem is not a Classifies)")

    def recipe(self, preset: str) -> Recipe:
        """``paper`` has the published sizes, tolerance and schedule."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Problem, spec: Spec[Any]) -> SDENet:
        """A classifier for the problem's samples and classes."""
        assert isinstance(problem, Classifies)
        return SDENet(spec.model, shape=sample_shape(problem), classes=len(problem.classes), statistics=spec.statistics)

    def loss(self, module: nn.Module, batch: Labelled, along: float = 1.0) -> Tensor:
        """Cross-entropy along one path per sample, drawn anew every time, and the penalty."""
        assert isinstance(module, SDENet)
        logits, _ = module(batch.inputs, seed=int(torch.randint(2**62, ())))
        return module.block.policy.add_to(cross_entropy(logits, batch.labels), along)

    @torch.no_grad()
    def predict(self, module: nn.Module, inputs: Pictures) -> Prediction:
        """Class probabilities of the logits averaged over paths, always the same paths for the same number of samples.

        Samples share the steps of their batch, so that a sample's answer depends a little on the others.
        """
        assert isinstance(module, SDENet)
        module.eval()
        logits, solution = module(inputs.inputs, seed=0, paths=module.paths, tolerance=inputs.tolerance)
        status = solution.status.unflatten(0, (module.paths, len(logits))).amax(0)
        evaluations = solution.stats.evaluations.unflatten(0, (module.paths, len(logits))).amax(0)
        stats = {"evaluations": evaluations, "calls": solution.stats.calls}
        return Prediction(logits.softmax(dim=1), None, status, stats)
