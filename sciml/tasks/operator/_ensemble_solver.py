"""The base of solvers that are ensembles of another."""

from typing import Any, ClassVar, Generic, TypeVar

import pydantic
import torch
from torch import Tensor

from sciml.core.capabilities import MapsFunctions
from sciml.core.problem import Problem
from sciml.core.types import Support
from sciml.tasks._ensembles import Members, built, initialise, mean_loss
from sciml.tasks.operator._data import OperatorContext, PairBatch
from sciml.tasks.operator._ensemble import Ensemble, held_out
from sciml.tasks.operator._solver import OperatorSolver
from sciml.train import Examples


class EnsembleSettings(Members):
    """What the configuration of an ensemble has beside that of its members."""

    held_out: float = pydantic.Field(default=0.1, gt=0, le=0.5)
    """Share of the training functions that no member is trained on; the spread is calibrated with them."""


E = TypeVar("E", bound=EnsembleSettings)


class EnsembleSolver(OperatorSolver[E, Ensemble[Any]], Generic[E]):
    """Base of ensembles: a solver of this kind names its `member`, a recipe, and what every solver has.

    Its configuration is that of the member and `EnsembleSettings`. Members differ by their start and see the same
    batches (deep ensembles); the spread is theirs, calibrated.

    Reference: B. Lakshminarayanan, A. Pritzel, C. Blundell, Simple and scalable predictive uncertainty estimation using
        deep ensembles, NeurIPS 2017, arXiv:1612.01474.

    Any: networks and settings of every kind of member.
    """

    member: ClassVar[OperatorSolver[Any, Any]]
    """What is built several times."""

    def supports(self, problem: Problem) -> Support:
        """What the member supports."""
        return self.member.supports(problem)

    def build(self, problem: MapsFunctions, model: E, context: OperatorContext) -> Ensemble[Any]:
        """Members one after another, from torch's global generator."""
        return Ensemble(built(self.member, problem, model, context), share=model.held_out)

    def initialise(self, module: Ensemble[Any], examples: Examples[PairBatch]) -> None:
        """Of every member."""
        initialise(self.member, module.members, examples)

    def loss(self, module: Ensemble[Any], batch: PairBatch, along: float = 1.0) -> Tensor:
        """The mean of the members' losses; held-out functions count as zero, and calibrate the spread in training."""
        away = held_out(batch.functions, module.share)
        if module.training and bool(away.any()):
            with torch.no_grad():
                rest = batch.chosen(away)
                module.calibrate(module.answers(rest.functions, rest.queries), rest.targets)
        if bool(away.all()):
            return torch.stack([parameter.sum() for parameter in module.parameters()]).sum() * 0.0
        seen = batch.chosen(~away)
        return mean_loss(self.member, module.members, seen, along) * (len(seen) / len(batch))
