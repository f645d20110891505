"""Gaussian-Dirichlet masks: intervals whose place and length are differentiable."""

import math

import torch
from torch import Tensor


def gaudi_mask(width: Tensor, start: Tensor, size: int, sigma: float | int) -> Tensor:
    """Cyclic intervals of 0 … N - 1 as sums of the lowest Fourier modes, smoothed by a Gaussian of σ modes.

        m = N irfft(M),   M_k = w sinc(k w) e^(-iπkw) · e^(iπk/N - 2πikl) e^(-k²/(2σ²)) / sinc(k/N)

    For σ = ∞ and whole w N, l N that is 1 on w N entries from l N on and 0 elsewhere, exactly. The edges are smeared
    over N / (2πσ) entries, so that ∂m/∂w is not zero even at w = 0. The mean of m is w for every σ.

    Arguments:
        width, start: w and l, shares of N, of any equal shape.
        size: N.
        sigma: σ, in modes; infinite for sharp edges.

    Returns: ``*shape N``.

    Reference:
        C. Lee, H.-S. Kim, Differentiable Learning of Generalized Structured Matrices for Efficient Deep Neural
        Networks, ICLR 2024, arXiv:2310.18882.
    """
    k = torch.arange(size // 2 + 1, dtype=width.dtype, device=width.device)
    filtered = torch.exp(-0.5 * (k / sigma) ** 2) / torch.sinc(k / size)
    w, angle = width[..., None], math.pi * k * (1 / size - 2 * start[..., None] - width[..., None])
    modes = torch.polar(torch.ones_like(angle), angle) * (w * torch.sinc(k * w) * filtered)
    return size * torch.fft.irfft(modes, n=size)


def boxcar(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Cyclic intervals in entries, as booleans ``*shape N``."""
    return (torch.arange(size, device=start.device) - start[..., None]) % size < length[..., None]


def rounded(width: Tensor, start: Tensor, size: int, cells: int) -> tuple[Tensor, Tensor]:
    """Starts and lengths in entries of the nearest interval made of whole ones of `cells` nearly equal parts of N."""
    edges = torch.tensor([size * i // cells for i in range(cells + 1)], device=width.device)
    first = (start * cells).round().long() % cells
    count = (width * cells).round().long().clamp(0, cells)
    last = first + count
    end = edges[last % cells] + size * (last // cells)
    return edges[first], end - edges[first]
