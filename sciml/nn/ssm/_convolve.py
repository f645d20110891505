"""The convolutional view: kernels by doubling, causal convolution by FFT, and the recurrence they equal."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.nn._full_precision import full_precision
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
    autocast: half precision loses a long kernel. The gradient is written by hand, since autograd transforms back in
    complex numbers and once per sample, where the sum over samples will do.
    """
    dtype = signal.dtype
    precise = torch.float64 if torch.float64 in (signal.dtype, kernel.dtype) else torch.float32
    with full_precision(signal):
        signal, kernel = signal.to(precise), kernel.to(precise)
        if torch.compiler.is_compiling() or torch.compiler.is_exporting():  # a graph holds no gradients of our own
            answer = _inverse(_spectrum(signal) * _spectrum(kernel), signal.shape[-1])
        else:
            answer = _Convolution.apply(signal, kernel)
    return answer.to(dtype)


class _Convolution(torch.autograd.Function):
    """A few samples after another: their spectra stay in the cache, and those of all need not be kept."""

    generate_vmap_rule = True

    @staticmethod
    def forward(signal: Tensor, kernel: Tensor) -> Tensor:
        of_kernel, parts = _spectrum(kernel), _parts(signal, kernel)
        return torch.cat([_inverse(_spectrum(part) * of_kernel, signal.shape[-1]) for part in parts])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # Any: torch's context
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        signal, kernel = ctx.saved_tensors
        length, (of_signals, of_kernels) = signal.shape[-1], ctx.needs_input_grad
        adjoint = _spectrum(kernel).conj()
        pulled, total = [], torch.zeros_like(adjoint)
        for part, gradient in zip(_parts(signal, kernel), _parts(gradients[0], kernel), strict=True):
            arriving = _spectrum(gradient.contiguous())
            if of_signals:
                summed = (arriving * adjoint).sum_to_size(*part.shape[:-1], adjoint.shape[-1])
                pulled.append(_inverse(summed, length))
            if of_kernels:
                total = total + (arriving * _spectrum(part).conj()).sum_to_size(adjoint.shape)
        return torch.cat(pulled) if of_signals else None, _inverse(total, length) if of_kernels else None


def _parts(signal: Tensor, kernel: Tensor) -> Sequence[Tensor]:
    """Samples in groups of about a quarter of a million numbers; all at once if kernels differ between them."""
    if signal.ndim <= kernel.ndim:
        return (signal,)
    return signal.split(max(1, (1 << 17) // max(1, signal[0].numel(), kernel.numel())))


def _spectrum(signal: Tensor) -> Tensor:
    return torch.fft.rfft(signal, n=_fast_length(2 * signal.shape[-1] - 1))


def _inverse(spectrum: Tensor, length: int) -> Tensor:
    """The first `length` values."""
    return torch.fft.irfft(spectrum, n=_fast_length(2 * length - 1))[..., :length]


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
