"""The Fourier neural operator on two axes."""

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, pad

from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Grid
from sciml.nn import (
    ConditionChoice,
    Embedding,
    SpectralConv,
    condition_mode,
    modulation,
    padding_modes,
    unfold_time,
)
from sciml.tasks.forecast import Forecast, ForecastConfig, StepperSolver
from sciml.train import Knob, Recipe, Spec, TrainConfig, recipe_of

_EXTENSION = 4  # an axis that is not periodic is extended by a quarter of its points


class FNOConfig(Config):
    """Layers of truncated Fourier convolutions."""

    width: int = pydantic.Field(32, ge=1)
    """Channels of the layers; lifting and projection have twice as many hidden ones."""
    modes: int = pydantic.Field(12, ge=1)
    """Non-negative wavenumbers kept per axis; every axis needs at least twice as many points."""
    layers: int = pydantic.Field(4, ge=1)
    """Fourier layers."""
    condition: ConditionChoice = "auto"
    """How stride and parameters enter; ``auto`` is adagn where the problem has parameters and none where not."""


class FNO(nn.Module):
    """Lift, mix the lowest Fourier modes, project.

        v_0 = P(u, x),   v_{l+1} = σ(K_l v_l + W_l v_l + b_l),   u_{t+1} = Q(v_L)

    K_l is a `SpectralConv`, W_l a 1x1 convolution, P and Q are pointwise two-layer networks, σ is GELU (left out after
    the last layer). Conditioning modulates K v + W v + b before σ. A periodic axis needs nothing. An axis that is not
    periodic is extended by a quarter with zeros before the layers and cropped after them, so that its ends do not
    meet, and its coordinate in [-1, 1] is an extra input; where all axes are periodic there are no coordinates and the
    network commutes with every shift.

    Arguments:
        config: hyper-parameters.
        grid: the grid of the data.
        fields: physical channels.
        history: frames seen.
        num_parameters: physical parameters in the condition, after the stride.

    Raises:
        UserError: the grid is not two-dimensional; in `forward`, it does not resolve the modes.

    Reference:
        Li, Kovachki, Azizzadenesheli, Liu, Bhattacharya, Stuart, Anandkumar, "Fourier Neural Operator for Parametric
        Partial Differential Equations", ICLR 2021, arXiv:2010.08895.
    """

    def __init__(self, config: FNOConfig, *, grid: Grid, fields: int, history: int, num_parameters: int = 0) -> None:
        super().__init__()
        self.bounded = [mode == "zeros" for mode in padding_modes("auto", grid)]
        mode = condition_mode(config.condition, num_parameters)
        w = config.width
        self.embedding = None if mode == "none" else Embedding(1 + num_parameters, w)
        self.lift = _pointwise(history * fields + sum(self.bounded), w)
        self.spectral = nn.ModuleList(SpectralConv(w, w, modes=config.modes) for _ in range(config.layers))
        self.skip = nn.ModuleList(nn.Conv2d(w, w, 1) for _ in range(config.layers))
        self.modulate = nn.ModuleList(
            modulation(mode, size=4 * w, channels=w) or nn.Identity() for _ in range(config.layers)
        )
        self.project = _pointwise(w, fields, hidden=2 * w)

    def forward(
        self,
        states: Float[Tensor, "batch history channel y x"],
        condition: Float[Tensor, "batch condition"],
    ) -> Float[Tensor, "batch 1 channel y x"]:
        """The next state, standardised as the input is."""
        embedding = None if self.embedding is None else self.embedding(condition)
        height, width = states.shape[-2:]
        v = self.lift(torch.cat((states.flatten(1, 2), *self._coordinates(states)), dim=1))
        extra_y, extra_x = (n // _EXTENSION if end else 0 for n, end in zip((height, width), self.bounded, strict=True))
        if extra_y or extra_x:
            v = pad(v, (0, extra_x, 0, extra_y))
        for i, (spectral, skip, modulate) in enumerate(zip(self.spectral, self.skip, self.modulate, strict=True)):
            v = spectral(v) + skip(v)
            if embedding is not None:
                v = modulate(v, embedding)
            if i < len(self.spectral) - 1:
                v = gelu(v)
        return unfold_time(self.project(v[..., :height, :width]))

    def _coordinates(self, states: Tensor) -> list[Tensor]:
        batch, _, _, *size = states.shape
        found = []
        for axis, bounded in enumerate(self.bounded):
            if bounded:
                n = size[axis]
                points = (2 * torch.arange(n, device=states.device, dtype=states.dtype) + 1) / n - 1
                found.append(points.view((n, 1) if axis == 0 else (1, n)).expand(batch, 1, *size))
        return found


def _pointwise(channels_in: int, channels_out: int, hidden: int | None = None) -> nn.Sequential:
    hidden = hidden or 2 * channels_out
    return nn.Sequential(nn.Conv2d(channels_in, hidden, 1), nn.GELU(), nn.Conv2d(hidden, channels_out, 1))


_RECIPES = {
    "tiny": Recipe[FNOConfig, ForecastConfig](
        model=FNOConfig(width=17, modes=8),
        task=ForecastConfig(history=2),
        train=TrainConfig(steps=500, batch_size=16, learning_rate=1e-2),
        baselines=("persistence", "linear"),
    ),
    "small": Recipe[FNOConfig, ForecastConfig](
        model=FNOConfig(width=17, modes=8),
        task=ForecastConfig(history=2),
        train=TrainConfig(steps=1500, batch_size=16, learning_rate=8e-3, evaluate_every=250, checkpoint_every=250),
        baselines=("persistence", "linear"),
    ),
    "paper": Recipe[FNOConfig, ForecastConfig](
        model=FNOConfig(width=128, modes=8, layers=8),
        task=ForecastConfig(history=4),
        train=TrainConfig(steps=113_750, batch_size=32, learning_rate=1e-3, evaluate_every=2275, checkpoint_every=2275),
        baselines=("persistence", "linear"),
    ),
}


class FNOSolver(StepperSolver):
    """Forecasts by a Fourier neural operator."""

    key = "fno"
    title = "Fourier neural operator"
    citation = (
        "Li, Kovachki, Azizzadenesheli, Liu, Bhattacharya, Stuart, Anandkumar, Fourier Neural Operator for Parametric "
        "Partial Differential Equations, ICLR 2021, arXiv:2010.08895"
    )
    claim = ""
    task = Forecast
    knob = Knob("width", 1, 1024)

    def recipe(self, preset: str) -> Recipe[FNOConfig, ForecastConfig]:
        """``paper`` keeps 8 modes at width 128 in 8 Fourier convolutions (33.7 million parameters)."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: Problem, spec: Spec[FNOConfig]) -> FNO:
        """An operator for the problem's fields and parameters."""
        return FNO(
            spec.model,
            grid=spec.grid,
            fields=len(problem.fields),
            history=spec.task.history,
            num_parameters=len(problem.parameters),
        )
