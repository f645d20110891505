"""The dilated residual network."""

import pydantic
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Grid
from sciml.nn import (
    ConditionChoice,
    ConditionMode,
    Conv,
    Embedding,
    Modes,
    Norm,
    PaddingChoice,
    condition_mode,
    fold_time,
    modulation,
    padding_modes,
    unfold_time,
)
from sciml.tasks.forecast import Forecast, ForecastConfig, StepperSolver
from sciml.train import Knob, Recipe, Spec, TrainConfig, recipe_of

DILATIONS = (1, 2, 4, 8, 4, 2, 1)
"""Distances between the kernel points of the convolutions of one block."""


class DilResNetConfig(Config):
    """Residual blocks of dilated convolutions at full resolution."""

    width: int = pydantic.Field(128, ge=1)
    """Channels throughout."""
    blocks: int = pydantic.Field(4, ge=1)
    """Residual blocks of seven convolutions each."""
    padding: PaddingChoice = "auto"
    """``auto`` wraps periodic axes and pads the others with zeros; ``circular`` or ``zeros`` forces both axes."""
    condition: ConditionChoice = "auto"
    """How stride and parameters enter; ``auto`` is adagn where the problem has parameters and none where not."""


class DilResNet(nn.Module):
    """Encode, process by residual blocks of dilated convolutions, decode; the grid is never coarsened.

        z_0 = P(u),   z_k = z_{k-1} + B_k(z_{k-1}),   u_{t+1} = Q(z_K)

    Arguments:
        config: hyper-parameters.
        grid: the grid of the data; a periodic axis needs at least 8 points.
        fields: physical channels.
        history: frames seen.
        num_parameters: physical parameters in the condition, after the stride.

    Raises:
        UserError: the grid is not two-dimensional; in `forward`, a periodic axis is shorter than the largest dilation.

    Reference:
        Stachenfeld et al., "Learned Coarse Models for Efficient Turbulence Simulation", ICLR 2022, arXiv:2112.15275.
    """

    def __init__(
        self, config: DilResNetConfig, *, grid: Grid, fields: int, history: int, num_parameters: int = 0
    ) -> None:
        super().__init__()
        modes = padding_modes(config.padding, grid)
        mode = condition_mode(config.condition, num_parameters)
        self.embedding = None if mode == "none" else Embedding(1 + num_parameters, config.width)
        self.encoder = Conv(history * fields, config.width, modes=modes)
        self.blocks = nn.ModuleList(
            DilatedBlock(config.width, modes=modes, condition=mode) for _ in range(config.blocks)
        )
        self.decoder = Conv(config.width, fields, modes=modes)

    def forward(
        self,
        states: Float[Tensor, "batch history channel y x"],
        condition: Float[Tensor, "batch condition"],
    ) -> Float[Tensor, "batch 1 channel y x"]:
        """The next state, standardised as the input is."""
        embedding = None if self.embedding is None else self.embedding(condition)
        z = self.encoder(fold_time(states))
        for block in self.blocks:
            z = z + block(z, embedding)
        return unfold_time(self.decoder(z))


class DilatedBlock(nn.Module):
    """Seven times conv3x3 -> norm -> GELU with dilations 1-2-4-8-4-2-1; conditioning enters after the first.

    Arguments:
        channels: features.
        modes: padding along y and x.
        condition: how the embedding (4 x channels entries) enters.
    """

    def __init__(self, channels: int, *, modes: Modes, condition: ConditionMode) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Conv(channels, channels, modes=modes, dilation=d) for d in DILATIONS)
        self.norms = nn.ModuleList(Norm(channels) for _ in DILATIONS)
        self.modulation = modulation(condition, size=4 * channels, channels=channels)
        self.activation = nn.GELU()

    def forward(
        self, z: Float[Tensor, "batch channel y x"], embedding: Float[Tensor, "batch embedding"] | None = None
    ) -> Float[Tensor, "batch channel y x"]:
        """The increment on the same grid."""
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            z = self.activation(norm(conv(z)))
            if i == 0 and self.modulation is not None:
                z = self.modulation(z, embedding)
        return z


_RECIPES = {
    "tiny": Recipe[DilResNetConfig, ForecastConfig](
        model=DilResNetConfig(width=24, blocks=2),
        task=ForecastConfig(history=2),
        train=TrainConfig(steps=500, batch_size=16, learning_rate=4e-3, warmup=0.2),
        baselines=("persistence", "linear"),
    ),
    "small": Recipe[DilResNetConfig, ForecastConfig](
        model=DilResNetConfig(width=36, blocks=2),
        task=ForecastConfig(history=2),
        train=TrainConfig(
            steps=1500, batch_size=16, learning_rate=4e-3, warmup=0.2, evaluate_every=250, checkpoint_every=250
        ),
        baselines=("persistence", "linear"),
    ),
    "paper": Recipe[DilResNetConfig, ForecastConfig](
        model=DilResNetConfig(width=128, blocks=4),
        task=ForecastConfig(history=4),
        train=TrainConfig(steps=113_750, batch_size=32, learning_rate=2e-4, evaluate_every=2275, checkpoint_every=2275),
        baselines=("persistence", "linear"),
    ),
}


class DilResNetSolver(StepperSolver):
    """Forecasts by a dilated residual network."""

    key = "dilresnet"
    title = "Dilated ResNet"
    citation = (
        "Stachenfeld, Fielding, Kochkov, Cranmer, Pfaff, Godwin, Cui, Ho, Battaglia, Sanchez-Gonzalez, Learned Coarse "
        "Models for Efficient Turbulence Simulation, ICLR 2022, arXiv:2112.15275"
    )
    claim = ""
    task = Forecast
    knob = Knob("width", 1, 1024)

    def recipe(self, preset: str) -> Recipe[DilResNetConfig, ForecastConfig]:
        """``paper`` is the 128-channel network of the usual benchmarks (4.2 million parameters)."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: Problem, spec: Spec[DilResNetConfig]) -> DilResNet:
        """A network for the problem's fields and parameters."""
        return DilResNet(
            spec.model,
            grid=spec.grid,
            fields=len(problem.fields),
            history=spec.task.history,
            num_parameters=len(problem.parameters),
        )
