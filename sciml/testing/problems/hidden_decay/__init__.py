"""A fed vessel in which something decays at a hidden rate, solved exactly: the smallest problem with a hidden term."""

from dataclasses import dataclass
from functools import lru_cache

import torch

from sciml.core.capabilities import HasHiddenTerm, HeldOut, HiddenSpec, ObservationPlan
from sciml.core.domain import Coordinate, Domain, initial
from sciml.core.marks import hidden
from sciml.core.problem import Field
from sciml.core.statement import Statement

FEED, RATE, END = 0.5, 0.8, 4.0
STARTS, HELD_OUT = (2.0, 0.1), 1.4
HIDDEN = HiddenSpec(
    plan=ObservationPlan(trajectories=2, points=12, noise=0.002),
    trajectories=len(STARTS),
    library=("c", "c**2"),
    operators=("mul",),
)


def exact(start, time):
    """The content c of a vessel, c -> 0.5 / 0.8."""
    return FEED / RATE + (start - FEED / RATE) * torch.exp(-RATE * time)


@lru_cache
def statement(start: float) -> Statement:
    """The equation with the decay marked."""
    import sympy as sp

    t, feed, rate = sp.symbols("t f k")
    c = sp.Function("c")(t)
    return Statement(
        domain=Domain((Coordinate("t", 0.0, END),), time="t"),
        fields=("c",),
        equations=(sp.Eq(c.diff(t), feed + hidden(-rate * c)),),
        conditions=initial("c", start),
        parameters={"f": FEED, "k": RATE},
    )


@dataclass(frozen=True, kw_only=True)
class HiddenDecay(HasHiddenTerm):
    """dc/dt = 0.5 + H(c), H = -0.8 c."""

    hidden: HiddenSpec = HIDDEN

    def hidden_statement(self, trajectory=0):
        return statement(STARTS[trajectory])

    def reference_trajectory(self, trajectory, coordinates):
        return exact(STARTS[trajectory], coordinates[:, :1])

    def held_out(self):
        times = torch.linspace(0.0, END, 21, dtype=torch.float64)
        return HeldOut(times, exact(HELD_OUT, times[:, None]))


PROBLEM = HiddenDecay(
    name="hidden_decay",
    title="A fed vessel with a hidden decay",
    equation="dc/dt = 0.5 + hidden (hidden: − 0.8 c)",
    fields=(Field("content", "c", "1", "content"),),
    boundary={},
    presets=("tiny",),
    metrics=("hidden/relative_l2",),
    solver="upinn",
    citation="textbook",
)
