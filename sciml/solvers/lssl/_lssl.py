"""LSSL as a solver of sequences."""

from typing import Literal

from sciml.core.capabilities import HasSequences
from sciml.models import LSSL
from sciml.nn.ssm import Hippo, Learned, Method
from sciml.solvers.lssl._config import (
    KNOB,
    StateSpaceConfig,
    arguments_of,
    num_answers,
    recipes,
    state_space_space,
)
from sciml.tasks.sequences import SequenceNetworkSolver, SequencesConfig, SequencesContext
from sciml.train import Recipe, Searchable, Space, recipe_of


class LSSLConfig(StateSpaceConfig):
    """A deep network of linear state-space layers with HiPPO matrices."""

    matrix: Hippo | Literal["random"] = "legs"
    """State matrix at the beginning; ``random`` is there to compare with."""
    learn: Learned = "all"
    """What is trained of the systems: the state matrix with B (``matrix``), the time steps (``dt``), both, or ``none``,
    which is LSSL-f."""
    method: Method | None = None
    """Discretisation; None for the published bilinear transform, and for zero-order hold where signals are answered
    with signals. With means over steps both are second order, but the bilinear transform maps modes that are fast
    against a step to an oscillation between samples, which another sampling rate does not have: at half the rate the
    error on validation draws of `mass_spring_identification` was 0.55 instead of 0.18."""


_RECIPES = recipes(
    Recipe[LSSLConfig, SequencesConfig],
    tiny=LSSLConfig(features=12, state=32, depth=3, learn="dt"),
    small=LSSLConfig(features=32, state=64, depth=3),
    paper=LSSLConfig(features=128, state=128, depth=6, dropout=0.2, norm="pre"),
    rate=4e-2,
)


class LSSLSolver(SequenceNetworkSolver[LSSLConfig], Searchable):
    """Sequences by linear state-space layers, whose memory is set by HiPPO matrices and time steps."""

    key = "lssl"
    title = "LSSL"
    citation = (
        "Gu, Johnson, Goel, Saab, Dao, Rudra, Re, Combining Recurrent, Convolutional, and Continuous-time Models with "
        "Linear State-Space Layers, NeurIPS 2021, arXiv:2110.13985"
    )
    claim = "long sequences are told apart better than by an LSTM of the same size, also at another sampling rate"
    knob = KNOB

    def recipe(self, preset: str) -> Recipe[LSSLConfig, SequencesConfig]:
        """Larger presets are deeper and train longer; ``paper`` has the published sizes of sequential MNIST."""
        return recipe_of(_RECIPES, preset)

    def space(self, problem: HasSequences, model: LSSLConfig, context: SequencesContext) -> Space:
        """Depth, features, and size of the state."""
        return state_space_space(model)

    def network(self, problem: HasSequences, model: LSSLConfig, context: SequencesContext) -> LSSL:
        """A network for the problem's signals and targets."""
        return LSSL(
            len(problem.signals),
            num_answers(problem),
            matrix=model.matrix,
            learn=model.learn,
            method=model.method or ("zoh" if problem.target == "signal" else "bilinear"),
            **arguments_of(problem, model, context),
        )
