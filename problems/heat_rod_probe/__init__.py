"""A rod heated at one end and measured inside: the slow linear memory of diffusion."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import HasSequences, Sequences, SequenceTarget
from sciml.core.problem import Field

from . import reference


@dataclass(frozen=True, kw_only=True)
class HeatRodProbe(HasSequences):
    """The temperature of one end is given, that of a probe at two thirds of the length is asked for.

    What to expect: the probe follows late and smoothly; tones that are fast compared with the time of diffusion do not
    reach it, slow ones nearly unchanged. The map is linear and time-invariant: a filter that is long enough is exact.
    """

    signals: tuple[Field, ...] = (Field("end_temperature", "u", "K", "temperature of the heated end above the start"),)
    target: SequenceTarget = "signal"

    def sequences(self, count: int, times: Tensor, generator: torch.Generator) -> Sequences:
        """Random tones at the end, and the exact temperature of the probe."""
        tones = reference.random_tones(count, generator)
        return Sequences(tones.end(times)[..., None], tones.probe(times)[..., None])


PROBLEM = HeatRodProbe(
    name="heat_rod_probe",
    title="Probe in a heated rod",
    equation="∂T/∂t = α ∂²T/∂x²,  T(0, t) = u(t),  ∂T/∂x(ℓ, t) = 0,  T(x, 0) = 0;  y(t) = T(2ℓ/3, t)",
    fields=(Field("probe_temperature", "y", "K", "temperature of the probe above the start"),),
    boundary={},
    metrics=("nrmse", "r2"),
    solver="lssl",
    citation="H. S. Carslaw, J. C. Jaeger, Conduction of Heat in Solids, 2nd ed., Oxford University Press (1959)",
)
