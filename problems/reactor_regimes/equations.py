"""A cooled, stirred reactor with one exothermic reaction of first order: slopes, steady states, their stability."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

EQUATION = "ẋ = −x + Da (1 − x) e^{θ/(1+θ/γ)};  θ̇ = −(1 + β) θ + B Da (1 − x) e^{θ/(1+θ/γ)}"
CLASSES = ("extinguished", "ignited", "bistable", "oscillating")
CONVERSION = 0.5
"""The conversion x that divides the two classes with a single stable steady state."""


def slopes(
    state: Float[Tensor, "*sample 2"], damkoehler: Tensor, rise: Tensor, cooling: Tensor, activation: Tensor
) -> Float[Tensor, "*sample 2"]:
    """ẋ and θ̇ of states (x, θ); times in residence times."""
    x, theta = state.unbind(-1)
    rate = damkoehler * (1 - x) * torch.exp(theta / (1 + theta / activation))
    return torch.stack((rate - x, rise * rate - (1 + cooling) * theta), dim=-1)


def needed_damkoehler(x: Tensor, rise: Tensor, cooling: Tensor, activation: Tensor) -> Tensor:
    """The Da of which a conversion x is the steady one: there θ = B x / (1 + β) and x = Da (1 − x) e^{θ/(1+θ/γ)}."""
    theta = rise * x / (1 + cooling)
    return x / (1 - x) * torch.exp(-theta / (1 + theta / activation))


def is_stable(x: Tensor, rise: Tensor, cooling: Tensor, activation: Tensor) -> Bool[Tensor, "..."]:
    """Whether both eigenvalues at the steady state of a conversion x have negative real parts.

    With r = Da (1 − x) e^{θ/(1+θ/γ)}, which is x there, ∂r/∂x = −x / (1 − x) and ∂r/∂θ = x / (1 + θ/γ)².
    """
    theta = rise * x / (1 + cooling)
    by_x, by_theta = -x / (1 - x), x / (1 + theta / activation) ** 2
    trace = -1 + by_x - (1 + cooling) + rise * by_theta
    determinant = (-1 + by_x) * (-(1 + cooling) + rise * by_theta) - rise * by_x * by_theta
    return (trace < 0) & (determinant > 0)
