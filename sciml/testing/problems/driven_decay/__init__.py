"""First-order decay under a force of three tones: the smallest problem of signals answered with signals."""

import math
from dataclasses import dataclass

import torch

from sciml.core.capabilities import HasSequences, Sequences, SequenceTarget
from sciml.core.problem import Field


@dataclass(frozen=True, kw_only=True)
class DrivenDecay(HasSequences):
    """x' = -x + u from rest; exact for every tone of u."""

    signals: tuple[Field, ...] = (Field("force", "u", "N", "force"),)
    target: SequenceTarget = "signal"

    def sequences(self, count, times, generator):
        omega = 0.5 + 3 * torch.rand(count, 3, 1, generator=generator, dtype=torch.float64)
        phase = 2 * math.pi * torch.rand(count, 3, 1, generator=generator, dtype=torch.float64)
        moving = torch.polar(torch.ones_like(phase), omega * times + phase)
        still = torch.polar(torch.ones_like(phase), phase)
        answer = (moving - still * torch.exp(-times)) / (1 + 1j * omega)
        return Sequences(moving.imag.sum(1)[..., None], 2 + 10 * answer.imag.sum(1)[..., None])


PROBLEM = DrivenDecay(
    name="driven_decay",
    title="Driven decay",
    equation="x' = -x + u",
    fields=(Field("position", "x", "mm", "position"),),
    boundary={},
    presets=("tiny",),
    metrics=("nrmse",),
    solver="lssl",
    citation="none",
)
