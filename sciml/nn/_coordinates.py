"""Layers of networks of coordinates: factorised weights, and coordinates as features."""

import math
from collections.abc import Mapping, Sequence
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciml.core.domain import Domain
from sciml.core.errors import UserError
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


Sigma = float | Mapping[str, float | tuple[float, ...]]
"""Standard deviations of random frequencies: of all axes, or of each by name."""

Affine = nn.Linear | FactorisedLinear
"""Layers with a ``weight`` and a ``bias``."""


class CoordinateEmbedding(nn.Module):
    """Coordinates as features: scaled to [-1, 1], sines and cosines on periodic axes, random Fourier features.

    A periodic axis of length P becomes cos(2πk x/P), sin(2πk x/P), k = 1 … `harmonics`, so that the network is periodic
    with all derivatives. Random features are cos(Bz), sin(Bz) of those with B ~ N(0, σ²), where σ may be one of each
    axis: a solution with m periods along an axis has frequencies up to πm there.

    Arguments:
        domain: gives scales and periods.
        harmonics: of a periodic axis.
        fourier: random features, half of them sines; 0 for none.
        sigma: their σ, of all axes or by axis; an axis with several gives an equal share of the features to each, and
            every one of one axis meets every one of the others.

    Raises: UserError where the σ do not name the axes, and for fewer features than there are combinations.

    Reference: M. Tancik et al., NeurIPS 2020, arXiv:2006.10739; S. Wang, H. Wang, P. Perdikaris, Comput. Methods Appl.
    Mech. Eng. 384 (2021) 113938, doi:10.1016/j.cma.2021.113938 (several σ).
    """

    matrix: Tensor
    shift: Tensor
    random: Tensor

    def __init__(self, domain: Domain, *, harmonics: int = 3, fourier: int = 0, sigma: Sigma = 1.0) -> None:
        super().__init__()
        rows, shifts, waves, of_axis = [], [], [], []
        for i, axis in enumerate(domain.axes):
            rates = [2 * math.pi * k / axis.extent for k in range(1, harmonics + 1)] if axis.periodic else []
            middle = 0.5 * (axis.lower + axis.upper)
            for rate in rates or [2 / axis.extent]:
                row = torch.zeros(len(domain.axes), dtype=torch.float64)
                row[i] = rate
                rows.append(row)
                shifts.append(-rate * middle)
                waves.append(axis.periodic)
                of_axis.append(i)
        self.waves = [i for i, wave in enumerate(waves) if wave]
        self.plain = [i for i, wave in enumerate(waves) if not wave]
        self.register_buffer("matrix", torch.stack(rows))
        self.register_buffer("shift", torch.tensor(shifts, dtype=torch.float64))
        self.sine, self.cosine = Sine(), Cosine()
        size = 2 * len(self.waves) + len(self.plain)
        columns = [of_axis[i] for i in (*self.plain, *self.waves, *self.waves)]
        drawn = torch.randn(fourier // 2, size, dtype=torch.float64)
        self.register_buffer("random", _spread(domain, sigma, fourier // 2)[:, columns] * drawn)
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


def _spread(domain: Domain, sigma: Sigma, count: int) -> Float[Tensor, "feature axis"]:
    """σ of every random feature along every axis."""
    if isinstance(sigma, int | float):
        return torch.full((count, len(domain.axes)), float(sigma), dtype=torch.float64)
    if set(sigma) != set(domain.names):
        raise UserError("frequencies of random features are given by axis, and not of all axes",
                        got=", ".join(sigma) or "none", expected=", ".join(domain.names))  # fmt: skip
    each = [(s,) if isinstance(s := sigma[name], int | float) else tuple(s) for name in domain.names]
    bands = list(product(*each))
    if not 0 < len(bands) <= max(count, 1):
        raise UserError("there are fewer random features than combinations of their frequencies",
                        got=f"{count} pairs for {len(bands)} combinations",
                        expected="at least one pair for each")  # fmt: skip
    return torch.tensor([bands[i % len(bands)] for i in range(count)], dtype=torch.float64).reshape(count, len(each))


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
