"""A chain of masses on springs that stiffen, pushed at one end and watched at the other: system identification."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import HasSequences, Sequences, SequenceTarget
from sciml.core.problem import Field

from . import reference


@dataclass(frozen=True, kw_only=True)
class MassSpringIdentification(HasSequences):
    """The force on the first of four masses is given, the position of the last one is asked for.

    What to expect: four resonances from 0.2 to 0.6 Hz, ring-down within half a minute, and a delay of a second or two
    between both ends. The springs to the wall are cubic, so that no linear filter is exact: the best one with 128 lags
    is left with a quarter of the standard deviation.
    """

    signals: tuple[Field, ...] = (Field("force", "F", "N", "force on the first mass"),)
    target: SequenceTarget = "signal"

    def sequences(self, count: int, times: Tensor, generator: torch.Generator) -> Sequences:
        """Forces of random tones and the positions they lead to, from rest."""
        tones = reference.random_tones(count, generator)
        positions = reference.positions(tones, times)
        return Sequences(tones.force(times)[..., None], positions[:, :, -1:])


PROBLEM = MassSpringIdentification(
    name="mass_spring_identification",
    title="Chain of masses and stiffening springs",
    equation="m xᵢ″ = k (xᵢ₊₁ - 2 xᵢ + xᵢ₋₁) - c xᵢ′ - β xᵢ³ + δᵢ₁ F(t)",
    fields=(Field("position", "x₄", "m", "position of the last mass"),),
    boundary={},
    metrics=("nrmse", "r2"),
    solver="lssl",
    citation="G. Duffing, Erzwungene Schwingungen bei veränderlicher Eigenfrequenz, Vieweg (1918); the chain after "
    "L. Ljung, System Identification, Prentice Hall (1999)",
)
