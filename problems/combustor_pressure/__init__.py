"""Will the combustor ignite? Told from the first milliseconds of its pressure, before the flame has spread."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import HasSequences, Sequences, SequenceTarget
from sciml.core.problem import Field

from . import reference

PRESSURE = Field("pressure", "p", "Pa", "mean pressure of the chamber, by a transducer", least=0.0, open=("least",))


@dataclass(frozen=True, kw_only=True)
class CombustorPressure(HasSequences):
    """The pressure of the laser-lit chamber of `combustor_ignition` until 2.4 ms, 1.4 ms after the laser fires.

    What to expect: 1.5 to 2.5 bar in the cold chamber, a rise by 20 to 50 kPa while the laser heats, then either a slow
    fall or a rise that grows to 10 bar and more. In about half of the cases that ignite it is not yet visible to the
    eye. Pressure before and after the pulse tells the energy, which decides most.
    """

    signals: tuple[Field, ...] = (PRESSURE,)
    target: SequenceTarget = "class"
    classes: tuple[str, ...] = ("failure", "ignition")

    def collection(self, times: Tensor, count: int) -> Sequences:
        """The cases of one dataset of the combustor."""
        stored = self.traces(count)
        return Sequences(reference.record(stored, times)[..., None], stored.ignited.long())

    def sequences(self, count: int, times: Tensor, generator: torch.Generator) -> Sequences:
        """Some of them, none twice."""
        every = self.collection(times, count)
        rows = torch.randperm(len(every.signals), generator=generator)[:count]
        return Sequences(every.signals[rows], every.targets[rows])

    def traces(self, count: int) -> reference.Traces:
        """The records themselves, 15 ms long, of at least `count` cases."""
        return reference.traces(count)


PROBLEM = CombustorPressure(
    name="combustor_pressure",
    title="Ignition foreseen from the pressure of a combustor",
    equation="p(t), 0 ≤ t ≤ 2.4 ms  ↦  failure or ignition (T > 1000 K at 15 ms)",
    fields=(PRESSURE,),
    boundary={},
    metrics=("accuracy", "nll"),
    solver="lssl",
    citation="The combustor after Qian, Wang, Douasbin and Darve, Physics-based parameterized neural ordinary "
    "differential equations: prediction of laser ignition in a rocket combustor (2023). arXiv:2302.08629",
)
