"""The base of the solvers of sequences."""

from abc import abstractmethod
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from sciml.core.capabilities import HasSequences
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.tasks.sequences._data import SequenceBatch, SequencesConfig, SequencesContext, Signals
from sciml.tasks.sequences._module import SequenceModel
from sciml.tasks.sequences._task import SEQUENCES
from sciml.train import Solver

M = TypeVar("M", bound=Config)
N = TypeVar("N", bound=nn.Module)


class SequencesSolver(
    Solver[HasSequences, M, SequencesConfig, SequencesContext, SequenceBatch, Signals, N], Generic[M, N]
):
    """Base of the solvers that answer signals with signals, values or probabilities of classes."""

    task = SEQUENCES
    irregular: ClassVar[bool] = False
    """Whether times that are not equidistant can be read."""

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasSequences`, at equidistant times unless the solver is `irregular`."""
        if not isinstance(problem, HasSequences):
            return Support(False, "it has no sequences")
        if problem.uneven and not self.irregular:
            return Support(False, "its times are uneven, and this solver steps uniformly (s5 does not)")
        return Support(True)


class SequenceNetworkSolver(SequencesSolver[M, SequenceModel], Generic[M]):
    """Base of those that are a network ``(signals, dt_scale) -> answers``; a leaf says which."""

    @abstractmethod
    def network(self, problem: HasSequences, model: M, context: SequencesContext) -> nn.Module:
        """The network, in physical units, pooled unless the target is a signal."""

    def build(self, problem: HasSequences, model: M, context: SequencesContext) -> SequenceModel:
        """That network with the step of the data."""
        return SequenceModel(self.network(problem, model, context), problem, context)

    def loss(self, module: SequenceModel, batch: SequenceBatch, along: float = 1.0) -> Tensor:
        """Cross-entropy, or mean squared error in variances of each target."""
        return module.loss(batch)

    @torch.no_grad()
    def predict(self, module: SequenceModel, inputs: Signals) -> Prediction:
        """Values in physical units, or probabilities of the classes."""
        return module.predict(inputs)
