"""What the solvers of state-space layers share: their size, and what follows from the data."""

from typing import Any, Literal, TypeVar

import pydantic

from sciml.core.capabilities import HasSequences
from sciml.core.config import Config
from sciml.tasks.sequences import SequencesConfig, SequencesContext, units_of
from sciml.train import Choices, Knob, Places, Recipe, Slot, Space, TrainConfig, spread

_DECADES = 100.0
"""Time steps are drawn from 1 / L to 100 / L, L being the length: memories from a hundredth of a sequence to all of it.
At a thousand times that is the range of the published code."""

BASELINES = ("lstm", "sequence_gru", "causal_cnn", "transformer", "lagged_ridge", "log_spectrum")
"""What every recipe of state-space layers is compared with."""
KNOB = Knob("features", 1, 4096)
"""What changes the size of a network of state-space layers."""


class StateSpaceConfig(Config):
    """Sizes of a network of state-space layers."""

    features: int = pydantic.Field(default=32, ge=1)
    """Signals inside the network, each with a state-space system of its own in every layer."""
    state: int = pydantic.Field(default=32, ge=2, multiple_of=2)
    """Components of a state."""
    channels: int = pydantic.Field(default=1, ge=1)
    """Outputs of a system."""
    depth: int = pydantic.Field(default=2, ge=1, le=1000)
    """Layers."""
    dt_range: tuple[float, float] | None = None
    """Range from which time steps are drawn, log-uniformly, in units in which a system forgets in about one; None for
    two decades from the inverse length of the sequences on."""
    mean_inputs: bool | None = None
    """Whether systems are driven by means over steps, (u_k + u_{k-1}) / 2; None for signals answered with signals."""
    norm: Literal["pre", "post", "none"] | None = None
    """Where features are normalised; None for ``pre``, and for no normalisation where the target is a signal or a
    value, whose amplitude it would take away."""
    linear: bool = False
    """Whether nonlinearities are left out."""
    dropout: float = pydantic.Field(default=0.0, ge=0, lt=1)
    """Share of features that are dropped in training."""


M = TypeVar("M", bound=StateSpaceConfig)


def recipes(
    kind: type[Recipe[M, SequencesConfig]], *, tiny: M, small: M, paper: M, rate: float
) -> dict[str, Recipe[M, SequencesConfig]]:
    """The recipes of one kind of layers.

    Larger presets are deeper and train longer, and are examined at a quarter of the sampling rate too; ``paper`` trains
    as the published networks of sequential MNIST.

    Arguments:
        kind: ``Recipe`` of the solver's configuration.
        tiny, small, paper: sizes.
        rate: of learning, of ``tiny``.
    """
    short = TrainConfig(steps=300, batch_size=32, learning_rate=rate, weight_decay=0.0, evaluate_every=50)
    long = TrainConfig(steps=1500, batch_size=32, learning_rate=4e-3, weight_decay=0.0)
    published = TrainConfig(
        steps=200_000, batch_size=50, learning_rate=4e-3, weight_decay=0.0, clip=None, evaluate_every=1000,
        checkpoint_every=1000,
    )  # fmt: skip
    slower = SequencesConfig(strides=(2, 4))
    return {
        "tiny": kind(model=tiny, task=SequencesConfig(), train=short, baselines=BASELINES),
        "small": kind(model=small, task=slower, train=long, baselines=BASELINES),
        "paper": kind(model=paper, task=slower, train=published, baselines=BASELINES),
    }


def arguments_of(problem: HasSequences, model: StateSpaceConfig, context: SequencesContext) -> dict[str, Any]:
    """Keyword arguments that `LSSL`, `S4` and `S4D` share. Any: they are of many types, and checked by all."""
    inputs, outputs = units_of(context)
    classifies = problem.target == "class"
    return {
        "features": model.features,
        "state": model.state,
        "channels": model.channels,
        "depth": model.depth,
        "dt_range": model.dt_range or (1 / context.length, _DECADES / context.length),
        "mean_inputs": problem.target == "signal" if model.mean_inputs is None else model.mean_inputs,
        "norm": ("pre" if classifies else "none") if model.norm is None else model.norm,
        "linear": model.linear,
        "dropout": model.dropout,
        "pooled": problem.target != "signal",
        "inputs": inputs,
        "outputs": outputs,
    }


def state_space_space(model: StateSpaceConfig) -> Space:
    """Up to four layers, or one more than the recipe's; states and features from a quarter to as many, or twice."""
    depths = tuple(range(1, max(4, model.depth + 1) + 1))
    states = tuple(n for n in spread(model.state // 4, model.state // 2, model.state, 2 * model.state) if n % 2 == 0)
    features = spread(model.features // 2, model.features)
    slots = (Slot("features", features), Slot("depth", depths), Slot("state", states))

    def configured(choices: Choices) -> StateSpaceConfig:
        return model.model_copy(update=dict(choices))

    def places(choices: Choices) -> Places:
        swaps = {"network": ("features",)}
        for layer in range(depths[-1]):
            swaps |= {f"network.blocks.{layer}": ("depth",), f"network.blocks.{layer}.layer": ("state",)}
        return Places(swaps, absent="identity")

    return Space(slots, configured, places)


def num_answers(problem: HasSequences) -> int:
    """Channels of an answer."""
    return len(problem.classes) if problem.target == "class" else len(problem.fields)
