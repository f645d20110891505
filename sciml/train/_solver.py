"""The solver contract: what a module under ``sciml/solvers`` exports in its ``SOLVERS`` tuple."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from torch import Tensor, nn

from sciml.core.capabilities import MapsFunctions
from sciml.core.config import Config
from sciml.core.errors import UnknownNameError
from sciml.core.memory import bounded_building, check_training_memory
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.data import Batch
from sciml.train._config import TrainConfig
from sciml.train._context import Context
from sciml.train._examples import Examples
from sciml.train._gradient_rule import GradientRule
from sciml.train._step_rule import StepRule

if TYPE_CHECKING:
    from sciml.train._task import AnyTask

P = TypeVar("P", bound=Problem)
"""The capability class a problem must be of."""
M = TypeVar("M", bound=Config)
"""Hyper-parameters of a solver."""
T = TypeVar("T", bound=Config)
"""Settings of a task."""
C = TypeVar("C", bound=Context)
"""What a network must know of the data."""
B = TypeVar("B", bound=Batch)
"""What a step of training sees."""
Q = TypeVar("Q", bound=tuple[Any, ...])  # Any: a named tuple of tensors and plain values
"""What a prediction is asked for."""
N = TypeVar("N", bound=nn.Module)
"""The module."""


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

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """By the types of model and task: a pickle finds classes by their names, and ``Recipe[M, T]`` has none."""
        kinds = type(self).__pydantic_generic_metadata__["args"]
        return _recipe, (kinds, dict(self), set(self.model_fields_set))


def _recipe(kinds: tuple[type[Config], ...], values: dict[str, object], given: set[str]) -> Config:
    """A recipe out of a pickle: model and task of these types, its fields, and which of them were given."""
    kind = Recipe[kinds] if kinds else Recipe  # pyright: ignore[reportInvalidTypeArguments] (types, not known before)
    return kind.model_construct(given, **values)


def recipe_of(recipes: Mapping[str, Recipe[M, T]], preset: str) -> Recipe[M, T]:
    """The recipe of a preset from a solver's table; an unknown name lists the valid ones."""
    if preset not in recipes:
        raise UnknownNameError("preset", preset, recipes)
    return recipes[preset]


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


class Certified(NamedTuple):
    """What bounds on the gradient of one sample's loss follow from; see `sciml.nn.lipschitz.gradient_bounds`.

    Fields:
        network: holds all trained parameters; its layers are such that they have bounds.
        inputs: largest norm of a sample at its input; infinite where the network itself shortens them.
        loss: Lipschitz constant of one sample's loss in the network's output; infinite where there is none.
        leaks: what else the module knows of the training data, by name, with what to do about it.
    """

    network: nn.Module
    inputs: float
    loss: float
    leaks: Mapping[str, str]


