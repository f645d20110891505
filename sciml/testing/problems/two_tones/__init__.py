"""A low tone, a high tone or both in noise: the smallest problem of signals answered with classes."""

import math
from dataclasses import dataclass

import torch

from sciml.core.capabilities import HasSequences, Sequences, SequenceTarget
from sciml.core.problem import Field

TONES = ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class TwoTones(HasSequences):
    """Two channels, the second a quarter of a period later, with independent noise."""

    signals: tuple[Field, ...] = (Field("left", "l", "Pa", "left channel"), Field("right", "r", "Pa", "right channel"))
    target: SequenceTarget = "class"
    classes: tuple[str, ...] = ("low", "high", "both")

    def sequences(self, count, times, generator):
        labels = torch.arange(count) % 3
        weights = torch.tensor(TONES, dtype=torch.float64)[labels]
        phase = 2 * math.pi * torch.rand(count, 2, 1, generator=generator, dtype=torch.float64)
        angle = 2 * math.pi * torch.tensor([1.0, 3.0], dtype=torch.float64)[:, None] * times + phase
        both = torch.stack(
            ((weights[..., None] * angle.sin()).sum(1), (weights[..., None] * angle.cos()).sum(1)), dim=2
        )
        noise = torch.randn(both.shape, generator=generator, dtype=torch.float64)
        return Sequences(both + 0.3 * noise, labels)


PROBLEM = TwoTones(
    name="two_tones",
    title="Two tones",
    equation="p(t) = Σ a sin(2π f t + φ) + noise",
    fields=(Field("left", "l", "Pa", "left channel"), Field("right", "r", "Pa", "right channel")),
    boundary={},
    presets=("tiny",),
    metrics=("accuracy",),
    solver="lssl",
    citation="none",
)
