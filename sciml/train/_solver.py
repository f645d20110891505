"""The solver contract: what a module under ``sciml/solvers`` exports in its ``SOLVERS`` tuple."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import pydantic
from torch import Tensor, nn

from sciml.core.config import Config
from sciml.core.errors import UnknownNameError
from sciml.core.problem import Problem
from sciml.core.types import Grid, Prediction, Support
from sciml.data import Statistics
from sciml.train._advance import Advance
from sciml.train._config import TrainConfig

M = TypeVar("M", bound=Config)
T = TypeVar("T", bound=Config)


class Recipe(Config, Generic[M, T]):
    """Everything a preset of a solver fixes: the model, the task, the training and who it is compared with."""

    model: M
    """Hyper-parameters of the network."""
    task: T
    """What it is asked, for example history and noise."""
    train: TrainConfig = TrainConfig()
    """Steps, batch, optimiser."""
    baselines: tuple[str, ...] = ()
    """Solvers it is compared with in the same run, by key."""

    model_config = pydantic.ConfigDict(use_attribute_docstrings=False)  # read anew per solver, they take seconds


def recipe_of(recipes: Mapping[str, Recipe], preset: str) -> Recipe:
    """The recipe of a preset from a solver's table; an unknown name lists the valid ones."""
    if preset not in recipes:
        raise UnknownNameError("preset", preset, recipes)
    return recipes[preset]


@dataclass(frozen=True)
class Spec(Generic[M]):
    """What a network must know besides the problem: its hyper-parameters and the data it will see.

    Arguments:
        model: the solver's own hyper-parameters.
        task: what it is asked, the `task` table of the recipe.
        grid: the grid of the data; without axes where there is no space.
        statistics: mean and standard deviation per field and parameter, from the training split.
    """

    model: M
    task: Any
    grid: Grid
    statistics: Statistics


@dataclass(frozen=True)
class Knob:
    """The hyper-parameter that sets a network's size; the parameter count must grow with it.

    Arguments:
        name: field of the model configuration.
        low, high: range searched; integers search integers, floats search reals.
    """

    name: str
    low: int | float
    high: int | float


class Solver(ABC):
    """A method: how to build its module, what to minimise, how to predict.

    The module is a plain ``nn.Module``; everything else about a run (data, loop, metrics, files) is shared.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]
    claim: ClassVar[str]
    """Which claim of its paper the suite checks, and where; empty for a baseline."""
    task: ClassVar[type[Any]]
    """The `Task` it is trained and examined by."""
    knob: ClassVar[Knob | None] = None
    """What `match_parameters` turns; None when the method has no size."""
    coupled: ClassVar[str] = ""
    """Why a sample's prediction depends on the rest of its batch, in words; empty where it does not."""

    @abstractmethod
    def supports(self, problem: Problem) -> Support:
        """Whether the method applies to `problem`, with the reason where it does not."""

    @abstractmethod
    def recipe(self, preset: str) -> Recipe:
        """The typed defaults of a preset (``tiny``, ``small``, ``paper``)."""

    @abstractmethod
    def build(self, problem: Problem, spec: Spec[Any]) -> nn.Module:
        """A freshly initialised module (from torch's global generator)."""

    @abstractmethod
    def loss(self, module: nn.Module, batch: Any, along: float = 1.0) -> Tensor:
        """The scalar to minimise on one batch of the task, a mean over samples.

        `along` is the share of the training that is done, in [0, 1], for what changes on the way.
        """

    @abstractmethod
    def predict(self, module: nn.Module, inputs: Any) -> Prediction:
        """Predictions in physical units, without gradients."""

    def advance(self, module: nn.Module, examples: Any, config: TrainConfig) -> Advance | None:
        """What takes the steps of the training instead of the optimisers of `TrainConfig`; None for those."""
        return None

    def fit(self, module: nn.Module, examples: Any) -> bool:
        """Fit in closed form; return False (the default) when the trainer should fit by gradient instead.

        A solver may prepare the weights here that the gradient starts from, the same ones every time: a run that is
        resumed prepares them again, and goes on from its checkpoint.
        """
        return False
