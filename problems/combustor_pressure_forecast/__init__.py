"""The pressure of a combustor 0.45 ms ahead."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core import registry
from sciml.core.capabilities import HasSequences, Sequences, SequenceTarget
from sciml.core.problem import Field

AHEAD = 4.5e-4
"""How far ahead the pressure is asked for, s."""


@dataclass(frozen=True, kw_only=True)
class CombustorPressureForecast(HasSequences):
    """The records of `combustor_pressure`, to be forecast from their past.

    What to expect: a chamber that fails is easy; one that ignites passes 10 to 20 bar within one or two samples and
    then empties through the nozzle like an exponential. The jump itself is announced by a slow rise, if at all.
    """

    signals: tuple[Field, ...] = (Field("pressure", "p", "Pa", "mean pressure of the chamber, by a transducer"),)
    target: SequenceTarget = "signal"
    forecasts: tuple[str, ...] = ("pressure",)

    def collection(self, times: Tensor, count: int) -> Sequences:
        """Records, and the same `AHEAD` later."""
        records = registry.problem("combustor_pressure").collection
        return Sequences(records(times, count).signals, records(times + AHEAD, count).signals)

    def sequences(self, count: int, times: Tensor, generator: torch.Generator) -> Sequences:
        """Some of them, none twice."""
        every = self.collection(times, count)
        rows = torch.randperm(len(every.signals), generator=generator)[:count]
        return Sequences(every.signals[rows], every.targets[rows])


PROBLEM = CombustorPressureForecast(
    name="combustor_pressure_forecast",
    title="Pressure of a combustor, 0.45 ms ahead",
    equation="y(t) = p(t + 0.45 ms)",
    fields=(Field("ahead", "y", "Pa", "pressure, 0.45 ms ahead"),),
    boundary={},
    metrics=("nrmse", "skill"),
    solver="lssl",
    citation="The combustor after Qian, Wang, Douasbin and Darve, Physics-based parameterized neural ordinary "
    "differential equations: prediction of laser ignition in a rocket combustor (2023). arXiv:2302.08629",
)
