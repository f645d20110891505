"""S4D as a solver of sequences."""

from sciml.core.capabilities import HasSequences
from sciml.models import S4D
from sciml.nn.ssm import DiagonalStart
from sciml.solvers.lssl._config import BASELINES, StateSpaceConfig, arguments_of, num_answers
from sciml.tasks.sequences import SequenceNetworkSolver, SequencesConfig, SequencesContext
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class S4DConfig(StateSpaceConfig):
    """The same network with diagonal state matrices."""

    start: DiagonalStart = "lin"
    """Eigenvalues at the beginning."""


_RECIPES = {
    "tiny": Recipe[S4DConfig, SequencesConfig](
        model=S4DConfig(features=12, state=32, depth=3),
        task=SequencesConfig(),
        train=TrainConfig(steps=300, batch_size=32, learning_rate=2e-2, weight_decay=0.0, evaluate_every=50),
        baselines=BASELINES,
    ),
    "small": Recipe[S4DConfig, SequencesConfig](
        model=S4DConfig(features=32, state=64, depth=3),
        task=SequencesConfig(strides=(2, 4)),
        train=TrainConfig(steps=1500, batch_size=32, learning_rate=4e-3, weight_decay=0.0),
        baselines=BASELINES,
    ),
    "paper": Recipe[S4DConfig, SequencesConfig](
        model=S4DConfig(features=128, state=64, depth=6, dropout=0.2, norm="pre"),
        task=SequencesConfig(strides=(2, 4)),
        train=TrainConfig(
            steps=200_000, batch_size=50, learning_rate=4e-3, weight_decay=0.0, clip=None, evaluate_every=1000,
            checkpoint_every=1000,
        ),
        baselines=BASELINES,
    ),
}  # fmt: skip


class S4DSolver(SequenceNetworkSolver[S4DConfig]):
    """Sequences by state-space layers with diagonal matrices: stable whatever is learned, and the cheaper ones."""

    key = "s4d"
    title = "S4D"
    citation = (
        "Gu, Gupta, Goel, Re, On the Parameterization and Initialization of Diagonal State Space Models, NeurIPS 2022, "
        "arXiv:2206.11893"
    )
    claim = ""
    knob = Knob("features", 1, 4096)

    def recipe(self, preset: str) -> Recipe[S4DConfig, SequencesConfig]:
        """As those of `LSSLSolver`."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: HasSequences, model: S4DConfig, context: SequencesContext) -> S4D:
        """A network for the problem's signals and targets."""
        arguments = arguments_of(problem, model, context)
        return S4D(len(problem.signals), num_answers(problem), start=model.start, **arguments)
