"""State-space layers along the time of fields, on a few of their modes."""

import pydantic
import torch

from sciml.core import rng
from sciml.core.capabilities import HasTrajectories
from sciml.core.config import Config
from sciml.data import WindowBatch
from sciml.models import PODStateSpace
from sciml.nn import Stepper
from sciml.tasks.forecast import ForecastConfig, ForecastContext, StepperSolver
from sciml.train import Examples, Knob, Recipe, TrainConfig, recipe_of


class PODLSSLConfig(Config):
    """Modes of the training frames and an LSSL on their coefficients."""

    modes: int = pydantic.Field(default=16, ge=1)
    """Largest number of modes."""
    features: int = pydantic.Field(default=32, ge=1)
    """Signals inside the LSSL."""
    state: int = pydantic.Field(default=16, ge=1)
    """Components of a state."""
    depth: int = pydantic.Field(default=2, ge=1, le=1000)
    """Layers."""


_BASELINES = ("persistence", "linear", "unet", "fno")
_RECIPES = {
    "tiny": Recipe[PODLSSLConfig, ForecastConfig](
        model=PODLSSLConfig(modes=32),
        task=ForecastConfig(history=4),
        train=TrainConfig(steps=300, batch_size=16, learning_rate=4e-3, evaluate_every=50),
        baselines=_BASELINES,
    ),
    "small": Recipe[PODLSSLConfig, ForecastConfig](
        model=PODLSSLConfig(modes=64, features=96, state=32, depth=3),
        task=ForecastConfig(history=8),
        train=TrainConfig(steps=4000, batch_size=32, learning_rate=2e-3),
        baselines=_BASELINES,
    ),
    "paper": Recipe[PODLSSLConfig, ForecastConfig](
        model=PODLSSLConfig(modes=256, features=256, state=64, depth=4),
        task=ForecastConfig(history=16),
        train=TrainConfig(steps=50_000, batch_size=32, learning_rate=2e-3, evaluate_every=1000, checkpoint_every=1000),
        baselines=_BASELINES,
    ),
}


class PODLSSLSolver(StepperSolver[PODLSSLConfig, PODStateSpace]):
    """Forecasts on the leading modes of the fields, with linear state-space layers along time."""

    key = "pod_lssl"
    title = "POD-LSSL"
    citation = (
        "Gu et al., Linear State-Space Layers, NeurIPS 2021, arXiv:2110.13985; modes after Berkooz, Holmes, Lumley, "
        "Annual Review of Fluid Mechanics 25 (1993)"
    )
    claim = ""
    knob = Knob("features", 1, 4096)
    reads_forcings = True

    def recipe(self, preset: str) -> Recipe[PODLSSLConfig, ForecastConfig]:
        """Larger presets have more modes and a longer history."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: HasTrajectories, model: PODLSSLConfig, context: ForecastContext) -> PODStateSpace:
        """For the grid of the data; the time step and all scalars are told."""
        return PODStateSpace(
            context.grid.size,
            fields=len(problem.fields),
            history=context.history,
            modes=model.modes,
            features=model.features,
            state=model.state,
            depth=model.depth,
            condition_channels=1 + context.num_scalars(problem),
        )

    def initialise(self, module: Stepper[PODStateSpace], examples: Examples[WindowBatch]) -> None:
        """Modes of the last frames of training windows, two windows for every mode and 256 at least."""
        wanted = max(256, 2 * len(module.network.basis))
        chosen = torch.linspace(0, len(examples) - 1, min(len(examples), wanted)).long()
        frames = [
            module.standardise(examples.batch(rows, rng.generator(0, "modes")).to(module.field_mean.device).inputs)
            for rows in chosen.split(64)
        ]
        module.network.fit_modes(torch.cat([part[:, -1].flatten(1) for part in frames]))
