"""Probes in a chaotic film: what will one of them show some time later?"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import HasSequences, Sequences, SequenceTarget
from sciml.core.problem import Field

from . import reference


@dataclass(frozen=True, kw_only=True)
class PDEProbe(HasSequences):
    """Four fixed probes in a solution of the Kuramoto-Sivashinsky equation; the first one is to be forecast.

    What to expect: cells about nine units wide that drift, merge and split, and a largest Lyapunov exponent near 0.05:
    two time units ahead the field is predictable from the whole of it, and partly from four probes and their past.
    Holding the last value is off by about one standard deviation.
    """

    signals: tuple[Field, ...] = tuple(
        Field(f"probe_{i + 1}", f"u{i + 1}", "1", f"probe {i + 1}") for i in range(len(reference.PLACES))
    )
    target: SequenceTarget = "signal"
    forecasts: tuple[str, ...] = ("probe_1",)

    def sequences(self, count: int, times: Tensor, generator: torch.Generator) -> Sequences:
        """Probes on the attractor, and the first of them `reference.AHEAD` later."""
        step = float(times[1] - times[0])
        state = reference.on_attractor(count, generator)
        probes = reference.probes(state, step, len(times) + round(reference.AHEAD / step))
        return Sequences(probes[:, : len(times)], probes[:, -len(times) :, :1])


PROBLEM = PDEProbe(
    name="pde_probe",
    title="Probes in the Kuramoto-Sivashinsky equation",
    equation="u_t = -u u_x - u_xx - u_xxxx,  0 ≤ x < 22, periodic;  y(t) = u(0, t + 2)",
    fields=(Field("ahead", "y", "1", "probe 1, two time units ahead"),),
    boundary={},
    metrics=("nrmse", "skill"),
    solver="lssl",
    citation="Y. Kuramoto, T. Tsuzuki (1976); G. Sivashinsky (1977); the solver after A.-K. Kassam, L. N. Trefethen, "
    "Fourth-Order Time-Stepping for Stiff PDEs, SIAM J. Sci. Comput. 26 (2005) 1214, doi:10.1137/S1064827502410633",
)
