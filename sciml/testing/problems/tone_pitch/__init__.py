"""One tone of unknown frequency: the smallest problem of signals answered with values."""

import math
from dataclasses import dataclass

import torch

from sciml.core.capabilities import HasSequences, Sequences, SequenceTarget
from sciml.core.problem import Field


@dataclass(frozen=True, kw_only=True)
class TonePitch(HasSequences):
    """A tone of amplitude 1 at any phase; asked for are its frequency and its period."""

    signals: tuple[Field, ...] = (Field("sound", "p", "Pa", "sound pressure"),)
    target: SequenceTarget = "value"

    def sequences(self, count, times, generator):
        frequency = 1 + 3 * torch.rand(count, 1, generator=generator, dtype=torch.float64)
        phase = 2 * math.pi * torch.rand(count, 1, generator=generator, dtype=torch.float64)
        tone = torch.sin(2 * math.pi * frequency * times + phase)
        return Sequences(tone[..., None], torch.cat((frequency, 1 / frequency), dim=1))


PROBLEM = TonePitch(
    name="tone_pitch",
    title="Pitch of a tone",
    equation="p(t) = sin(2π f t + φ)",
    fields=(Field("frequency", "f", "Hz", "frequency"), Field("period", "T", "s", "period")),
    boundary={},
    presets=("tiny",),
    metrics=("nrmse",),
    solver="lssl",
    citation="none",
)
