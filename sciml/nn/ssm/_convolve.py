"""The convolutional view: kernels by doubling, causal convolution by FFT, and the recurrence they equal."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.nn.ssm._discretise import Discrete


def krylov(system: Discrete, length: int) -> Float[Tensor, "*batch state {length}"]:
    """(B̄, Ā B̄, …, Ā^(L-1) B̄), the impulse response of the state, in log₂ L products.

        X ← (X, P X),   P ← P²

    Raises: UserError for a length below 1.
    """
    if length < 1:
        raise UserError("a sequence needs at least one time", got=f"length {length}")
    columns, power = system.drive[..., None], system.matrix
    while columns.shape[-1] < length:
        missing = length - columns.shape[-1]
        columns = torch.cat((columns, power @ columns[..., :missing]), dim=-1)
        if columns.shape[-1] < length:
            power = power @ power
    return columns


class KrylovFactors(NamedTuple):
    """What a kernel of some length is made of, for any C.

    Fields:
        columns: B̄, Ā B̄, …, Ā^(s-1) B̄.
        leap: Ā^s.
    """

    columns: Float[Tensor, "*batch state stride"]
    leap: Float[Tensor, "*batch state state"]


def krylov_factors(system: Discrete, length: int) -> KrylovFactors:
    """For s the power of 2 near √L. Raises: UserError for a length below 1."""
    stride = 1 << (max(0, length - 1).bit_length() + 1) // 2
    columns, leap = krylov(system, min(stride, length)), system.matrix
    for _ in range(stride.bit_length() - 1 if length > stride else 0):
        leap = leap @ leap
    return KrylovFactors(columns, leap)


def krylov_kernel(
    factors: KrylovFactors, output: Float[Tensor, "*batch channel state"], length: int
) -> Float[Tensor, "*batch channel {length}"]:
    """C times the Krylov matrix, without making it:

        K_{is+j} = (C Ā^{is}) (Ā^j B̄)

    takes 2 √L columns of the two factors instead of L, and one product of them. At L = 4096 and N = 64 that is 30 times
    less work and memory; the powers of Ā are those of the doubling, and so is the rounding.
    """
    columns, leap = factors
    stride = columns.shape[-1]
    if length <= stride:
        return output @ columns[..., :length]
    rows = krylov(Discrete(leap.transpose(-1, -2)[..., None, :, :], output), -(-length // stride))
    return (rows.transpose(-1, -2) @ columns[..., None, :, :]).flatten(-2)[..., :length]


def causal_convolution(
    signal: Float[Tensor, "*batch time"], kernel: Float[Tensor, "*filters time"]
) -> Float[Tensor, "*broadcast time"]:
    """y_k = Σ_{j≤k} K_j u_{k-j}, over the last axis; the axes before it broadcast.

    By FFT over twice the length, so that nothing comes around from the end. In at least single precision, also under
    autocast: half precision loses a long kernel.
    """
    length, dtype = signal.shape[-1], signal.dtype
    double = torch.float64 in (signal.dtype, kernel.dtype)
    points = _fast_length(2 * length - 1)
    with torch.autocast(signal.device.type, enabled=False):
        precise = torch.float64 if double else torch.float32
        spectrum = torch.fft.rfft(signal.to(precise), n=points) * torch.fft.rfft(kernel.to(precise), n=points)
        return torch.fft.irfft(spectrum, n=points)[..., :length].to(dtype)


def interval_means(
    signal: Float[Tensor, "*batch time"], before: Float[Tensor, "*batch"] | None = None
) -> Float[Tensor, "*batch time"]:
    """(u_k + u_{k-1}) / 2; `before` is u_{-1}, 0 if left out.

    A system is driven by its input over a step, a sample is its value at the end of it. With the mean of the two ends
    the bilinear transform is second order instead of first, and another time step means the same system.
    """
    first = torch.zeros_like(signal[..., :1]) if before is None else before[..., None]
    return (signal + torch.cat((first, signal[..., :-1]), dim=-1)) / 2


def recurrence(
    system: Discrete, signal: Float[Tensor, "*batch time"], state: Float[Tensor, "*batch state"]
) -> Float[Tensor, "*batch time state"]:
    """x_k = Ā x_{k-1} + B̄ u_k, step by step; `state` is x_{-1}."""
    states = []
    for value in signal.unbind(-1):
        state = (system.matrix @ state[..., None])[..., 0] + system.drive * value[..., None]
        states.append(state)
    return torch.stack(states, dim=-2)


def _fast_length(least: int) -> int:
    """The smallest number from `least` on with no prime factor above 5: other lengths of an FFT are slow."""
    best, fives = 1 << (least - 1).bit_length(), 1
    while fives < best:
        threes = fives
        while threes < best:
            candidate = threes << max(0, (-(-least // threes) - 1).bit_length())
            best = min(best, candidate)
            threes *= 3
        fives *= 5
    return best
