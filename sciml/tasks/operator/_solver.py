"""The base of the solvers that learn operators."""

from typing import Generic, TypeVar

import torch
from torch import nn

from sciml.core.capabilities import AppliesOperator, MapsFunctions
from sciml.core.config import Config
from sciml.core.memory import bounded_building
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.tasks._in_memory import card_for
from sciml.tasks.operator._card import OperatorCard
from sciml.tasks.operator._data import OperatorConfig, OperatorContext, PairBatch, Questions, blank_context
from sciml.tasks.operator._ensemble import Ensemble
from sciml.tasks.operator._module import FixedOperator
from sciml.tasks.operator._task import OPERATOR
from sciml.train import Solver

M = TypeVar("M", bound=Config)
N = TypeVar("N", bound=nn.Module)


class OperatorSolver(Solver[MapsFunctions, M, OperatorConfig, OperatorContext, PairBatch, Questions, N], Generic[M, N]):
    """Base of the solvers whose predictions are fields at queries, ``batch query field``.

    Their module is a `FreeOperator`, a `FixedOperator`, or an `Ensemble` of them.
    """

    task = OPERATOR

    def supports(self, problem: Problem) -> Support:
        """A problem that `MapsFunctions`."""
        if isinstance(problem, MapsFunctions):
            return Support(True)
        return Support(False, "it is no map from functions to functions")

    def check_preset(self, problem: MapsFunctions, preset: str, model: M, task: OperatorConfig) -> None:
        """Build a network without values, and so without cost, for the sensors and queries of the preset."""
        if not isinstance(problem, AppliesOperator):
            return  # its data is there
        context = blank_context(problem, task.on(card_for(problem, preset, MapsFunctions, OperatorCard)))
        with torch.device("meta"), bounded_building(f"the network of solver {self.key!r}"):
            self.build(problem, model, context)

    @torch.no_grad()
    def predict(self, module: N, inputs: Questions) -> Prediction:
        """The fields at the queries, in physical units, with the spread of an ensemble.

        Raises: UserError for queries that a solver with fixed points cannot answer at.
        """
        if isinstance(module, FixedOperator | Ensemble):
            module.check(inputs.queries, self.title)
        spread = None
        if isinstance(module, Ensemble):
            answers = module.answers(inputs.functions, inputs.queries)
            values, spread = answers.mean(0), module.spread(answers)
        else:
            values = module(inputs.functions, inputs.queries)
        fine = values.isfinite().flatten(1).all(1)
        return Prediction(values, spread, torch.where(fine, int(Status.OK), int(Status.DIVERGED)))
