"""The solution of Burgers' equation by the Cole-Hopf transform."""

import math

import numpy as np
import torch
from torch import Tensor

from .equations import Wave, exponent, start

_NODES = 128  # of Gauss and Hermite
_STEP = 0.05  # of the quadrature; the integrand is no narrower than exp(-4 z²), so the rule is exact to rounding
_BLOCK = 4096  # points at a time


def cole_hopf(points: Tensor, viscosity: float) -> Tensor:
    """u at points ``point 2`` of (x, t), float64, differentiable.

        u = -∫ sin π(x - η) f(x - η) e^(-η²/4νt) dη / ∫ f(x - η) e^(-η²/4νt) dη,  f(y) = exp(-cos(πy) / 2πν)

    With η = 2 √(νt) z both integrands are entire and fall like a Gaussian, so the trapezoidal rule converges faster
    than any power of its step; exponents are shifted by their largest value.

    Reference: J. D. Cole, Quart. Appl. Math. 9 (1951) 225-236; E. Hopf, Comm. Pure Appl. Math. 3 (1950) 201-230.
    """
    reach = math.sqrt(1 / (math.pi * viscosity) + 40)  # f varies by exp(1/πν) at most; e^-40 of it is left out
    z = torch.arange(-reach, reach + _STEP, _STEP, dtype=torch.float64, device=points.device)
    blocks = []
    for block in points.double().split(_BLOCK):
        x, t = block[:, :1], block[:, 1:].clamp(min=0)
        y = x - 2 * (viscosity * t + 1e-300).sqrt() * z
        exponent = -torch.cos(math.pi * y) / (2 * math.pi * viscosity) - z * z
        weight = torch.softmax(exponent, dim=1)
        blocks.append(-(torch.sin(math.pi * y) * weight).sum(1, keepdim=True))
    return torch.cat(blocks)


def cole_hopf_of(wave: Wave, viscosity: float, time: Tensor, x: Tensor) -> Tensor:
    """u from a mixture of two sines, ``point``, float64, differentiable by x; the initial state at time zero.

        u = ∫ u₀(x - η) f(x - η) e^(-η²/4νt) dη / ∫ f(x - η) e^(-η²/4νt) dη,  f(x) = exp(-1/(2ν) ∫₀ˣ u₀)

    By the rule of Gauss and Hermite, exact to rounding where the front is a tenth of the domain wide or more;
    `cole_hopf` is for sharper ones.
    """
    nodes, weights = (torch.from_numpy(values) for values in np.polynomial.hermite.hermgauss(_NODES))
    shifted = x[:, None] - 2 * (viscosity * time[:, None]).sqrt() * nodes
    height = exponent(shifted, wave, viscosity)
    share = weights * torch.exp(height - height.amax(1, keepdim=True).detach())
    return (share * start(shifted, wave)).sum(1) / share.sum(1)
