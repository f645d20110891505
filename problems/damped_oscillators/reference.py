"""Exact solution of the mixed damped oscillators: each hidden oscillator is a complex exponential."""

import math

import torch
from torch import Tensor

from sciml.core.types import Params, Trajectory
from sciml.reference import closed_form

from .equations import MODES, mixing, unmixing

AMPLITUDE = (0.5, 1.5)
"""Range of ``|z|`` of each oscillator at the start."""


def initial_state(generator: torch.Generator) -> Tensor:
    """The six channels of two oscillators of uniform amplitude and phase."""
    unit = torch.rand(2, len(MODES), generator=generator, dtype=torch.float64)
    amplitude, phase = AMPLITUDE[0] + (AMPLITUDE[1] - AMPLITUDE[0]) * unit[0], 2 * math.pi * unit[1]
    hidden = amplitude[:, None] * torch.stack([phase.cos(), phase.sin()], dim=1)
    return mixing(hidden) @ hidden.flatten()


def simulate(params: Params, initial: Tensor, times: Tensor) -> Trajectory:
    """``c₀ + M (z(t) − z₀)`` with ``z_k(t) = exp((−γ_k + i ω_k)(t − t₀)) z_k(0)`` and ``z₀ = M⁺ c₀``.

    See `sciml.core.problem.Evolves.simulate`. A part of the initial channels that no oscillator makes stays as it is.
    """
    start = (initial @ unmixing(initial).T).unflatten(1, (len(MODES), 2))
    start = torch.view_as_complex(start.contiguous())  # batch mode
    rates = torch.stack(
        [torch.complex(-params[f"{name}_damping"], params[f"{name}_frequency"]) for name in MODES], dim=1
    ).to(start)
    growth = torch.expm1(rates[:, None] * (times - times[0]).to(initial)[:, None])  # batch time mode
    change = torch.view_as_real(growth * start[:, None]).flatten(2)
    return closed_form(initial[:, None] + change @ mixing(initial).T)
