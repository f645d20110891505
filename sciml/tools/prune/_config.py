"""What pruning is asked for, and what it decides."""

from typing import Literal

import pydantic

from sciml.core.config import Config

Method = Literal["gsm", "gradual", "magnitude", "random", "structured"]
"""``gsm``: global sparse momentum. ``gradual``: the smallest weights go little by little while the others train.
``magnitude``: the smallest go at once. ``random``: any go. ``structured``: whole channels go at once."""

LEAST_DECAY = 7.0
"""e-folds by which weights that are never selected must have decayed before the cut; at 4.6 it doubled an error."""


class PruneConfig(Config):
    """How many weights are left, and how they are found."""

    method: Method = "gsm"
    """How the weights to keep are found: global sparse momentum, gradual magnitude, magnitude at once, or at random;
    structured takes out whole channels, by torch-pruning."""
    ratio: float = pydantic.Field(default=10.0, gt=1)
    """Prunable entries before, as a multiple of those after."""
    entries: int | None = pydantic.Field(default=None, ge=1)
    """Entries that are left, exactly; None for what `ratio` says. A complex number is one entry."""
    steps: int | None = pydantic.Field(default=None, ge=1)
    """Steps that find them (gsm, gradual); None for twice the steps the solver was trained for."""
    learning_rate: float | None = pydantic.Field(default=None, gt=0)
    """Peak learning rate of those steps; None for one found by short trials (gsm) or the solver's own (gradual)."""
    adaptive: bool = False
    """Whether the solver's own optimiser follows the masked gradient and only the decay has momentum (gsm)."""
    momentum: float | None = pydantic.Field(default=None, gt=0, lt=1)
    """Momentum β of gsm; None for the largest of 0.98, 0.95, 0.9 and 0.8 with which the steps are enough."""
    decay: float = pydantic.Field(default=10.0, ge=LEAST_DECAY)
    """e-folds by which weights that are never selected decay (gsm); the weight decay follows from it."""
    weight_decay: float | None = pydantic.Field(default=None, gt=0)
    """Weight decay η of gsm, instead of the one that `decay` asks for; too small a one is refused, and whether the
    weights to keep can stand against it is not asked."""
    finetune_steps: int | None = pydantic.Field(default=None, ge=0)
    """Steps of the solver's own training after the cut, zeros staying zero; None for half of its steps, 0 for none."""
    finetune_learning_rate: float | None = pydantic.Field(default=None, gt=0)
    """Learning rate of those; None for the one the solver was trained with."""
    rewind: bool = False
    """Whether the weights that are left go back to where the first run began, and train for as many steps as it did:
    the test whether the mask is a winning ticket. Takes the place of the steps after the cut."""
    include: tuple[str, ...] = ()
    """Weights, or layers of them, that are prunable although their model keeps them from decay, such as time scales."""
    keep: tuple[str, ...] = ()
    """Weights, or layers of them, that are left as they are."""
    compressed: bool = True
    """Whether linear layers predict with compressed rows (CSR) where that is measured to be faster."""
    patience: float = pydantic.Field(default=0.2, ge=0)
    """Seconds that this measurement may take per layer, or six products."""


class Layer(Config):
    """What is left of one weight."""

    kept: int
    """Entries that are left."""
    entries: int
    """Entries there were."""
    compressed: bool = False
    """Whether it predicts with compressed rows."""
    why: str = ""
    """Why, or why not."""


class Slices(Config):
    """What is left of a layer that lost channels."""

    left: dict[str, dict[int, list[int]]]
    """Indices by tensor and axis."""
    sizes: dict[str, int | tuple[int, ...]] = {}
    """Attributes that say how large the layer is."""


class PrunePlan(Config):
    """Which entries are left; enough to rebuild the structure."""

    method: Method
    masks: dict[str, str]
    """By the weight's name in the module: one bit per number of the tensor, zlib, base64."""
    layers: dict[str, Layer]
    """By the name of the weight, pruned ones and those that lost channels."""
    slices: dict[str, Slices] = {}
    """By the name of the layer, where whole channels are gone."""
    skipped: dict[str, str] = {}
    """Weights that are left as they are, with the reason."""
    tail: float
    """Norm of what is cut off, as a share of that of all weights."""
