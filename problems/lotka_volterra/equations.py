"""The Lotka-Volterra equations: prey that breed, predators that live on them."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import torch
from torch import Tensor

from sciml.core.capabilities import HiddenSpec, ObservationPlan
from sciml.core.domain import Coordinate, Domain, Expression, initial
from sciml.core.marks import hidden, without_marks
from sciml.core.statement import Statement
from sciml.core.types import Grid, Params

EQUATION = """\
dx/dt = α x − β x y
dy/dt = δ x y − γ y"""

BENCHMARK = {"alpha": 1.3, "beta": 0.9, "delta": 0.8, "gamma": 1.8}
"""The parameters of the benchmark of universal differential equations, whose interaction is hidden."""
STARTS = ((0.44249296, 4.6280594), (1.5, 1.0), (3.0, 2.0))
"""Initial conditions (x, y) that are observed there; the first is the published one."""
HELD_OUT = (1.0, 3.0)
"""One that is not."""
END = 3.0
HIDDEN = HiddenSpec(
    plan=ObservationPlan(trajectories=3, points=10, noise=0.005),
    trajectories=len(STARTS),
    library=("1", "x", "y", "x*y", "x**2", "y**2"),
    stream="lotka_volterra_hidden",  # the noise of the study in reports/sparse_and_noisy
)


def _rate_of(name: str, like: Tensor, params: Params) -> Tensor:
    return params[name][:, None].to(like)


def birth(prey: Tensor, params: Params) -> Tensor:
    """``α x``, the growth of the prey left alone; ``batch 1`` to ``batch 1``."""
    return _rate_of("alpha", prey, params) * prey


def predation(state: Tensor, params: Params) -> Tensor:
    """``β x y``, the prey eaten; ``batch 2`` to ``batch 1``."""
    return _rate_of("beta", state, params) * state[:, :1] * state[:, 1:]


def reproduction(state: Tensor, params: Params) -> Tensor:
    """``δ x y``, the predators born of what they eat; ``batch 2`` to ``batch 1``."""
    return _rate_of("delta", state, params) * state[:, :1] * state[:, 1:]


def death(predator: Tensor, params: Params) -> Tensor:
    """``γ y``, the predators that die; ``batch 1`` to ``batch 1``."""
    return _rate_of("gamma", predator, params) * predator


CLOSURES: dict[str, Callable[[Tensor, Params], Tensor]] = {
    "birth": birth,
    "predation": predation,
    "reproduction": reproduction,
    "death": death,
}
"""The four terms a solver may replace, all positive; the two interactions are called with the whole state."""


def rate(state: Tensor, params: Params, closures: Mapping[str, Callable[..., Tensor]]) -> Tensor:
    """``d(x, y)/dt``, ``batch 2``."""
    prey, predator = state[:, :1], state[:, 1:]
    prey_rate = closures["birth"](prey, params) - closures["predation"](state, params)
    predator_rate = closures["reproduction"](state, params) - closures["death"](predator, params)
    return torch.cat([prey_rate, predator_rate], dim=1)


def parts(state: Tensor, params: Params) -> tuple[Tensor, Tensor]:
    """``γ (r − 1 − ln r)`` with ``r = δ x/γ`` and ``α (s − 1 − ln s)`` with ``s = β y/α``, over the last axis.

    Their sum is V less its smallest value (see `volterra`). Both are nonnegative, zero in equilibrium and NaN where a
    population is not positive. The parameters must broadcast against ``state[..., 0]``.
    """
    prey, predator = state.unbind(-1)
    r = params["delta"] * prey / params["gamma"]
    s = params["beta"] * predator / params["alpha"]
    return params["gamma"] * (r - 1 - r.log()), params["alpha"] * (s - 1 - s.log())


def volterra(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``V = δ x − γ ln x + β y − α ln y`` less its value in equilibrium, so that it is positive; conserved exactly."""
    prey, predator = parts(states, {name: value.to(states)[:, None] for name, value in params.items()})
    return prey + predator


def right_sides(
    x: Expression, y: Expression, alpha: Expression, beta: Expression, delta: Expression, gamma: Expression
) -> tuple[Expression, Expression]:
    """dx/dt and dy/dt in sympy; what happens when prey and predators meet is marked as hidden."""
    return alpha * x - hidden(beta * x * y), hidden(delta * x * y) - gamma * y


def symbolic() -> dict[str, Expression]:
    """The right-hand sides in symbols ``x, y, alpha, beta, gamma, delta``; and V as ``volterra``."""
    import sympy as sp

    x, y, alpha, beta, gamma, delta = sp.symbols("x y alpha beta gamma delta", positive=True)
    prey, predator = map(without_marks, right_sides(x, y, alpha, beta, delta, gamma))
    return {
        "prey": prey,
        "predator": predator,
        "volterra": delta * x - gamma * sp.log(x) + beta * y - alpha * sp.log(y),
    }


@lru_cache
def statement(start: tuple[float, float]) -> Statement:
    """The equation with the interaction marked, at `BENCHMARK`, from one initial condition."""
    import sympy as sp

    t = sp.Symbol("t")
    x, y = sp.Function("x")(t), sp.Function("y")(t)
    rates = right_sides(x, y, *sp.symbols("alpha beta delta gamma"))
    return Statement(
        domain=Domain((Coordinate("t", 0.0, END),), time="t"),
        fields=("x", "y"),
        equations=tuple(sp.Eq(function.diff(t), rate) for function, rate in zip((x, y), rates, strict=True)),
        conditions=(*initial("x", start[0]), *initial("y", start[1])),
        parameters=BENCHMARK,
    )
