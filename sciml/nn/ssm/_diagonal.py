"""The state-space layer with a diagonal state matrix."""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from sciml.core.errors import UnknownNameError, UserError
from sciml.nn._parameter_groups import ParameterGroup
from sciml.nn._weight_marks import WeightMark
from sciml.nn.ssm._convolve import causal_convolution, interval_means
from sciml.nn.ssm._discretise import log_uniform
from sciml.nn.ssm._filters import FeatureFilters
from sciml.nn.ssm._layer import (
    STEP_RATE,
    Carried,
    TimeScale,
    check_carried,
    check_signal,
    check_value,
    uniform_scale,
)
from sciml.nn.ssm._nplr import diagonal_kernel, nplr

DiagonalStart = Literal["lin", "inv", "legs"]
"""Eigenvalues at the beginning: equidistant frequencies, inverse ones, or those of the normal part of LegS."""


def diagonal_start(kind: DiagonalStart, size: int) -> Complex[Tensor, " {size//2}"]:
    """Eigenvalues with positive imaginary part, complex128: one of each of N / 2 pairs.

        lin: -1/2 + iπn,    inv: -1/2 + i (N/π) (N/(2n+1) - 1),    legs: eigenvalues of A + p pᵀ (see `nplr`)

    Raises: UnknownNameError for another kind, UserError for a size that is odd or below 2.

    Reference:
        Gu, Gupta, Goel, Re, "On the Parameterization and Initialization of Diagonal State Space Models", NeurIPS 2022,
        arXiv:2206.11893.
    """
    if size < 2 or size % 2:
        raise UserError("a diagonal state needs pairs of conjugate modes", got=f"size {size}", expected="2, 4, 6, …")
    n = torch.arange(size // 2, dtype=torch.float64)
    if kind == "lin":
        return torch.complex(torch.full_like(n, -0.5), math.pi * n)
    if kind == "inv":
        return torch.complex(torch.full_like(n, -0.5), size / math.pi * (size / (2 * n + 1) - 1))
    if kind == "legs":
        values = nplr(size).eigenvalues
        return values[values.imag.argsort()][size // 2 :]
    raise UnknownNameError("eigenvalues", kind, ("lin", "inv", "legs"))


class DiagonalStateSpace(FeatureFilters):
    """The layer of S4D: each feature has N / 2 pairs of conjugate modes λ, dt, C and D of its own, and B = 1.

        x_n' = λ_n x_n + u,   y_m = 2 Re Σ_n C_mn x_n + D_m u        (zero-order hold)

    λ = -exp(a) + i b, so that no training makes it unstable.

    Arguments:
        features, state, channels, dt_range, mean_inputs: as for `LinearStateSpace`.
        start: eigenvalues at the beginning.
    """

    weight_marks: ClassVar[Mapping[str, WeightMark]] = {"output": "pairs"}

    def __init__(
        self,
        features: int,
        *,
        state: int = 64,
        channels: int = 1,
        start: DiagonalStart = "lin",
        dt_range: tuple[float, float] = (1e-3, 1e-1),
        mean_inputs: bool = False,
    ) -> None:
        super().__init__()
        if min(features, channels) < 1:
            raise UserError("a state-space layer needs sizes of at least one",
                            got=f"features {features}, channels {channels}")  # fmt: skip
        self.mean_inputs = mean_inputs
        eigenvalues = diagonal_start(start, state).to(torch.complex64)
        self.log_dt = nn.Parameter(log_uniform(features, *dt_range))
        self.log_decay = nn.Parameter((-eigenvalues.real).log().repeat(features, 1))
        self.frequency = nn.Parameter(eigenvalues.imag.repeat(features, 1))
        self.output = nn.Parameter(torch.randn(features, channels, state // 2, 2) * 0.5**0.5)
        self.direct = nn.Parameter(torch.randn(features, channels))

    def eigenvalues(self) -> Complex[Tensor, "feature mode"]:
        """λ of every feature."""
        return torch.complex(-self.log_decay.exp(), self.frequency)

    def kernel(self, length: int, dt_scale: float = 1.0) -> Float[Tensor, "feature channel {length}"]:
        """Of every feature and output; the direct part D is apart."""
        output = torch.view_as_complex(self.output)
        steps = self._steps(dt_scale)[:, None].expand(output.shape[:2])
        return diagonal_kernel(self.eigenvalues()[:, None].expand(output.shape), output, steps, length)

    def initial(self, batch: int) -> Carried:
        """Rest."""
        features, _, modes, _ = self.output.shape
        state = torch.view_as_complex(self.output.new_zeros(batch, features, modes, 2))
        return Carried(state, self.output.new_zeros(batch, features))

    def step(
        self, signal: Float[Tensor, "batch feature"], carried: Carried, dt_scale: TimeScale = 1.0
    ) -> tuple[Float[Tensor, "batch output"], Carried]:
        """The response to one more value."""
        check_value(signal, len(self.log_dt))
        check_carried(carried, signal)
        dt_scale = uniform_scale(dt_scale)
        factor, gain = self._factors(dt_scale)
        driving = (signal + carried.before) / 2 if self.mean_inputs else signal
        state = factor * carried.state + gain * driving[..., None]
        answer = 2 * torch.einsum("hmn,bhn->bhm", torch.view_as_complex(self.output), state).real
        return self._with_direct(answer.flatten(1), signal), Carried(state, signal)

    def carry(
        self, signal: Float[Tensor, "batch time feature"], carried: Carried, dt_scale: TimeScale = 1.0
    ) -> tuple[Float[Tensor, "batch time output"], Carried]:
        """The response to one more piece of a signal, and what to go on from."""
        check_signal(signal, len(self.log_dt))
        check_carried(carried, signal)
        dt_scale = uniform_scale(dt_scale)
        length, output = signal.shape[1], torch.view_as_complex(self.output)
        driving = signal.transpose(1, 2)
        if self.mean_inputs:
            driving = interval_means(driving, carried.before)
        _, gain = self._factors(dt_scale)
        exponents = (self._steps(dt_scale)[:, None] * self.eigenvalues())[..., None]
        powers = torch.exp(exponents * torch.arange(length + 1, device=signal.device))  # feature mode time
        answer = causal_convolution(driving[:, :, None], self.kernel(length, dt_scale))
        answer = answer + 2 * torch.einsum("hmn,hnl,bhn->bhml", output, powers[..., 1:], carried.state).real
        new = torch.einsum("hnl,bhl->bhn", powers[..., :-1].flip(-1), driving.to(powers.dtype)) * gain
        state = powers[..., -1] * carried.state + new
        return self._with_direct(answer.flatten(1, 2).transpose(1, 2), signal), Carried(state, signal[:, -1])

    def spectral_radius(self, dt_scale: float = 1.0) -> Float[Tensor, " feature"]:
        """Of the discretised modes, below 1 whatever the weights are."""
        return self._factors(dt_scale)[0].abs().amax(-1)

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """Modes and time steps at `STEP_RATE` at most."""
        slow = [entry for entry in (self.log_decay, self.frequency, self.log_dt) if isinstance(entry, nn.Parameter)]
        return (ParameterGroup(slow, max_learning_rate=STEP_RATE),)

    def _steps(self, dt_scale: float) -> Float[Tensor, " feature"]:
        dt_scale = uniform_scale(dt_scale)
        return dt_scale * self.log_dt.exp()

    def _factors(self, dt_scale: float) -> tuple[Complex[Tensor, "feature mode"], Complex[Tensor, "feature mode"]]:
        eigenvalues = self.eigenvalues()
        exponents = self._steps(dt_scale)[:, None] * eigenvalues
        return exponents.exp(), torch.expm1(exponents) / eigenvalues
