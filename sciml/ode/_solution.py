"""What an integration returns: states, a status per sample, and what the integrator learned on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from typing_extensions import TypeVar

from sciml.core.errors import NumericsError
from sciml.core.status import Status
from sciml.ode._dense import Dense


class Stats(NamedTuple):
    """Counters of a solve.

    Fields:
        accepted, rejected: steps of each sample.
        evaluations: evaluations of the right-hand side each sample needed (the papers' NFE).
        calls: how often the right-hand side was called, whatever the number of rows; what wall time follows.
    """

    accepted: Int[Tensor, " batch"]
    rejected: Int[Tensor, " batch"]
    evaluations: Int[Tensor, " batch"]
    calls: int


class Steps(NamedTuple):
    """The accepted steps of every sample, in order; rows of samples with fewer steps end with zeros.

    Fields:
        time: where each step started.
        size: its signed length h_j.
        error: E_j, the embedded error over the tolerance, RMS over the state's components; at most 1. Carries gradient.
        stiffness: S_j, an estimate of the largest |eigenvalue| of ∂f/∂y; 0 where it cannot be had. Carries gradient.
        taken: which entries are steps.
    """

    time: Float[Tensor, "batch step"]
    size: Float[Tensor, "batch step"]
    error: Float[Tensor, "batch step"]
    stiffness: Float[Tensor, "batch step"]
    taken: Bool[Tensor, "batch step"]


class Hit(NamedTuple):
    """Where an event happened.

    Fields:
        time: of the event, NaN for a sample without one. Carries gradient.
        state: at that time. Carries gradient.
        index: which of the event functions it was; -1 for none.
    """

    time: Float[Tensor, " batch"]
    state: Float[Tensor, "batch ..."]
    index: Int[Tensor, " batch"]  # pyright: ignore[reportIncompatibleMethodOverride] (hides tuple.index)


class Marks(NamedTuple):
    """Events that ended nothing, in the order in which they happened; rows of samples with fewer end with NaN.

    Fields:
        time: when. Carries gradient.
        state: at that time. Carries gradient.
        index: which of the event functions it was; -1 for none.
    """

    time: Float[Tensor, "batch mark"]
    state: Float[Tensor, "batch mark ..."]
    index: Int[Tensor, "batch mark"]  # pyright: ignore[reportIncompatibleMethodOverride] (hides tuple.index)


S = TypeVar("S", default=Tensor)
"""A state: a tensor, or a nesting of tuples, lists and dictionaries of them."""


@dataclass(frozen=True)
class Solution(Generic[S]):
    """The result of `sciml.ode.solve`.

    Fields:
        states: at the requested times, ``batch time *shape``, nested like the initial state; NaN after the failure of a
            sample.
        times: the requested times.
        status: a `Status` code per sample.
        stats: counters per sample.
        steps: the accepted steps, if ``record=True`` asked for them.
        event: where the event happened, if one was given that ends samples.
        failures: for each failed sample, words naming t, step and component.
        marks: the events that end nothing, if any were given.
        dense: the states anywhere, if ``dense=True`` asked for them.
    """

    states: S
    times: Float[Tensor, "*batch time"]
    status: Int[Tensor, " batch"]
    stats: Stats
    steps: Steps | None = None
    event: Hit | None = None
    failures: Mapping[int, str] = field(default_factory=dict)
    marks: Marks | None = None
    dense: Dense | None = None

    @property
    def ok(self) -> Bool[Tensor, " batch"]:
        """Which samples reached their end (a missed event counts as reached)."""
        return (self.status == Status.OK) | (self.status == Status.NO_EVENT)

    def check(self) -> "Solution[S]":
        """This solution if every sample is well; NumericsError naming the first failures if not."""
        if bool(torch.all(self.ok)):
            return self
        shown = [f"sample {index}: {words}" for index, words in list(self.failures.items())[:3]]
        more = f" (and {len(self.failures) - 3} more)" if len(self.failures) > 3 else ""
        raise NumericsError(f"{len(self.failures)} of {len(self.status)} samples failed; " + "; ".join(shown) + more)
