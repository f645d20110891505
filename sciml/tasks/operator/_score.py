"""Solvers that choose their weights without the outputs of the pairs."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from torch import nn

from sciml.tasks.operator._data import PairBatch

N = TypeVar("N", bound=nn.Module)


class ScoresItself(ABC, Generic[N]):
    """A second base of solvers that are trained without outputs: the best weights are those of the lowest score."""

    @abstractmethod
    def score(self, module: N, batch: PairBatch) -> float | None:
        """How well functions of the validation split are done by, lower is better; None to be judged by the error."""
