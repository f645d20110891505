"""Layers of networks of coordinates: factorised weights, and coordinates as features."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sciml.core.domain import Domain
from sciml.nn._jet import Cosine, Jet, Signal, Sine, join, pointwise


class FactorisedLinear(nn.Module):
    """W x + b with W = diag(exp g) V, which acts as a step size for every neuron of its own.

    g is drawn from N(mean, spread²), V such that W starts as a plain layer's after Glorot.

    Reference: S. Wang, H. Wang, J. Seidman, P. Perdikaris, Random weight factorization improves the training of
    continuous neural representations, arXiv:2210.01274.
    """

    def __init__(self, channels_in: int, channels_out: int, *, mean: float = 1.0, spread: float = 0.1) -> None:
        super().__init__()
        weight = nn.init.xavier_normal_(torch.empty(channels_out, channels_in))
        scale = mean + spread * torch.randn(channels_out)
        self.scale = nn.Parameter(scale)
        self.direction = nn.Parameter(weight / scale.exp()[:, None])
        self.bias = nn.Parameter(torch.zeros(channels_out))

    @property
    def weight(self) -> Tensor:
        """W."""
        return self.scale.exp()[:, None] * self.direction

    def forward(self, x: Tensor) -> Tensor:
        """W x + b."""
        return functional.linear(x, self.weight, self.bias)


Affine = nn.Linear | FactorisedLinear
"""Layers with a ``weight`` and a ``bias``."""


class CoordinateEmbedding(nn.Module):
    """Coordinates as features: scaled to [-1, 1], sines and cosines on periodic axes, random Fourier features.

    A periodic axis of length P becomes cos(2πk x/P), sin(2πk x/P), k = 1 … `harmonics`, so that the network is periodic
    with all derivatives. Random features are cos(Bz), sin(Bz) of those with B ~ N(0, σ²).

    Arguments:
        domain: gives scales and periods.
        harmonics: of a periodic axis.
        fourier: random features, half of them sines; 0 for none.
        sigma: their σ.
    """

    matrix: Tensor
    shift: Tensor
    random: Tensor

    def __init__(self, domain: Domain, *, harmonics: int = 3, fourier: int = 0, sigma: float = 1.0) -> None:
        super().__init__()
        rows, shifts, waves = [], [], []
        for i, axis in enumerate(domain.axes):
            rates = [2 * math.pi * k / axis.extent for k in range(1, harmonics + 1)] if axis.periodic else []
            middle = 0.5 * (axis.lower + axis.upper)
            for rate in rates or [2 / axis.extent]:
                row = torch.zeros(len(domain.axes), dtype=torch.float64)
                row[i] = rate
                rows.append(row)
                shifts.append(-rate * middle)
                waves.append(axis.periodic)
        self.waves = [i for i, wave in enumerate(waves) if wave]
        self.plain = [i for i, wave in enumerate(waves) if not wave]
        self.register_buffer("matrix", torch.stack(rows))
        self.register_buffer("shift", torch.tensor(shifts, dtype=torch.float64))
        self.sine, self.cosine = Sine(), Cosine()
        size = 2 * len(self.waves) + len(self.plain)
        self.register_buffer("random", sigma * torch.randn(fourier // 2, size, dtype=torch.float64))
        self.size = 2 * len(self.random) or size

    def forward(self, x: Signal) -> Signal:
        """The features."""
        scaled = _affine(x, self.matrix, self.shift)
        parts = [_columns(scaled, self.plain)] if self.plain else []
        if self.waves:
            angles = _columns(scaled, self.waves)
            parts += [pointwise(self.cosine, angles), pointwise(self.sine, angles)]
        features = join(*parts)
        if len(self.random):
            angles = _affine(features, self.random, None)
            features = join(pointwise(self.cosine, angles), pointwise(self.sine, angles))
        return features


def affine_layer(channels_in: int, channels_out: int, factorised: bool) -> Affine:
    """W x + b after Glorot, factorised or not."""
    if factorised:
        return FactorisedLinear(channels_in, channels_out)
    layer = nn.Linear(channels_in, channels_out)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _affine(x: Signal, matrix: Tensor, shift: Tensor | None) -> Signal:
    """M x + b of values or jets, with nothing to learn."""
    if not isinstance(x, Jet):
        return functional.linear(x, matrix.to(x), None if shift is None else shift.to(x))
    matrix = matrix.to(x.value)
    offset = None if shift is None else shift.to(x.value)
    return x.with_parts(
        {name: functional.linear(part, matrix, offset if name == "" else None) for name, part in x.parts.items()}
    )


def _columns(x: Signal, which: Sequence[int]) -> Signal:
    return x.columns(list(which)) if isinstance(x, Jet) else x[:, list(which)]
