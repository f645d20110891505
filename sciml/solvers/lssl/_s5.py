"""S5 as a solver of sequences."""

import pydantic

from sciml.core.capabilities import HasSequences
from sciml.models import S5
from sciml.nn.ssm import DiagonalStart
from sciml.solvers.lssl._config import KNOB, StateSpaceConfig, arguments_of, num_answers, recipes
from sciml.tasks.sequences import SequenceNetworkSolver, SequencesConfig, SequencesContext
from sciml.train import Recipe, recipe_of


class S5Config(StateSpaceConfig):
    """The same network with one diagonal system for all features of a layer."""

    channels: int = pydantic.Field(default=1, ge=1, le=1)
    """A system has as many outputs as features."""
    start: DiagonalStart = "legs"
    """Eigenvalues at the beginning."""


_RECIPES = recipes(
    Recipe[S5Config, SequencesConfig],
    tiny=S5Config(features=12, state=32, depth=3),
    small=S5Config(features=32, state=64, depth=3),
    paper=S5Config(features=128, state=128, depth=6, dropout=0.1, norm="pre"),
    rate=1e-2,
)


class S5Solver(SequenceNetworkSolver[S5Config]):
    """Sequences by diagonal systems with a time step per sample: irregular times are read as they are."""

    key = "s5"
    irregular = True
    title = "S5"
    citation = (
        "Smith, Warrington, Linderman, Simplified State Space Layers for Sequence Modeling, ICLR 2023, arXiv:2208.04933"
    )
    claim = ""
    knob = KNOB

    def recipe(self, preset: str) -> Recipe[S5Config, SequencesConfig]:
        """As those of `LSSLSolver`."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: HasSequences, model: S5Config, context: SequencesContext) -> S5:
        """A network for the problem's signals and targets."""
        arguments = arguments_of(problem, model, context)
        del arguments["channels"]
        return S5(len(problem.signals), num_answers(problem), start=model.start, **arguments)
