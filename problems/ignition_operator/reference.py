"""Shapes of laser shots, and the temperature that Cantera's CVODE finds for each."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import Images
from sciml.core.domain import Domain
from sciml.core.functions import Functions, FunctionSpace
from sciml.core.status import Status
from sciml.reference import Feed, Heating, Vessel, methane_oxygen

from .equations import (
    COMPOSITION,
    ENERGY,
    HORIZON,
    LINE,
    PRESSURE,
    PULSES,
    RESIDENCE,
    TEMPERATURE,
    UNEVEN,
    VOLUME,
    WIDTH,
)

KNOTS = 2001
"""Of the table, linear between its knots, that CVODE is given of a power: one in 2 µs."""
LONGEST_STEP = WIDTH / 4
TOLERANCES = ((1e-6, 1e-12), (1e-8, 1e-14))
"""Relative and absolute, of the first try and of the second."""
FEED = Feed(temperature=TEMPERATURE, pressure=PRESSURE, composition=COMPOSITION, residence_time=RESIDENCE)


class ShotSpace(FunctionSpace):
    """Power of a laser that fires a train of pulses, their total energy log-uniform in `ENERGY`.

        P(t) = E Σ_k s_k b((t − k w)/w)/w,   b(ξ) = (1 + cos πξ)/2 for |ξ| < 1,   Σ s_k = 1,   k = 1 ... 8

    Pulses of equal energy add up to one with a flat top.

    Arguments:
        domain: the axis of time.
        shares: ``uneven``: s = softmax(σ z) with z normal; ``single``: one pulse has all, each as often;
            ``flat``: equal.
    """

    def __init__(self, domain: Domain, shares: Literal["uneven", "single", "flat"]) -> None:
        self.domain, self._shares = domain, shares

    def coefficients(self, count: int, generator: torch.Generator) -> Float[Tensor, "function mode"]:
        """Energies of the pulses, J."""
        low, high = map(math.log, ENERGY)
        energy = torch.exp(low + (high - low) * torch.rand(count, 1, generator=generator, dtype=torch.float64))
        normal = torch.randn(count, PULSES, generator=generator, dtype=torch.float64)
        if self._shares == "single":
            return energy * torch.nn.functional.one_hot(normal.argmax(1), PULSES)
        return energy * torch.softmax(normal * (UNEVEN if self._shares == "uneven" else 0.0), dim=1)

    def modes(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point mode"]:
        """Pulses of one joule, W."""
        late = self._late(points)
        return torch.where(late.abs() < 1, (1 + torch.cos(math.pi * late)) / (2 * WIDTH), 0.0)

    def integrals(self, points: Float[Tensor, "point 1"]) -> Float[Tensor, "point mode"]:
        """Energy that has been deposited of each, J."""
        late = self._late(points).clamp(-1, 1)
        return (late + 1) / 2 + torch.sin(math.pi * late) / (2 * math.pi)

    @staticmethod
    def _late(points: Tensor) -> Tensor:
        centres = WIDTH * torch.arange(1, PULSES + 1, dtype=torch.float64)
        return (points.double() - centres) / WIDTH


SPACES: dict[str, FunctionSpace] = {
    "uneven": ShotSpace(LINE, "uneven"),
    "single": ShotSpace(LINE, "single"),
    "flat": ShotSpace(LINE, "flat"),
}


def temperatures(
    power: Functions, queries: Tensor, *, knots: int = KNOTS, tolerances: tuple[tuple[float, float], ...] = TOLERANCES
) -> Images:
    """T [K] at times, ``function query 1``.

    A power that is negative somewhere has DIVERGED: a laser takes no heat away. One that CVODE gives up on is tried
    once more with tighter tolerances and is then NOT_CONVERGED. Both are NaN throughout.
    """
    times = torch.linspace(0, HORIZON, knots, dtype=torch.float64)
    moments, order = queries[:, 0].double().unique(return_inverse=True)
    values, codes = [], []
    for watts in power(times[:, None]):
        history, status = _history(times, watts, moments, tolerances)
        values.append(history[order])
        codes.append(int(status))
    return Images(torch.stack(values)[..., None], torch.tensor(codes, dtype=torch.int8))


def _history(
    times: Tensor, watts: Tensor, moments: Tensor, tolerances: tuple[tuple[float, float], ...]
) -> tuple[Tensor, Status]:
    failed = torch.full_like(moments, torch.nan)
    if not bool((watts.isfinite() & (watts >= 0)).all()):
        return failed, Status.DIVERGED
    for pair in tolerances:
        history = _solved(times, watts, moments, pair)
        if history is not None:
            return history, Status.OK if bool(history.isfinite().all()) else Status.DIVERGED
    return failed, Status.NOT_CONVERGED


def _solved(times: Tensor, watts: Tensor, moments: Tensor, tolerances: tuple[float, float]) -> Tensor | None:
    """T at increasing moments; None where CVODE gives up."""
    import cantera as ct

    heating = None
    if bool(watts.any()):
        last = min(int(watts.nonzero()[-1]) + 1, len(times) - 1)  # where the table is zero again
        table = ct.Func1("tabulated-linear", times.tolist(), watts.tolist())
        heating = Heating(power=table, over=float(times[last]), longest_step=LONGEST_STEP)
    history = []
    try:
        vessel = Vessel(methane_oxygen(), VOLUME, FEED, heating, tolerances=tolerances)
        for moment in moments.tolist():
            if moment > 0:
                vessel.advance(moment)
            history.append(vessel.reactor.phase.T)
    except ct.CanteraError:
        return None
    return torch.tensor(history, dtype=torch.float64)
