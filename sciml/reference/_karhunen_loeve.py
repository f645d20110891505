"""Karhunen-Loève modes of Gaussian fields of many correlation lengths at once, as Legendre series."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.domain import Domain
from sciml.core.errors import UnsupportedError, UserError
from sciml.core.functions import Functions
from sciml.reference._kernels import Kernel, KernelName
from sciml.reference._legendre import gauss, legendre_series
from sciml.reference._polynomial_spaces import LegendreSpace

_BISECTIONS = 60


def karhunen_loeve(
    kernel: KernelName, lengths: Float[Tensor, " length"], modes: int, *, size: int = 48
) -> Float[Tensor, "length mode coefficient"]:
    """Legendre coefficients of √λ_k e_k on [0, 1], the modes of largest variance first, positive at the lower end.

        ∫₀¹ k(|t - t'|) e_k(t') dt' = λ_k e_k(t),   ∫ e_j e_k = δ_jk

    For the exponential kernel the modes are waves in closed form: with c = 1/l, θ tan θ = c/2 for the even ones,
    cos(2θ (t - 1/2)), and tan θ = -2θ/c for the odd ones, sin(2θ (t - 1/2)), λ = 2c / (4θ² + c²). For the RBF kernel
    they are eigenvectors on Gauss's nodes (Nyström's method, exact to rounding for a smooth kernel).

    Arguments:
        kernel: ``exponential`` or ``rbf``, of unit variance.
        lengths: correlation lengths in units of the interval.
        modes: how many.
        size: terms of the series.

    Raises: UnsupportedError for another kernel; UserError for a length that is not positive, or too many modes.

    Reference: R. G. Ghanem, P. D. Spanos, Stochastic Finite Elements (1991), section 2.3.3.
    """
    if not bool((lengths > 0).all()) or not 1 <= modes <= size // 2:
        raise UserError("modes of a Gaussian field need positive lengths, and two terms of the series each",
                        got=f"lengths from {float(lengths.min()):g}, {modes} modes of {size} terms")  # fmt: skip
    if kernel == "exponential":
        series = legendre_series(_waves(lengths.double(), modes, gauss(size)[0]))
    elif kernel == "rbf":
        series = legendre_series(_eigenvectors(Kernel("rbf", 1.0), lengths.double(), modes, size))
    else:
        raise UnsupportedError(
            "modes of this kernel are not known to rounding", got=kernel, expected="exponential, rbf"
        )
    signs = 1.0 - 2.0 * (torch.arange(size, dtype=torch.float64) % 2)
    lower_end = (series * signs).sum(2, keepdim=True)
    return torch.where(lower_end < 0, -series, series)


@dataclass(frozen=True)
class RandomProcess:
    """Draws the leading modes of Gaussian processes with uniform correlation lengths, as one function per mode.

    Where an operator acts on a process, its modes are the inputs: `sciml.core.capabilities.DeclaredOperator` takes this
    for a function space.

    Arguments:
        domain: one axis.
        kernel: ``exponential`` or ``rbf``.
        shortest, longest: ends of the correlation lengths, in the units of the axis.
        modes: how many.
        size: terms of the Legendre series that they are.
    """

    domain: Domain
    kernel: KernelName
    shortest: float
    longest: float
    modes: int
    size: int = 48

    def __call__(self, count: int, generator: torch.Generator) -> tuple[Functions, ...]:
        """`count` processes; mode by mode."""
        unit = torch.rand(count, generator=generator, dtype=torch.float64)
        lengths = self.shortest + (self.longest - self.shortest) * unit
        series = karhunen_loeve(self.kernel, lengths / float(self.domain.extent), self.modes, size=self.size)
        space = LegendreSpace(self.domain, size=self.size)
        return tuple(Functions(space, mode) for mode in series.unbind(1))


def truncated_normal(shape: tuple[int, ...], reach: float, generator: torch.Generator) -> Float[Tensor, "*shape"]:
    """Standard normal numbers, cut at ±`reach`, by the inverse of their distribution function; float64."""
    low = float(torch.special.ndtr(torch.tensor(-reach, dtype=torch.float64)))
    unit = torch.rand(shape, generator=generator, dtype=torch.float64)
    return torch.special.ndtri(low + (1 - 2 * low) * unit).clamp(-reach, reach)


def _waves(
    lengths: Float[Tensor, " length"], modes: int, nodes: Float[Tensor, " node"]
) -> Float[Tensor, "length mode node"]:
    """√λ e of the exponential kernel; the root of mode i lies between iπ/2 and (i + 1)π/2."""
    number = torch.arange(modes, dtype=torch.float64)
    even, c = (number % 2 == 0), 1 / lengths[:, None]
    low = (number * math.pi / 2).expand(len(lengths), -1).clone()
    high = low + math.pi / 2

    def mismatch(theta: Tensor) -> Tensor:
        return torch.where(even, theta * theta.sin() - c / 2 * theta.cos(), theta * theta.cos() + c / 2 * theta.sin())

    upper_sign = mismatch(high).sign()
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        same = mismatch(middle).sign() == upper_sign
        low, high = torch.where(same, low, middle), torch.where(same, middle, high)
    theta = (low + high) / 2
    variance = 2 * c / (4 * theta.square() + c.square())
    norm = 0.5 + torch.where(even, 1.0, -1.0) * torch.sin(2 * theta) / (4 * theta)
    phase = theta[..., None] * nodes  # 2θ (t - 1/2), nodes in [-1, 1]
    return torch.where(even[:, None], phase.cos(), phase.sin()) * (variance / norm).sqrt()[..., None]


def _eigenvectors(
    kernel: Kernel, lengths: Float[Tensor, " length"], modes: int, size: int
) -> Float[Tensor, "length mode node"]:
    """√λ e at Gauss's nodes."""
    nodes, weights = gauss(size)
    root = (weights / 2).sqrt()
    distance = (nodes[:, None] - nodes).abs() / 2 / lengths[:, None, None]
    values, vectors = torch.linalg.eigh(root[:, None] * kernel(distance) * root)
    kept = values.flip(1)[:, :modes].clamp_min(0).sqrt(), vectors.flip(2)[:, :, :modes]
    return (kept[1] / root[:, None] * kept[0][:, None]).transpose(1, 2)
