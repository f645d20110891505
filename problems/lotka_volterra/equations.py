"""The Lotka-Volterra equations: prey that breed, predators that live on them."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from sciml.core.types import Grid, Params

EQUATION = """\
dx/dt = α x − β x y
dy/dt = δ x y − γ y"""


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


def symbolic() -> dict[str, Any]:
    """The same right-hand sides in sympy, in symbols ``x, y, alpha, beta, gamma, delta``; and V as ``volterra``."""
    import sympy as sp

    x, y, alpha, beta, gamma, delta = sp.symbols("x y alpha beta gamma delta", positive=True)
    return {
        "prey": alpha * x - beta * x * y,
        "predator": delta * x * y - gamma * y,
        "volterra": delta * x - gamma * sp.log(x) + beta * y - alpha * sp.log(y),
    }
