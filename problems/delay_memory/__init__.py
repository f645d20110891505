"""A signal is asked for again some time later: how long a solver remembers, and nothing else."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import HasSequences, Sequences, SequenceTarget
from sciml.core.problem import Field

from . import reference


@dataclass(frozen=True, kw_only=True)
class DelayMemory(HasSequences):
    """y(t) = u(t - τ), zero before: all of the last τ seconds must be kept at any time.

    What to expect: a state of n numbers can keep about n / 2 of the tones that fit into τ, so that memory is a question
    of size and of how it is used. A linear filter with enough lags is exact, one with fewer knows next to nothing.
    """

    signals: tuple[Field, ...] = (Field("signal", "u", "1", "signal"),)
    target: SequenceTarget = "signal"

    def sequences(self, count: int, times: Tensor, generator: torch.Generator) -> Sequences:
        """Noise with a band that its sampling resolves, and the same noise late."""
        noise = reference.random_noise(count, generator)
        late = noise.values(times - reference.DELAY)
        return Sequences(noise.values(times)[..., None], torch.where(times < reference.DELAY, 0.0, late)[..., None])


PROBLEM = DelayMemory(
    name="delay_memory",
    title="Delayed noise",
    equation="y(t) = u(t - τ) for t ≥ τ, else 0;  τ = 0.4 s",
    fields=(Field("delayed", "y", "1", "signal of τ ago"),),
    boundary={},
    metrics=("nrmse", "r2"),
    solver="lssl",
    citation="A. Voelker, I. Kajić, C. Eliasmith, Legendre Memory Units, NeurIPS 2019: the delay line; "
    "A. Gu et al., arXiv:2110.13985",
)
