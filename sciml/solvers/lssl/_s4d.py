"""S4D as a solver of sequences."""

from sciml.core.capabilities import HasSequences
from sciml.models import S4D
from sciml.nn.ssm import DiagonalStart
from sciml.solvers.lssl._config import KNOB, StateSpaceConfig, arguments_of, num_answers, recipes
from sciml.tasks.sequences import SequenceNetworkSolver, SequencesConfig, SequencesContext
from sciml.train import Recipe, recipe_of


class S4DConfig(StateSpaceConfig):
    """The same network with diagonal state matrices."""

    start: DiagonalStart = "lin"
    """Eigenvalues at the beginning."""


_RECIPES = recipes(
    Recipe[S4DConfig, SequencesConfig],
    tiny=S4DConfig(features=12, state=32, depth=3),
    small=S4DConfig(features=32, state=64, depth=3),
    paper=S4DConfig(features=128, state=64, depth=6, dropout=0.2, norm="pre"),
    rate=2e-2,
)


class S4DSolver(SequenceNetworkSolver[S4DConfig]):
    """Sequences by state-space layers with diagonal matrices: stable whatever is learned, and the cheaper ones."""

    key = "s4d"
    title = "S4D"
    citation = (
        "Gu, Gupta, Goel, Re, On the Parameterization and Initialization of Diagonal State Space Models, NeurIPS 2022, "
        "arXiv:2206.11893"
    )
    claim = ""
    knob = KNOB

    def recipe(self, preset: str) -> Recipe[S4DConfig, SequencesConfig]:
        """As those of `LSSLSolver`."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: HasSequences, model: S4DConfig, context: SequencesContext) -> S4D:
        """A network for the problem's signals and targets."""
        arguments = arguments_of(problem, model, context)
        return S4D(len(problem.signals), num_answers(problem), start=model.start, **arguments)
