"""Kernels beyond the dense one: the normal-plus-low-rank form of LegS, and diagonal systems."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from sciml.nn.ssm._hippo import hippo


class NPLR(NamedTuple):
    """A = V (Λ - P P*) V*: a normal matrix less one of rank one.

    Fields:
        eigenvalues: Λ, all with real part -1/2 for LegS.
        low_rank: P.
        drive: V* B.
        basis: V, unitary.
    """

    eigenvalues: Complex[Tensor, " state"]
    low_rank: Complex[Tensor, " state"]
    drive: Complex[Tensor, " state"]
    basis: Complex[Tensor, "state state"]


def nplr(size: int) -> NPLR:
    """LegS in that form, complex128: A + p pᵀ = -I/2 + S with p_n = √(n + 1/2) and S skew-symmetric.

    Reference:
        Gu, Goel, Re, "Efficiently Modeling Long Sequences with Structured State Spaces", ICLR 2022, arXiv:2111.00396.
    """
    matrix, drive = hippo("legs", size)
    root = (torch.arange(size, dtype=torch.float64) + 0.5).sqrt()
    normal = matrix + root[:, None] * root
    skew = (normal - normal.T) / 2
    frequencies, basis = torch.linalg.eigh(-1j * skew.to(torch.complex128))
    adjoint = basis.conj().T
    return NPLR(
        -0.5 + 1j * frequencies, adjoint @ root.to(torch.complex128), adjoint @ drive.to(torch.complex128), basis
    )


def nplr_kernel(
    form: NPLR, output: Complex[Tensor, "*batch state"], dt: Float[Tensor, "*#batch"], length: int
) -> Float[Tensor, "*batch {length}"]:
    """The kernel of the bilinear transform, without a power of Ā: its transform at the roots of unity, inverted.

        K̂(z) = 2 (k_CB - (1 + z) k_CP k_PB / (1 + (1 + z) k_PP)),
        k_XY = Σ_n X_n Y_n / (2 (1 - z)/dt - (1 + z) λ_n)

    These are the sums over 1/(g - λ) with g = 2 (1 - z)/(dt (1 + z)), less a factor 1 + z, so that nothing is infinite
    at z = -1. Takes memory for L/2 N complex numbers per time step. A, B and C must be those of a real system.

    Arguments:
        form: of A and B.
        output: C̃ = C (I - Ā^L) V, which makes the kernel end after L values.
        dt: time steps; broadcast with `output`.
        length: L.
    """
    lam, low, drive, _ = form
    angle = -2 * math.pi * torch.arange(length // 2 + 1, device=dt.device).to(lam.real.dtype) / length
    z = torch.polar(torch.ones_like(angle), angle)
    cauchy = 1 / ((2 / dt[..., None] * (1 - z))[..., None] - (1 + z)[:, None] * lam)  # *batch frequency state

    near = 1 + z
    pairs = (output, low), (low.conj(), drive), (low.conj(), low), (output, drive)
    left, right, middle, whole = ((cauchy @ (first * second)[..., None])[..., 0] for first, second in pairs)
    return torch.fft.irfft(2 * (whole - near * left * right / (1 + near * middle)), n=length)


def diagonal_kernel(
    eigenvalues: Complex[Tensor, "*batch state"],
    output: Complex[Tensor, "*filters state"],
    dt: Float[Tensor, "*batch"],
    length: int,
) -> Float[Tensor, "*filters {length}"]:
    """K_l = 2 Re Σ_n C_n (e^{dt λ_n} - 1) / λ_n e^{l dt λ_n}: zero-order hold, with one mode of each conjugate pair.

    Arguments:
        eigenvalues: λ, of the modes that are kept.
        output: C.
        dt: time steps.
        length: L.
    """
    steps = dt[..., None] * eigenvalues
    gain = 2 * output * (torch.expm1(steps) / eigenvalues)
    stride = 1 << (max(0, length - 1).bit_length() + 1) // 2  # e^{(is + j) z} = e^{isz} e^{jz}: √L exponentials each
    leaps = stride * torch.arange(-(-length // stride), device=dt.device)
    near, far = _powers(steps, torch.arange(stride, device=dt.device)), _powers(steps, leaps)
    # the real part of C z^l w^l in real numbers: complex exponentials and products cost several times as much
    weighted = torch.cat((gain.real[..., None] * far[0] - gain.imag[..., None] * far[1],
                          -gain.real[..., None] * far[1] - gain.imag[..., None] * far[0]), dim=-2)  # fmt: skip
    return (weighted.transpose(-1, -2) @ torch.cat(near, dim=-2)).flatten(-2)[..., :length]


def _powers(steps: Complex[Tensor, "*batch state"], times: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of e^{steps times}, times last."""
    size, angle = (steps.real[..., None] * times).exp(), steps.imag[..., None] * times
    return size * angle.cos(), size * angle.sin()
