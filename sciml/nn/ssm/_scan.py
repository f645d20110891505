"""One diagonal system for all features, advanced by a parallel scan: time steps may differ from one to the next."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.nn._parameter_groups import ParameterGroup
from sciml.nn._weight_marks import WeightMark
from sciml.nn.ssm._convolve import interval_means
from sciml.nn.ssm._diagonal import DiagonalStart, diagonal_start
from sciml.nn.ssm._discretise import log_uniform
from sciml.nn.ssm._layer import (
    STEP_RATE,
    Carried,
    FixedKernel,
    StateSpaceLayer,
    TimeScale,
    check_carried,
    check_signal,
    check_value,
    uniform_scale,
)


def diagonal_scan(
    decay: Complex[Tensor, "time state"], drive: Complex[Tensor, "batch time state"]
) -> Complex[Tensor, "batch time state"]:
    """x_k = a_k x_{k-1} + b_k from x_{-1} = 0, in log₂ of the number of times passes.

    Steps are joined two and two, then four and four, …: (a, b) after (a', b') is (a a', a b' + b).
    """
    shift, length = 1, drive.shape[1]
    while shift < length:
        drive = torch.cat((drive[:, :shift], drive[:, shift:] + decay[shift:] * drive[:, :-shift]), dim=1)
        decay = torch.cat((decay[:shift], decay[shift:] * decay[:-shift]), dim=0)
        shift *= 2
    return drive


class ScannedStateSpace(StateSpaceLayer):
    """The layer of S5: one diagonal system with H inputs, H outputs and N / 2 pairs of conjugate modes.

        x_n' = λ_n x_n + Σ_h B_nh u_h,   y_h = 2 Re Σ_n C_hn x_n + D_h u_h        (zero-order hold, dt_n per mode)

    `dt_scale` may be one number for every time, the distance from the one before: irregular samples are of the same
    system too. λ = -exp(a) + i b is stable whatever is learned.

    Arguments:
        features: H.
        state: N.
        start, dt_range, mean_inputs: as for `DiagonalStateSpace`.

    Reference:
        Smith, Warrington, Linderman, "Simplified State Space Layers for Sequence Modeling", ICLR 2023,
        arXiv:2208.04933.
    """

    irregular = True
    weight_marks: ClassVar[Mapping[str, WeightMark]] = {"drive": "pairs", "output": "pairs", "direct": "vector"}

    def __init__(
        self,
        features: int,
        *,
        state: int = 64,
        start: DiagonalStart = "legs",
        dt_range: tuple[float, float] = (1e-3, 1e-1),
        mean_inputs: bool = False,
    ) -> None:
        super().__init__()
        if features < 1:
            raise UserError("a state-space layer needs sizes of at least one", got=f"features {features}")
        self.mean_inputs, modes = mean_inputs, state // 2
        eigenvalues = diagonal_start(start, state).to(torch.complex64)
        self.log_dt = nn.Parameter(log_uniform(modes, *dt_range))
        self.log_decay = nn.Parameter((-eigenvalues.real).log())
        self.frequency = nn.Parameter(eigenvalues.imag.clone())
        self.drive = nn.Parameter(torch.randn(modes, features, 2) * (0.5 / features) ** 0.5)
        self.output = nn.Parameter(torch.randn(features, modes, 2) * 0.5**0.5)
        self.direct = nn.Parameter(torch.randn(features))

    def eigenvalues(self) -> Complex[Tensor, " mode"]:
        """λ."""
        return torch.complex(-self.log_decay.exp(), self.frequency)

    def forward(
        self, signal: Float[Tensor, "batch time feature"], dt_scale: TimeScale = 1.0
    ) -> Float[Tensor, "batch time feature"]:
        """The response to a signal, from rest."""
        return self._respond(signal, None, dt_scale)[0]

    def initial(self, batch: int) -> Carried:
        """Rest."""
        modes, features, _ = self.drive.shape
        state = torch.view_as_complex(self.drive.new_zeros(batch, modes, 2))
        return Carried(state, self.drive.new_zeros(batch, features))

    def step(
        self, signal: Float[Tensor, "batch feature"], carried: Carried, dt_scale: TimeScale = 1.0
    ) -> tuple[Float[Tensor, "batch feature"], Carried]:
        """The response to one more value."""
        check_value(signal, len(self.direct))
        answer, after = self.carry(signal[:, None], carried, dt_scale)
        return answer[:, 0], after

    def carry(
        self, signal: Float[Tensor, "batch time feature"], carried: Carried, dt_scale: TimeScale = 1.0
    ) -> tuple[Float[Tensor, "batch time feature"], Carried]:
        """The response to one more piece of a signal, and what to go on from."""
        answer, state = self._respond(signal, carried, dt_scale)
        return answer, Carried(state, signal[:, -1])

    def fixed(self, length: int, dt_scale: float = 1.0) -> FixedKernel:
        """All inputs to all outputs as filters."""
        impulse = torch.zeros(self.direct.shape[0], length, self.direct.shape[0]).to(self.direct)
        impulse[:, 0] = torch.eye(self.direct.shape[0]).to(self.direct)
        return FixedKernel(self(impulse, dt_scale).permute(2, 0, 1), groups=1)

    def spectral_radius(self, dt_scale: float = 1.0) -> Float[Tensor, " system"]:
        """Of the discretised modes, below 1 whatever the weights are."""
        return self._decay(1, dt_scale)[1].abs().amax(-1)

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """Modes and time steps at `STEP_RATE` at most."""
        return (ParameterGroup((self.log_decay, self.frequency, self.log_dt), max_learning_rate=STEP_RATE),)

    def _decay(
        self, length: int, dt_scale: TimeScale
    ) -> tuple[Complex[Tensor, "time mode"], Complex[Tensor, "time mode"]]:
        """λ dt and e^{λ dt} at every time."""
        if isinstance(dt_scale, Tensor):
            if dt_scale.ndim > 1 or dt_scale.numel() not in (1, length):
                raise UserError("the time steps do not fit the signal", got=f"shape {tuple(dt_scale.shape)}",
                                expected=f"one number, or ({length},): times that all sequences of a batch share",
                                fix="Give sequences with other times in calls of their own.")  # fmt: skip
            if not bool(((dt_scale > 0) & dt_scale.isfinite()).all()):
                raise UserError("the time steps of a sequence must be positive",
                                got=f"{float(dt_scale.min())} times that of the training")  # fmt: skip
            scale = dt_scale.to(self.log_dt).expand(length)
        else:
            scale = self.log_dt.new_full((length,), uniform_scale(dt_scale))
        exponent = scale[:, None] * (self.log_dt.exp() * self.eigenvalues())
        return exponent, exponent.exp()

    def _respond(self, signal: Tensor, carried: Carried | None, dt_scale: TimeScale) -> tuple[Tensor, Tensor]:
        check_signal(signal, len(self.direct))
        if carried is not None:
            check_carried(carried, signal)
        driving = signal
        if self.mean_inputs:
            before = None if carried is None else carried.before
            driving = interval_means(signal.transpose(1, 2), before).transpose(1, 2)
        exponent, decay = self._decay(signal.shape[1], dt_scale)
        drive = driving.to(decay.dtype) @ torch.view_as_complex(self.drive).T
        drive = drive * (torch.expm1(exponent) / self.eigenvalues())
        if carried is not None:
            drive = torch.cat((drive[:, :1] + decay[0] * carried.state[:, None], drive[:, 1:]), dim=1)
        states = diagonal_scan(decay, drive)
        answer = 2 * (states @ torch.view_as_complex(self.output).T).real
        return answer + self.direct * signal, states[:, -1]
