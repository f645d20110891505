"""What the tool `similarity` is asked for, and what it decides."""

from typing import Literal

import pydantic

from sciml.core.config import Config
from sciml.nn.tversky import Difference, Gate, Intersection, Measure, Model, Reduction


class SimilarityConfig(Config):
    """Which layers answer by similarity, how, and how they are trained."""

    what: Literal["head", "hidden"] = "head"
    """``head``: the product of branch and trunk where a network has one, else the linear layer that is called last.
    ``hidden``: the linear layers before it."""
    layers: tuple[str, ...] = ()
    """Names of layers instead; all that are named are hidden projections."""
    kind: Literal["tversky", "mlp", "linear"] = "tversky"
    """What takes their place; the others are baselines that are trained in the same way: a ReLU perceptron with
    `features` hidden neurons, and a linear layer."""
    features: int = pydantic.Field(default=32, ge=1)
    """Features of a bank."""
    share: Literal["none", "bank", "all"] = "bank"
    """What hidden layers with as many inputs have in common: nothing, the features, or the prototypes too where they
    also have as many outputs."""
    model: Model = "contrast"
    """``contrast`` or ``ratio``."""
    intersection: Intersection = "product"
    """How much a common feature counts."""
    difference: Difference = "ignorematch"
    """Whether a common feature also counts as a difference where one has more of it."""
    reduction: Reduction = "feature"
    """``feature`` by feature, as the equation says, or ``sum_first``, as published code does."""
    gate: Literal["hard", "smooth"] | None = None
    """Membership. Hard gates make answers jump, so they are for class labels alone, where they are the default."""
    temperature: float = pydantic.Field(default=0.1, gt=0)
    """Of smooth gates, in units of the products of objects and features, which are of order one."""
    start: Literal["trained", "scratch"] = "trained"
    """From the weights of the run, or from fresh ones."""
    frozen: bool = False
    """Whether all but the new layers stay as they are."""
    finetune_steps: int | None = pydantic.Field(default=None, ge=1)
    """Steps of training; None for half of the solver's, from scratch for all of them."""
    learning_rate: float | None = pydantic.Field(default=None, gt=0)
    """Of those steps; None for that of the solver."""
    revive_every: int = pydantic.Field(default=100, ge=0)
    """Steps after which features that no sample of a batch has are replaced by differences of samples; 0 for never.
    In the last third of the steps all stay."""


class MeasureForm(Config):
    """`sciml.nn.tversky.Measure` in a file."""

    model: Model = "contrast"
    intersection: Intersection = "product"
    difference: Difference = "ignorematch"
    reduction: Reduction = "feature"
    gate: Gate = "hard"
    temperature: float = pydantic.Field(default=0.1, gt=0)

    def measure(self) -> Measure:
        """The measure."""
        return Measure(**self.model_dump())


class HeadForm(Config):
    """What becomes of a layer."""

    channels_in: pydantic.PositiveInt
    channels_out: pydantic.PositiveInt
    features: pydantic.PositiveInt
    bias: bool
    """Whether the layer had one."""
    bank: str
    """Layers with the same name here share their features."""
    prototypes: str
    """Layers with the same name here share their prototypes."""
    nonnegative: bool = False
    """Whether no input was negative."""
    scale: float = 1.0
    """Of the similarities at the start, which makes them of the size of the layer's answers."""
    shift: float = 0.0
    """Added to them at the start."""


class SimilarityPlan(Config):
    """Which layers are replaced by what; enough to rebuild it."""

    kind: Literal["tversky", "mlp", "linear"] = "tversky"
    layers: dict[str, HeadForm]
    """By the layer's name in the module."""
    measure: MeasureForm = MeasureForm()
    skipped: dict[str, str] = {}
    """Layers that are left as they are, with the reason."""
    seed: int = 0
    """Of the new weights."""
    parameters: tuple[int, int] = (0, 0)
    """Of the module, before and after."""
