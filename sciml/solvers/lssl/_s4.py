"""S4 as a solver of sequences."""

from sciml.core.capabilities import HasSequences
from sciml.models import S4
from sciml.nn.ssm import Learned
from sciml.solvers.lssl._config import KNOB, StateSpaceConfig, arguments_of, num_answers, recipes
from sciml.tasks.sequences import SequenceNetworkSolver, SequencesConfig, SequencesContext
from sciml.train import Recipe, recipe_of


class S4Config(StateSpaceConfig):
    """The same network with matrices that are normal but for one rank."""

    learn: Learned = "all"
    """What is trained of the systems, as for LSSL."""


_RECIPES = recipes(
    Recipe[S4Config, SequencesConfig],
    tiny=S4Config(features=12, state=32, depth=3),
    small=S4Config(features=32, state=64, depth=3),
    paper=S4Config(features=128, state=64, depth=6, dropout=0.1, norm="pre"),
    rate=4e-2,
)


class S4Solver(SequenceNetworkSolver[S4Config]):
    """Sequences by state-space layers whose HiPPO matrix, normal but for one rank, stays stable whatever is learned."""

    key = "s4"
    title = "S4"
    citation = (
        "Gu, Goel, Re, Efficiently Modeling Long Sequences with Structured State Spaces, ICLR 2022, arXiv:2111.00396"
    )
    claim = ""
    knob = KNOB

    def recipe(self, preset: str) -> Recipe[S4Config, SequencesConfig]:
        """As those of `LSSLSolver`."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: HasSequences, model: S4Config, context: SequencesContext) -> S4:
        """A network for the problem's signals and targets."""
        arguments = arguments_of(problem, model, context)
        return S4(len(problem.signals), num_answers(problem), learn=model.learn, **arguments)
