"""The physics-informed network as a solver: its recipes, its size, its claim."""

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import HasResidual
from sciml.core.problem import Problem
from sciml.core.scales import Scales
from sciml.core.status import Status
from sciml.core.types import Params, Prediction, Support
from sciml.solvers.pinn._config import AdaptConfig, EmbedConfig, OptimiseConfig, PINNConfig, WeighConfig
from sciml.solvers.pinn._covariance import covariance
from sciml.solvers.pinn._idle import idle_reason
from sciml.solvers.pinn._module import PINN
from sciml.solvers.pinn._objective import evaluate, scaled, terms_of
from sciml.solvers.pinn._rule import PINNRule, initial_weights
from sciml.solvers.pinn._space import pinn_space
from sciml.tasks.collocation import (
    CollocationBatch,
    CollocationConfig,
    CollocationContext,
    CollocationSolver,
    Locations,
    stated,
)
from sciml.train import Examples, Knob, Recipe, Searchable, Space, TrainConfig, recipe_of

_RECIPES = {
    "tiny": Recipe[PINNConfig, CollocationConfig](
        model=PINNConfig(),
        task=CollocationConfig(),
        train=TrainConfig(steps=150, batch_size=1000, evaluate_every=10, checkpoint_every=50),
    ),
    "small": Recipe[PINNConfig, CollocationConfig](
        model=PINNConfig(layers=3, adapt=AdaptConfig(kind="rad", every=10)),
        task=CollocationConfig(points=2500),
        train=TrainConfig(steps=200, batch_size=2500, evaluate_every=10, checkpoint_every=50),
    ),
    "paper": Recipe[PINNConfig, CollocationConfig](
        model=PINNConfig(
            network="modified_mlp",
            width=256,
            layers=4,
            factorised=True,
            hard=False,
            embedding=EmbedConfig(fourier=256, sigma=2.0),
            optimise=OptimiseConfig(method="adam", engine="autograd"),
            weigh=WeighConfig(soft=1.0, balance="ntk", balance_every=1000, causal=1.0),
        ),
        task=CollocationConfig(points=8192, face_points=512, sampler="uniform", resample=True),
        train=TrainConfig(steps=300_000, batch_size=8192, evaluate_every=1000, checkpoint_every=1000),
    ),
}


class PINNSolver(CollocationSolver[PINNConfig, PINN], Searchable):
    """Differential equations on boxes by a network of the coordinates."""

    key = "pinn"
    title = "Physics-informed network"
    citation = (
        "Raissi, Perdikaris, Karniadakis, J. Comput. Phys. 378 (2019), doi:10.1016/j.jcp.2018.10.045; "
        "Müller, Zeinhofer, Energy natural gradients, ICML 2023, arXiv:2302.13163; "
        "Wang, Sankaran, Wang, Perdikaris, An expert's guide to training PINNs, arXiv:2308.08468"
    )
    claim = (
        "conditions built into the ansatz and a Gauss-Newton method reach a relative error of 1e-3 at least ten times "
        "sooner than DeepXDE's published recipes (the race 'pinn')"
    )
    rule = PINNRule
    drawn = frozenset({"embedding.random"})
    knob = Knob("width", 1, 2**12)

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasResidual`."""
        if isinstance(problem, HasResidual):
            return Support(True)
        return Support(False, "it states no differential equation")

    def recipe(self, preset: str) -> Recipe[PINNConfig, CollocationConfig]:
        """In ``small`` points follow the residual; ``paper`` is the expert's guide: soft, balanced, causal, by Adam."""
        return recipe_of(_RECIPES, preset)

    def idle_reason(self, key: str, problem: HasResidual, recipe: Recipe[PINNConfig, CollocationConfig]) -> str:
        """Settings of methods, features, weights and points that are not in use."""
        return idle_reason(key, problem, recipe)

    def build(self, problem: HasResidual, model: PINNConfig, context: CollocationContext) -> PINN:
        """A network of the problem's coordinates in float64."""
        return PINN(model, stated(problem, context.case, context.parameters), context.scales)

    def space(self, problem: HasResidual, model: PINNConfig, context: CollocationContext) -> Space:
        """Depth, activation, and the width of every hidden layer. UnsupportedError for other networks than an mlp."""
        return pinn_space(model)

    def loss(self, module: PINN, batch: CollocationBatch, along: float = 1.0) -> Tensor:
        """Weighted mean squares of all terms."""
        terms = terms_of(module, batch)
        rows = scaled([evaluate(module, term) for term in terms], initial_weights(module.config, terms))
        return torch.stack([row.square().sum() for row in rows]).sum()

    def step_rule(
        self, module: PINN, examples: Examples[CollocationBatch], config: TrainConfig, seed: int = 0
    ) -> PINNRule:
        """The method of `OptimiseConfig`."""
        return PINNRule(module, examples, config.steps)

    @torch.no_grad()
    def predict(self, module: PINN, inputs: Locations) -> Prediction:
        """The fields, float32."""
        values = module(inputs.points).float()
        status = torch.where(values.isfinite().all(1), int(Status.OK), int(Status.DIVERGED))
        return Prediction(values, None, status)

    def fields(self, module: PINN, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point field"]:
        """The fields with gradients."""
        return module(points)

    def numbers(self, module: PINN) -> Params:
        """The unknown numbers."""
        return module.numbers()

    def covariance(
        self, module: PINN, evidence: CollocationBatch, typical: Scales
    ) -> Float[Tensor, "unknown unknown"] | None:
        """That of Gauss and Newton, with the equation as a constraint."""
        return covariance(module, evidence, typical)
