"""The Van der Pol oscillator: a spring, and a friction that feeds small swings and brakes large ones."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from sciml.core.types import Params

EQUATION = """\
dx/dt = v
dv/dt = μ (1 − x²) v − x"""


def friction(x: Any, v: Any, mu: Any) -> Any:
    """``μ (1 − x²) v``, of tensors or of numbers."""
    return mu * (1 - x * x) * v


def restoring(x: Any) -> Any:
    """``−x``, of tensors or of numbers."""
    return -x


CLOSURES: dict[str, Callable[[Tensor, Params], Tensor]] = {
    "friction": lambda state, params: friction(state[:, :1], state[:, 1:], params["mu"][:, None].to(state)),
    "restoring": lambda x, params: restoring(x),
}
"""The forces a solver may replace: ``friction`` is called with (x, v), ``batch 2``, ``restoring`` with x, ``batch 1``,
both with the parameters; each returns a force per unit mass, ``batch 1``."""


def rate(state: Tensor, params: Params, closures: Mapping[str, Callable[..., Tensor]]) -> Tensor:
    """``d(x, v)/dt``, ``batch 2``."""
    x, v = state[:, :1], state[:, 1:]
    return torch.cat([v, closures["friction"](state, params) + closures["restoring"](x, params)], dim=1)


def symbolic() -> dict[str, Any]:
    """The same right-hand sides in sympy, in symbols ``x, v, mu``."""
    import sympy as sp

    x, v, mu = sp.symbols("x v mu", real=True)
    return {"displacement": v, "velocity": mu * (1 - x**2) * v - x}
