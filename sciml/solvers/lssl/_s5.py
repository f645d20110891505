"""S5 as a solver of sequences."""

import pydantic

from sciml.core.capabilities import HasSequences
from sciml.models import S5
from sciml.nn.ssm import DiagonalStart
from sciml.solvers.lssl._config import BASELINES, StateSpaceConfig, arguments_of, num_answers
from sciml.tasks.sequences import SequenceNetworkSolver, SequencesConfig, SequencesContext
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class S5Config(StateSpaceConfig):
    """The same network with one diagonal system for all features of a layer."""

    channels: int = pydantic.Field(default=1, ge=1, le=1)
    """A system has as many outputs as features."""
    start: DiagonalStart = "legs"
    """Eigenvalues at the beginning."""


_RECIPES = {
    "tiny": Recipe[S5Config, SequencesConfig](
        model=S5Config(features=12, state=32, depth=3),
        task=SequencesConfig(),
        train=TrainConfig(steps=300, batch_size=32, learning_rate=1e-2, weight_decay=0.0, evaluate_every=50),
        baselines=BASELINES,
    ),
    "small": Recipe[S5Config, SequencesConfig](
        model=S5Config(features=32, state=64, depth=3),
        task=SequencesConfig(strides=(2, 4)),
        train=TrainConfig(steps=1500, batch_size=32, learning_rate=4e-3, weight_decay=0.0),
        baselines=BASELINES,
    ),
    "paper": Recipe[S5Config, SequencesConfig](
        model=S5Config(features=128, state=128, depth=6, dropout=0.1, norm="pre"),
        task=SequencesConfig(strides=(2, 4)),
        train=TrainConfig(
            steps=200_000, batch_size=50, learning_rate=4e-3, weight_decay=0.0, clip=None, evaluate_every=1000,
            checkpoint_every=1000,
        ),
        baselines=BASELINES,
    ),
}  # fmt: skip


class S5Solver(SequenceNetworkSolver[S5Config]):
    """Sequences by diagonal systems with a time step per sample: irregular times are read as they are."""

    key = "s5"
    irregular = True
    title = "S5"
    citation = (
        "Smith, Warrington, Linderman, Simplified State Space Layers for Sequence Modeling, ICLR 2023, arXiv:2208.04933"
    )
    claim = ""
    knob = Knob("features", 1, 4096)

    def recipe(self, preset: str) -> Recipe[S5Config, SequencesConfig]:
        """As those of `LSSLSolver`."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: HasSequences, model: S5Config, context: SequencesContext) -> S5:
        """A network for the problem's signals and targets."""
        arguments = arguments_of(problem, model, context)
        del arguments["channels"]
        return S5(len(problem.signals), num_answers(problem), start=model.start, **arguments)
