"""The four shapes of a tool."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from sciml.core.types import Support
from sciml.train import Solver


class Tool(ABC):
    """What every tool says of itself."""

    key: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]

    @abstractmethod
    def supports(self, solver: Solver) -> Support:
        """Whether it can read the solver's module, with the reason where it cannot."""


class Rewrite(Tool):
    """Changes a trained module: pruning, structured layers."""

    @abstractmethod
    def rewrite(self, module: nn.Module, calibration: Iterable[Any]) -> nn.Module:
        """A new module; `calibration` are batches of the task it was trained on."""


class Policy(Tool):
    """Changes how a module is trained: private gradients, an added loss term."""

    @abstractmethod
    def wrap(self, loss: Callable[[nn.Module, Any, float], Tensor]) -> Callable[[nn.Module, Any, float], Tensor]:
        """The loss the trainer minimises instead; both take the module, a batch and the share of training done."""


class Trial(NamedTuple):
    """One point a search has tried: the settings and what they scored."""

    settings: Mapping[str, Any]
    scores: Mapping[str, float]


class Search(Tool):
    """Looks for good settings."""

    @abstractmethod
    def search(
        self,
        space: Mapping[str, Sequence[Any]],
        evaluate: Callable[[Mapping[str, Any]], Mapping[str, float]],
        budget: int,
    ) -> list[Trial]:
        """At most `budget` trials from `space`, in the order they were made."""


class Probe(Tool):
    """Measures a trained module and leaves it as it is."""

    @abstractmethod
    def probe(self, module: nn.Module, data: Iterable[Any]) -> Mapping[str, float]:
        """Values by name; `data` are batches of the task it was trained on."""
