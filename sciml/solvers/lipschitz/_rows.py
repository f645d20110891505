"""Numbers from parameters by a Lipschitz network and a Lipschitz loss, with public constants."""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Self, cast

import pydantic
import torch
from torch import Tensor, nn

from sciml.core.capabilities import MapsParameters
from sciml.core.config import Config
from sciml.core.errors import ConfigError
from sciml.models import LipschitzMLP
from sciml.nn import Units
from sciml.nn.lipschitz import Constrained
from sciml.solvers.baselines import RowModule, RowRegression
from sciml.tasks.regression import RegressionConfig, RegressionContext, RowBatch
from sciml.train import Certified, GradientRule, Knob, Loss, Recipe, TrainConfig, recipe_of


class LipschitzRowsConfig(Config):
    """A network of orthogonal layers."""

    width: int = pydantic.Field(default=64, ge=2, multiple_of=2)
    """Neurons of a hidden layer."""
    layers: int = pydantic.Field(default=2, ge=1, le=1000)
    """Hidden layers."""
    radius: float = pydantic.Field(default=4.0, gt=0)
    """Largest norm of standardised parameters; longer ones are shortened."""
    scale: float = pydantic.Field(default=3.0, gt=0)
    """Lipschitz constant of the network: steeper functions it cannot fit, and noise grows with it."""
    loss: Literal["huber", "absolute", "squares"] = "huber"
    """``huber`` (½e² up to `corner`, linear beyond) and ``absolute`` have a Lipschitz constant; ``squares`` has none
    and cannot be trained privately without clipping."""
    corner: float = pydantic.Field(default=0.5, gt=0)
    """Where the Huber loss becomes linear, in standard deviations: its Lipschitz constant."""
    centre: tuple[float, ...] | None = None
    """Public values about which targets are standardised, one per target; None: the mean of the training rows, which a
    private training leaks."""
    spread: tuple[float, ...] | None = None
    """Public scales of the targets; None: the standard deviation of the training rows, which it leaks too."""

    @pydantic.model_validator(mode="after")
    def _both(self) -> Self:
        if (self.centre is None) != (self.spread is None):
            raise ValueError("centre and spread are given together or not at all")
        if self.spread is not None and not all(value > 0 for value in self.spread):
            raise ValueError("every spread must be positive")
        return self


class _Constants(NamedTuple):
    field_mean: Tensor
    field_std: Tensor
    parameter_mean: Tensor
    parameter_std: Tensor


class ProjectedRule(GradientRule):
    """Steps of the usual optimiser, after each of which constrained layers are projected."""

    def step(self, batch: Any, along: float) -> Tensor:  # Any: a batch of the task
        """A step and the projection."""
        loss = super().step(batch, along)
        project(self.module)
        return loss


def project(module: nn.Module) -> None:
    """Bring all constrained layers of a module back to their constraints."""
    for layer in module.modules():
        if isinstance(layer, Constrained):
            layer.project()


def _recipe(width: int, steps: int, batch: int) -> Recipe[LipschitzRowsConfig, RegressionConfig]:
    return Recipe[LipschitzRowsConfig, RegressionConfig](
        model=LipschitzRowsConfig(width=width),
        task=RegressionConfig(),
        train=TrainConfig(
            steps=steps, batch_size=batch, learning_rate=1e-2, weight_decay=0.0, clip=None,
            evaluate_every=max(1, steps // 20),
        ),
        baselines=("mean_rows", "mlp_rows"),
    )  # fmt: skip


_RECIPES = {"tiny": _recipe(32, 400, 32), "small": _recipe(64, 1500, 128), "paper": _recipe(128, 4000, 512)}


class LipschitzRowsSolver(RowRegression[LipschitzMLP, LipschitzRowsConfig]):
    """Numbers by a network of orthogonal layers, whose gradients are bounded for every row.

    Parameters are standardised by their declared ranges, which are public, and not by the rows.
    """

    key = "lipschitz_rows"
    title = "Lipschitz network"
    citation = "Béthune et al., DP-SGD without clipping: the Lipschitz neural network way, ICLR 2024, arXiv:2305.16202"
    claim = "private training without clipping errs at most 1.5 times as much as clipped training at epsilon 3"
    knob = Knob("width", 2, 2**12)
    networks = (LipschitzMLP,)

    def recipe(self, preset: str) -> Recipe[LipschitzRowsConfig, RegressionConfig]:
        """Larger presets are wider and train longer."""
        return recipe_of(_RECIPES, preset)

    def build(
        self, problem: MapsParameters, model: LipschitzRowsConfig, context: RegressionContext
    ) -> RowModule[LipschitzMLP, LipschitzRowsConfig]:
        """The network with constants from the declared ranges."""
        model = model.model_copy(update={"width": model.width + model.width % 2})
        units = Units(_constants(problem, model, context))
        network = LipschitzMLP(
            units.num_parameters, units.channels, width=model.width, layers=model.layers, radius=model.radius,
            scale=model.scale,
        )  # fmt: skip
        return RowModule(network, units, model)

    def loss(self, module: RowModule[LipschitzMLP, LipschitzRowsConfig], batch: RowBatch, along: float = 1.0) -> Tensor:
        """Mean over rows of a function of the error's norm |e|."""
        config = module.config
        error = module.standardised(batch.parameters) - module.units.standardise(batch.targets)
        squares = error.square().sum(1)
        if config.loss == "squares":
            return squares.mean()
        size = squares.clamp_min(1e-24).sqrt()
        if config.loss == "absolute":
            return size.mean()
        corner = config.corner
        return torch.where(size <= corner, 0.5 * squares, corner * (size - 0.5 * corner)).mean()

    def step_rule(
        self,
        module: RowModule[LipschitzMLP, LipschitzRowsConfig],
        examples: Any,  # Any: not read; the rule is given batches
        config: TrainConfig,
        seed: int = 0,
    ) -> ProjectedRule:
        """The usual optimiser, then the projection."""
        return ProjectedRule(module, cast(Loss, self.loss), config)  # it is given this module alone

    def certified(self, module: RowModule[LipschitzMLP, LipschitzRowsConfig]) -> Certified:
        """The chain of layers, and the Lipschitz constant of the loss: its corner, 1, or none."""
        config = module.config
        constant = {"huber": config.corner, "absolute": 1.0, "squares": math.inf}[config.loss]
        return Certified(module.map.chain, math.inf, constant, _leaks(config))


def _leaks(config: LipschitzRowsConfig) -> Mapping[str, str]:
    if config.centre is not None:
        return {}
    return {"targets": "mean and standard deviation of the targets come from the training rows; give model.centre and "
                       "model.spread for public ones"}  # fmt: skip


def _constants(problem: MapsParameters, model: LipschitzRowsConfig, context: RegressionContext) -> _Constants:
    """Moments of evenly distributed parameters in their ranges, and of the targets."""
    mean, std = context.statistics.field_mean, context.statistics.field_std
    low = mean.new_tensor([entry.low for entry in problem.parameters])
    high = mean.new_tensor([entry.high for entry in problem.parameters])
    if model.centre is not None and model.spread is not None:
        if not len(model.centre) == len(model.spread) == len(mean):
            raise ConfigError("the public constants do not fit the targets",
                              got=f"{len(model.centre)} in model.centre, {len(model.spread)} in model.spread",
                              expected="one for each of " + ", ".join(f.name for f in problem.fields))  # fmt: skip
        mean, std = mean.new_tensor(model.centre), std.new_tensor(model.spread)
    return _Constants(mean, std, (low + high) / 2, (high - low) / math.sqrt(12))
