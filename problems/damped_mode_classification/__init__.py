"""Which body rings? Ten kinds of struck bodies, told apart by a raw record of their sound in noise."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import HasSequences, Sequences, SequenceTarget
from sciml.core.problem import Field

from . import reference

PRESSURE = Field("pressure", "p", "Pa", "sound pressure")


@dataclass(frozen=True, kw_only=True)
class DampedModeClassification(HasSequences):
    """Five bodies with their own ratios of frequencies, each with a constant pitch or with one that falls as it fades.

    The fundamental frequency is anywhere in an octave and a half, amplitudes and phases are random, there is noise, and
    the blow falls at a random moment. So neither a frequency nor a moment says anything; ratios and drifts do.
    """

    signals: tuple[Field, ...] = (PRESSURE,)
    target: SequenceTarget = "class"
    classes: tuple[str, ...] = reference.CLASSES

    def sequences(self, count: int, times: Tensor, generator: torch.Generator) -> Sequences:
        """Records of `count` blows, the classes in turn."""
        labels = torch.arange(count) % len(reference.CLASSES)
        return Sequences(reference.records(labels, times, generator)[..., None], labels)


PROBLEM = DampedModeClassification(
    name="damped_mode_classification",
    title="Struck bodies by their sound",
    equation="p(t) = Σ_m a_m e^{-γ_m s} sin(2π r_m f₀ (s + δ (1 - e^{-2γ₁ s}) / 2γ₁) + φ_m) + noise,  s = t - t₀ ≥ 0",
    fields=(PRESSURE,),
    boundary={},
    metrics=("accuracy", "nll"),
    solver="lssl",
    citation="N. H. Fletcher, T. D. Rossing, The Physics of Musical Instruments, 2nd ed., Springer (1998), "
    "chapters 2 and 3: frequencies of strings, tubes, membranes and bars",
)
