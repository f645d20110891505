"""What the tools `search` and `latency` are asked for."""

from typing import Annotated, Literal

import pydantic

from sciml.core.config import Config
from sciml.core.errors import ConfigError
from sciml.tools.search._table import CostTable, FromFile, Quantity
from sciml.train import Choice

Method = Literal["gradient", "random", "evolution", "tpe", "nsga2"]


class MeasureConfig(Config):
    """Which networks of the solver's space are measured."""

    cost: Quantity = "latency"
    """What a prediction costs: ``latency`` in seconds, ``flops`` (Fourier transforms included), peak ``memory`` in
    bytes, or ``energy`` in joules where the processor's counters (RAPL) can be read."""
    nets: int = pydantic.Field(default=300, ge=10, le=20_000)
    """Random networks that are measured, from which the cost of the others is learned."""
    patience: float = pydantic.Field(default=1.0, ge=0)
    """Seconds per dozen of them after which no further repeat of the timing is begun; six are made in any case."""
    choices: dict[str, tuple[Choice, ...]] = {}
    """Choices that are allowed, by slot; the others are as the solver offers them."""


class SearchConfig(MeasureConfig):
    """How the best network of a space is looked for."""

    method: Method = "gradient"
    """``gradient``: all networks in one, with choices that are differentiated. The others train one network after
    another: ``random``, regularised ``evolution``, or Optuna's ``tpe`` and ``nsga2``."""
    latency: Annotated[CostTable | None, FromFile] = None
    """File of measured networks that the tool `latency` wrote on this machine; None to measure first."""
    penalty: float = pydantic.Field(default=0.1, ge=0)
    """λ, what the mean cost of random networks adds to the loss; 0 to look at the loss alone."""
    target_latency_ms: float | None = pydantic.Field(default=None, gt=0)
    """Latency that the network is to have, in milliseconds, in place of `penalty`."""
    target: float | None = pydantic.Field(default=None, gt=0)
    """The same for another cost, in its own unit."""
    sweep: tuple[pydantic.NonNegativeFloat, ...] = ()
    """Further values of λ that ``gradient`` searches with, for the figure of error against cost."""
    relaxation: Literal["straight_through", "soft"] = "straight_through"
    """Whether a step computes one drawn candidate per slot, or mixes all of them."""
    paths: int = pydantic.Field(default=2, ge=2)
    """Candidates per slot that a step on the choices computes, with ``straight_through``."""
    order: Literal[1, 2] = 1
    """Of the gradient of the choices; the second one looks a step of the weights ahead, at four times the cost."""
    steps: int | None = pydantic.Field(default=None, ge=1)
    """Steps of ``gradient``; None for as many as the solver trains for."""
    choice_rate: float = pydantic.Field(default=0.05, gt=0)
    """Learning rate of the choices."""
    skip_cap: int | None = pydantic.Field(default=2, ge=0)
    """Blocks that the network found may skip; None for any number."""
    trials: int = pydantic.Field(default=20, ge=1, le=1_000_000)
    """Networks that the other methods train."""
    trial_steps: int | None = pydantic.Field(default=None, ge=1)
    """Steps of each; None for as many as the solver trains for."""
    population: int = pydantic.Field(default=8, ge=2, le=10_000)
    """Networks among which ``evolution`` and ``nsga2`` choose parents."""

    def wanted(self) -> float | None:
        """The target in the unit of the cost.

        Raises:
            ConfigError: a latency is asked for, and another cost.
        """
        if self.target_latency_ms is None:
            return self.target
        if self.cost != "latency" or self.target is not None:
            raise ConfigError("target_latency_ms is a target of the cost latency alone",
                              got=f"cost={self.cost}, target={self.target}",
                              fix="Set `target` for another cost.")  # fmt: skip
        return 1e-3 * self.target_latency_ms
