"""A plain network of sensors and query: the baseline of the DeepONet paper."""

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.capabilities import MapsFunctions
from sciml.core.config import Config
from sciml.models import GlorotMLP
from sciml.nn import Activation, activation
from sciml.tasks.operator import (
    FreeOperator,
    OperatorConfig,
    OperatorContext,
    OperatorScales,
    OperatorSolver,
    PairBatch,
    squared_error,
)
from sciml.train import Knob, Recipe, TrainConfig, recipe_of

_ROWS = 4096
"""Most pairs of function and query in a step: each is a pass through the whole network."""


class PlainNetwork(nn.Module):
    """v(y) = N([u(x_1), …, u(x_m), y]), a fully connected network.

    The first layer is applied to functions and queries apart, W_u u + W_y y + b, so that a common set of queries costs
    no copies of the functions; it is the same layer.

    Arguments:
        sensors, dims, fields: values in, coordinates of a query, fields out.
        width, layers: of the hidden layers.
        nonlinearity: between layers.
    """

    def __init__(
        self, *, sensors: int, dims: int, fields: int, width: int, layers: int, nonlinearity: Activation
    ) -> None:
        super().__init__()
        first = nn.Linear(sensors + dims, width)
        nn.init.xavier_normal_(first.weight)
        nn.init.zeros_(first.bias)
        self.sensors, self.first = sensors, first
        self.rest = GlorotMLP((*(width,) * layers, fields), nonlinearity=nonlinearity)
        self.nonlinearity = activation(nonlinearity)

    def forward(
        self,
        functions: Float[Tensor, "batch sensor"],
        queries: Float[Tensor, "query dim"] | Float[Tensor, "batch query dim"],
    ) -> Float[Tensor, "batch query field"]:
        """The fields."""
        of_functions, of_queries = self.first.weight.split([self.sensors, queries.shape[-1]], dim=1)
        hidden = (functions @ of_functions.T)[:, None] + queries @ of_queries.T + self.first.bias
        return self.rest(self.nonlinearity(hidden))


class FNNConfig(Config):
    """A fully connected network."""

    width: int = pydantic.Field(default=60, ge=1)
    """Neurons of a hidden layer."""
    layers: int = pydantic.Field(default=2, ge=1, le=1000)
    """Hidden layers."""
    nonlinearity: Activation = "relu"


class FNNSolver(OperatorSolver[FNNConfig, FreeOperator[PlainNetwork]]):
    """Sensors and query in one plain network."""

    key = "fnn"
    title = "Fully connected network"
    citation = "the baseline of Lu et al., arXiv:1910.03193: a multi-layer perceptron of sensors and query"
    claim = ""
    knob = Knob("width", 1, 4096)

    def recipe(self, preset: str) -> Recipe[FNNConfig, OperatorConfig]:
        """Two hidden layers."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: MapsFunctions, model: FNNConfig, context: OperatorContext) -> FreeOperator[PlainNetwork]:
        """A network for the problem's functions, queries and fields."""
        network = PlainNetwork(
            sensors=sum(context.sizes),
            dims=len(problem.domain.axes),
            fields=len(problem.fields),
            width=model.width,
            layers=model.layers,
            nonlinearity=model.nonlinearity,
        )
        return FreeOperator(network, OperatorScales(context, problem.domain))

    def loss(self, module: FreeOperator[PlainNetwork], batch: PairBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of standardised fields, at queries drawn anew where there are too many for all of them."""
        most = max(1, _ROWS // len(batch))
        if batch.queries.ndim == 3 or len(batch.queries) <= most:
            return squared_error(module, batch)
        chosen = torch.randperm(len(batch.queries))[:most].to(batch.queries.device)
        return squared_error(module, PairBatch(batch.functions, batch.queries[chosen], batch.targets[:, chosen]))


_RECIPES = {
    preset: Recipe[FNNConfig, OperatorConfig](
        model=FNNConfig(width=width),
        task=OperatorConfig(),
        train=TrainConfig(
            steps=steps,
            batch_size=size,
            learning_rate=3e-3,
            weight_decay=0.0,
            clip=None,
            warmup=0.02,
            final_learning_rate=1e-5,
            evaluate_every=max(100, steps // 20),
            checkpoint_every=max(100, steps // 20),
        ),
    )
    for preset, steps, size, width in (
        ("tiny", 2000, 64, 50),
        ("small", 20_000, 1000, 100),
        ("paper", 50_000, 10_000, 100),
    )
}