class Solver(ABC, Generic[P, M, T, C, B, Q, N]):
    """A method: how to build its module, what to minimise, how to predict.

    The module is a plain ``nn.Module``; everything else about a run (data, loop, metrics, files) is shared. The type
    parameters are the capability of the problem, the configurations of model and task, the task's context, batch and
    inputs, and the module. Every task folder has a base that fixes those of the task, such as `ForecastSolver`.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]
    claim: ClassVar[str]
    """Which claim of its paper the suite checks, and where; empty for a baseline."""
    task: ClassVar["AnyTask"]
    """What it is trained and examined by."""
    family: ClassVar[str] = ""
    """Key of the solver whose method this is, on data of another task; that key means this solver there."""
    knob: ClassVar[Knob | None] = None
    """What `match_parameters` turns; None when the method has no size."""
    coupled: ClassVar[str] = ""
    """Why a sample's prediction depends on the rest of its batch, in words; empty where it does not."""
    leaves_with: ClassVar[str] = ""
    """Settings of a run that `program` is None without, in words; empty where there are none."""
    unread: ClassVar[Mapping[str, str]] = {}
    """Variables of a file of inputs (``parameters``, ``forcings`` and ``functions`` for all of them) that no prediction
    depends on, each with the reason in words. Every other one is read, or refused."""
    pooled: ClassVar[str] = ""
    """Why the loss is no mean over the samples of a batch, in words; empty where it is one. Such a batch is not split:
    ``train.accumulate``, ``train.polish`` and several processes are refused."""
    least_batch: ClassVar[int] = 1
    """Samples that a loss needs at least: a variance over paths, for example, needs several."""
    branches: ClassVar[str] = ""
    """Why its loss cannot be taken of single samples side by side (`torch.func.vmap`), in words; empty where it can."""
    differentiates: ClassVar[str] = ""
    """Which product of its network the loss differentiates by closed forms of plain layers, in words; empty for none.
    Tools put no other kind of layer into such a network."""
    networks: ClassVar[tuple[type[nn.Module], ...]] = ()
    """Kinds of network its module always holds, for tools that act on those alone, such as `sciml.models.SoftTrees`."""
    drawn: ClassVar[frozenset[str]] = frozenset()
    """Buffers of its module that are random numbers, by name: who begins with trained weights takes them too."""
    rule: ClassVar[type[StepRule[Any]] | None] = GradientRule  # Any: a class variable cannot name the type of batches
    """The kind of `step_rule`, which says what of `TrainConfig` is read; None where `solve_closed_form` does it all."""

    @abstractmethod
    def supports(self, problem: Problem) -> Support:
        """Whether the method applies to `problem`, with the reason where it does not."""

    def check_preset(self, problem: P, preset: str, model: M, task: T) -> None:
        """Refuse what cannot be built on the data of a preset, before that is made; nothing by default.

        Raises: UserError saying what does not fit.
        """

    def idle_reason(self, key: str, problem: P, recipe: Recipe[M, T]) -> str:
        """Why a setting has no effect beside the others of its recipe, in words; empty where it has, or none can tell.

        Arguments:
            key: dotted name, ``model.optimise.damping``.
            problem: what is solved.
            recipe: with all settings applied.
        """
        return ""

    def unread_of(self, problem: P) -> Mapping[str, str]:
        """`unread`, and what no prediction depends on for this problem alone."""
        return self.unread

    def unread_variables(self, problem: P) -> dict[str, str]:
        """The same by the name of each variable of a file of inputs."""
        groups = {
            "parameters": problem.parameters,
            "forcings": problem.forcings,
            "functions": problem.inputs if isinstance(problem, MapsFunctions) else (),
        }
        return {
            name: reason
            for key, reason in self.unread_of(problem).items()
            for name in ([entry.name for entry in groups[key]] if key in groups else [key])
        }

    @abstractmethod
    def recipe(self, preset: str) -> Recipe[M, T]:
        """The typed defaults of a preset (``tiny``, ``small``, ``paper``)."""

    @abstractmethod
    def build(self, problem: P, model: M, context: C) -> N:
        """A freshly initialised module (from torch's global generator)."""

    @abstractmethod
    def loss(self, module: N, batch: B, along: float = 1.0) -> Tensor:
        """The scalar to minimise on one batch of the task, a mean over samples.

        `along` is the share of the training that is done, in [0, 1], for what changes on the way.
        """

    @abstractmethod
    def predict(self, module: N, inputs: Q) -> Prediction:
        """Predictions in physical units, without gradients."""

    def program(self, module: N) -> nn.Module | None:
        """What is exported: a module that maps the tensors of `Task.arguments` to one tensor in physical units.

        None where predicting is more than one pass through fixed operations.
        """
        return module

    def initialise(self, module: N, examples: Examples[B]) -> None:
        """Prepare the weights that training starts from.

        Always the same ones: a run that is resumed prepares them again, and goes on from its checkpoint.
        """

    def solve_closed_form(self, module: N, examples: Examples[B]) -> bool:
        """Fit without steps; False (the default) where the trainer has to take some."""
        return False

    def certified(self, module: N) -> Certified | None:
        """What bounds its gradients; None (the default) where nothing does."""
        return None

    def step_rule(self, module: N, examples: Examples[B], config: TrainConfig, seed: int = 0) -> StepRule[B] | None:
        """What takes the steps of the training, of the kind `rule`; None for the optimiser of `TrainConfig`.

        `seed` is that of whatever the rule draws besides the batches it is given.
        """
        return None


AnySolver = Solver[Any, Any, Any, Any, Any, Any, Any]  # Any: types that its task knows
"""A solver out of the registry. What its types are is known to its task; code that serves all solvers erases them."""
if TYPE_CHECKING:
    AnyRecipe = Recipe[Any, Any]
    """A recipe of such a solver."""
else:
    AnyRecipe = Recipe  # pydantic makes a class of Recipe[Any, Any] that no recipe is an instance of


def build_module(solver: AnySolver, problem: Problem, model: Config, context: Context) -> nn.Module:
    """A solver's module for a configuration that somebody wrote.

    Raises: ConfigError for one whose tensors do not fit into the memory of this machine, before that is taken.
    """
    what = f"the network of solver {solver.key!r}"
    with bounded_building(what):
        module = solver.build(problem, model, context)
    check_training_memory(sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values()), what)
    return module
