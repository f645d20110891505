"""The pressure of a combustor 0.45 ms ahead."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core import registry
from sciml.core.capabilities import HasSequences, Sequences, SequenceTarget
from sciml.core.errors import DataError
from sciml.core.problem import Field

SOURCE = "combustor_pressure"
"""The problem whose records these are."""
AHEAD = 4.5e-4
"""How far ahead the pressure is asked for, s."""


@dataclass(frozen=True, kw_only=True)
class CombustorPressureForecast(HasSequences):
    """The records of `combustor_pressure`, to be forecast from their past.

    What to expect: a chamber that fails is easy; one that ignites passes 10 to 20 bar within one or two samples and
    then empties through the nozzle like an exponential. The jump itself is announced by a slow rise, if at all.
    """

    signals: tuple[Field, ...] = (
        Field("pressure", "p", "Pa", "mean pressure of the chamber, by a transducer", least=0.0, open=("least",)),
    )
    target: SequenceTarget = "signal"
    forecasts: tuple[str, ...] = ("pressure",)

    def collection(self, times: Tensor, count: int) -> Sequences:
        """Records, and the same `AHEAD` later."""
        return Sequences(_records(times, count), _records(times + AHEAD, count))

    def sequences(self, count: int, times: Tensor, generator: torch.Generator) -> Sequences:
        """Some of them, none twice."""
        every = self.collection(times, count)
        rows = torch.randperm(len(every.signals), generator=generator)[:count]
        return Sequences(every.signals[rows], every.targets[rows])


def _records(times: Tensor, count: int) -> Tensor:
    source = registry.problem(SOURCE)
    found = source.collection(times, count) if isinstance(source, HasSequences) else None
    if found is None:
        raise DataError(f"there are no records of {SOURCE!r}", got=type(source).__name__,
                        expected="the problem of that name of this program")  # fmt: skip
    return found.signals


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
