"""What right answers cost: ways of computing that were wrong now and then, beside those that took their place.

Our side is the right way, the peer one that is faster or was ours before; a ratio below 1 is the price. Where the wrong
way can be made right by working harder, that is a row, too: at equal error. The note has the largest relative errors of
both sides. Reactors are those of the race `combustor`, lit by 40 to 160 J within 0.12 ms, which is a hundredth of the
time that is integrated.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import Row, difference, paired, version
from benchmarks.combustor import HORIZON, HYDROGEN, VOLUME, reactor_of, saved_mechanism
from sciml import ode
from sciml.models import Flow, IntegrateConfig
from sciml.reference import Mechanism, StirredReactor

BEGIN, DURATION = 1e-3, 1.2e-4
IGNITED = 1900.0  # K
LOOSE, TIGHT = 1e-2, 1e-5


def race(quick: bool) -> Iterable[Row]:
    """Rows for forced equations, tolerances of predictions, events and traces."""
    repeats = 1 if quick else 3
    yield from _forced(4 if quick else 16, repeats)
    yield _event(4 if quick else 16, repeats)
    yield _trace(12, 64 if quick else 512, repeats)


def _row(case: str, ours: Callable[[], Any], peer: Callable[[], Any], name: str, exact: Any, repeats: int) -> Row:
    mine, other = ours(), peer()
    seconds = paired(ours, peer, repeats=repeats)
    note = f"errors: ours {difference(mine, exact):.1e}, peer {difference(other, exact):.1e}"
    sides = {"ours_s": seconds[0], "peer_s": seconds[1]}
    return Row(case=case, peer=name, peer_version=version("sciml"), equal=difference(mine, other), note=note, **sides)


def _forced(batch: int, repeats: int) -> Iterable[Row]:
    mechanism = saved_mechanism()
    vessel, start = reactor_of(mechanism)
    energies = torch.linspace(40.0, 160.0, batch, dtype=torch.float64)
    times, y0 = torch.linspace(0.0, HORIZON, 11, dtype=torch.float64), start.expand(batch, -1)
    breaks = torch.tensor([BEGIN, BEGIN + DURATION], dtype=torch.float64).expand(batch, -1)

    def slope(time: Tensor, state: Tensor, energy: Tensor) -> Tensor:
        on = (time >= BEGIN) & (time < BEGIN + DURATION)
        return vessel.slope(time, state, energy * on / DURATION)

    def settings(tolerance: float) -> dict[str, Any]:
        atol = tolerance * torch.tensor([1e-5] * len(mechanism.species) + [1e3], dtype=torch.float64)
        return {"args": (energies,), "method": "rodas4", "rtol": tolerance, "atol": atol}

    def named(tolerance: float) -> Tensor:
        with torch.no_grad():
            return ode.solve_forced(slope, y0, times, breaks, **settings(tolerance)).check().states[..., -1]

    def plain(tolerance: float, longest: float) -> Tensor:
        with torch.no_grad():
            controller = ode.PID(longest=longest)
            return ode.solve(slope, y0, times, controller=controller, **settings(tolerance)).check().states[..., -1]

    exact = named(1e-6)
    case = f"{batch} reactors, pulse of 0.12 ms"
    yield _row(
        f"{case}, rtol 1e-2, its times named",
        lambda: named(LOOSE), lambda: plain(LOOSE, HORIZON / 13), "steps up to 1.15 ms", exact, repeats,
    )  # fmt: skip
    yield _row(
        f"{case}, rtol 1e-2, its times named",
        lambda: named(LOOSE), lambda: plain(LOOSE, DURATION / 2), "steps up to 0.06 ms", exact, repeats,
    )  # fmt: skip
    yield _row(
        f"{case}, predicted at rtol 1e-5",
        lambda: named(TIGHT), lambda: named(LOOSE), "predicted at rtol 1e-2", exact, repeats,
    )  # fmt: skip


def _event(batch: int, repeats: int) -> Row:
    mechanism = Mechanism.load("h2o2.yaml")
    vessel = StirredReactor(mechanism, VOLUME)
    temperature = torch.linspace(1000.0, 1500.0, batch, dtype=torch.float64)
    shares = mechanism.shares_of_moles(HYDROGEN).expand(batch, -1)
    start = vessel.encode(temperature, torch.full_like(temperature, 1e5), shares)
    atol = torch.tensor([1e-15] * len(mechanism.species) + [1e-3], dtype=torch.float64)
    end = 5e-3

    def solved(times: Tensor, event: ode.Event | None, tolerance: float = 1e-4) -> ode.Solution:
        with torch.no_grad():
            return ode.solve(
                lambda time, state: vessel.slope(time, state, torch.zeros_like(time)),
                start, times, method="rodas4", rtol=tolerance, atol=atol * tolerance / 1e-4, event=event,
            ).check()  # fmt: skip

    def event(tolerance: float = 1e-4) -> Tensor:
        hot = ode.Event(lambda time, state: state[:, -1] - IGNITED, direction="rising")
        solution = solved(torch.tensor([0.0, end], dtype=torch.float64), hot, tolerance)
        return torch.full((batch,), np.nan) if solution.event is None else solution.event.time

    def grid() -> Tensor:
        times = torch.linspace(0.0, end, 101, dtype=torch.float64)
        return times[(solved(times, None).states[..., -1] < IGNITED).sum(1).clamp(max=100)]

    case = f"{batch} delays of hydrogen and air as events"
    return _row(case, event, grid, "first of 101 frames", event(1e-6), repeats)


def _trace(dim: int, batch: int, repeats: int) -> Row:
    torch.manual_seed(0)
    settings = {"width": 32, "integrate": IntegrateConfig(rtol=1e-5, atol=1e-5)}
    right, noisy = Flow(dim, trace="exact", **settings).eval(), Flow(dim, trace="hutchinson", **settings).train()
    noisy.load_state_dict(right.state_dict())
    points = torch.randn(batch, dim)

    def density(module: Flow) -> Callable[[], Tensor]:
        def evaluate() -> Tensor:
            with torch.no_grad():
                return module(points)[0]

        return evaluate

    case = f"log-densities of {batch} points in {dim} dimensions, exact trace"
    return _row(case, density(right), density(noisy), "one probe for a row", density(right)(), repeats)
