"""Exact solution of the two-mode oscillator by the matrix exponential."""

import math

import torch
from torch import Tensor

from sciml.core.types import Trajectory
from sciml.reference import closed_form

from .equations import FAST, SLOW, matrix

AMPLITUDES = ((0.5, 1.5), (0.1, 0.3))
"""Ranges of the initial displacement amplitudes, slow and fast; the velocities are then of similar size."""


def initial_state(generator: torch.Generator) -> Tensor:
    """(x₁, x₁', x₂, x₂'): ``x = a cos φ``, ``x' = −ω a sin φ`` with uniform amplitude and phase of each mode."""
    unit = torch.rand(2, 2, generator=generator, dtype=torch.float64)
    pairs = []
    for mode, (low, high), (amplitude, phase) in zip((SLOW, FAST), AMPLITUDES, unit, strict=True):
        angle = 2 * math.pi * phase
        pairs.append((low + (high - low) * amplitude) * torch.stack([angle.cos(), -mode.frequency * angle.sin()]))
    return torch.cat(pairs)


def simulate(initial: Tensor, times: Tensor) -> Trajectory:
    """``exp(A (t − t₀)) y₀`` at `times`; see `sciml.core.problem.Evolves.simulate`."""
    elapsed = (times - times[0]).to(initial)
    flow = torch.linalg.matrix_exp(matrix().to(initial) * elapsed[:, None, None])  # time 4 4
    return closed_form(torch.einsum("tij,bj->bti", flow, initial))
