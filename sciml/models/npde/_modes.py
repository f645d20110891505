"""Diffusion in its own modes: exact or implicit steps without solving a system."""

from __future__ import annotations

import math
from functools import reduce

import torch
from jaxtyping import Inexact
from torch import Tensor, nn

from sciml.models.npde._spec import NPDESpec, SpecAxis
from sciml.models.npde._stencils import second_derivative_matrix, stencil


class Modes(nn.Module):
    """Eigenvectors of the second differences along every axis: Fourier's on periodic axes, of a matrix on the others.

    The eigenvalues are those of the stencil, so that a step is the scheme that one knows, solved exactly.

    Arguments:
        spec: axes and order of the stencils.
    """

    def __init__(self, spec: NPDESpec) -> None:
        super().__init__()
        self.periodic = tuple(axis.boundary == "periodic" for axis in spec.axes)
        for i, axis in enumerate(spec.axes):
            shape = [1] * len(spec.axes)
            shape[i] = -1
            if self.periodic[i]:
                values, vectors = _fourier(axis, spec.accuracy), torch.zeros(0, dtype=torch.float64)
            else:
                matrix = second_derivative_matrix(
                    axis.size, spacing=axis.spacing, accuracy=spec.accuracy, boundary=axis.boundary
                )
                values, vectors = torch.linalg.eigh(matrix) if matrix.device.type != "meta" else (matrix[0], matrix)
            self.register_buffer(f"values_{i}", values.view(shape), persistent=False)
            self.register_buffer(f"vectors_{i}", vectors, persistent=False)

    def eigenvalues(self, axes: tuple[int, ...]) -> Tensor:
        """Of the sum of second derivatives along some axes, ``*space``; float64, none of them positive."""
        return reduce(torch.add, [self.get_buffer(f"values_{i}") for i in axes])

    def scaled(self, field: Inexact[Tensor, "batch *space"], factor: Tensor) -> Inexact[Tensor, "batch *space"]:
        """Every mode multiplied by its factor."""
        modes = field
        for i, periodic in enumerate(self.periodic):
            modes = torch.fft.fft(modes, dim=i + 1, norm="ortho") if periodic else self._turned(modes, i, False)
        modes = modes * factor
        for i, periodic in enumerate(self.periodic):
            modes = torch.fft.ifft(modes, dim=i + 1, norm="ortho") if periodic else self._turned(modes, i, True)
        return modes if field.is_complex() else modes.real if modes.is_complex() else modes

    def _turned(self, field: Tensor, axis: int, back: bool) -> Tensor:
        vectors: Tensor = getattr(self, f"vectors_{axis}")
        matrix = vectors.to(field.dtype)
        return (field.movedim(axis + 1, -1) @ (matrix.T if back else matrix)).movedim(-1, axis + 1)


def _fourier(axis: SpecAxis, accuracy: int) -> Tensor:
    phases = 2 * math.pi * torch.fft.fftfreq(axis.size, dtype=torch.float64)
    weights = stencil(2, accuracy)
    reach = len(weights) // 2
    total = torch.full_like(phases, weights[reach])
    for i in range(1, reach + 1):
        total = total + 2 * weights[reach + i] * torch.cos(i * phases)
    return (total / axis.spacing**2).clamp_max(0)
