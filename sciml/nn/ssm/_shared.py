"""What layers share whose features have one pair (A, B) and a dt, C and D each: all but how kernels are made."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UnknownNameError, UserError
from sciml.nn._parameter_groups import ParameterGroup
from sciml.nn.ssm._convolve import causal_convolution, interval_means, krylov
from sciml.nn.ssm._discretise import Discrete, Method, discretise, log_uniform, spectral_radius
from sciml.nn.ssm._filters import FeatureFilters
from sciml.nn.ssm._layer import (
    MATRIX_RATE,
    STEP_RATE,
    Carried,
    Memo,
    StateMatrix,
    TimeScale,
    check_carried,
    check_signal,
    check_value,
    uniform_scale,
)

Learned = Literal["all", "matrix", "dt", "none"]
"""What is trained beside C and D: the state matrix with B, the time steps, both, or nothing (LSSL-f)."""


def trains_matrix(learn: str) -> bool:
    """Whether A and B are trained. Raises UnknownNameError for no word of `Learned`."""
    if learn not in get_args(Learned):
        raise UnknownNameError("choice of what is learned", learn, get_args(Learned))
    return learn in ("all", "matrix")


class SharedStateSpace(FeatureFilters):
    """H features, each with M outputs, its own dt, C and D, and one pair (A, B) for all.

        x_h' = A x_h + B u_h,   y_hm = C_hm x_h + D_hm u_h        (a step of feature h lasts dt_h)

    Arguments:
        features: H.
        channels: M; the outputs of feature h are h M to h M + M - 1.
        matrix, drive: A and B at the beginning.
        learn: what is trained beside C and D.
        method: discretisation.
        dt_range: between which log dt is drawn, uniformly; brackets 1 / length.
        mean_inputs: drive the system by means over steps, (u_k + u_{k-1}) / 2, as a sampled physical signal asks for.
    """

    drive: Tensor

    def __init__(
        self,
        features: int,
        channels: int,
        matrix: StateMatrix,
        drive: Float[Tensor, " state"],
        *,
        learn: Learned,
        method: Method,
        dt_range: tuple[float, float],
        mean_inputs: bool,
    ) -> None:
        super().__init__()
        if min(features, channels) < 1:
            raise UserError("a state-space layer needs sizes of at least one",
                            got=f"features {features}, channels {channels}")  # fmt: skip
        if method not in get_args(Method):
            raise UnknownNameError("discretisation", method, get_args(Method))
        self.method: Method = method
        self.mean_inputs, self.matrix = mean_inputs, matrix
        log_dt = log_uniform(features, *dt_range)
        if trains_matrix(learn):
            self.drive = nn.Parameter(drive)
        else:
            self.register_buffer("drive", drive)
        if learn in ("all", "dt"):
            self.log_dt = nn.Parameter(log_dt)
        else:
            self.register_buffer("log_dt", log_dt)
        self.output = nn.Parameter(torch.randn(features, channels, len(drive)))
        self.direct = nn.Parameter(torch.randn(features, channels))
        self._systems = Memo()

    def system(self, dt_scale: float = 1.0) -> Discrete:
        """Ā and B̄ of every feature; the time step is scaled in both, else the kernel has the wrong size."""
        dt_scale = uniform_scale(dt_scale)
        sources = self._sources()
        kept = self._systems.recall(sources, (dt_scale,))
        if kept is None:
            made = discretise(self.matrix.dense(), self.drive, dt_scale * self.log_dt.exp(), self.method)
            kept = (made.matrix, made.drive)
            self._systems.keep(sources, (dt_scale,), kept)
        return Discrete(*kept)

    def response(self, length: int, dt_scale: float = 1.0) -> Float[Tensor, "feature state {length}"]:
        """Impulse response of the state, the Krylov matrix."""
        return krylov(self.system(dt_scale), length)

    def initial(self, batch: int) -> Carried:
        """Rest."""
        features, _, size = self.output.shape
        return Carried(self.output.new_zeros(batch, features, size), self.output.new_zeros(batch, features))

    def step(
        self, signal: Float[Tensor, "batch feature"], carried: Carried, dt_scale: TimeScale = 1.0
    ) -> tuple[Float[Tensor, "batch output"], Carried]:
        """The response to one more value."""
        check_value(signal, len(self.log_dt))
        check_carried(carried, signal)
        dt_scale = uniform_scale(dt_scale)
        system = self.system(dt_scale)
        driving = (signal + carried.before) / 2 if self.mean_inputs else signal
        state = torch.einsum("hij,bhj->bhi", system.matrix, carried.state) + system.drive * driving[..., None]
        answer = torch.einsum("hmn,bhn->bhm", self.output, state).flatten(1)
        return self._with_direct(answer, signal), Carried(state, signal)

    def carry(
        self, signal: Float[Tensor, "batch time feature"], carried: Carried, dt_scale: TimeScale = 1.0
    ) -> tuple[Float[Tensor, "batch time output"], Carried]:
        """The response to one more piece of a signal, and what to go on from."""
        check_signal(signal, len(self.log_dt))
        check_carried(carried, signal)
        dt_scale = uniform_scale(dt_scale)
        length, system, response = signal.shape[1], self.system(dt_scale), self.response(signal.shape[1], dt_scale)
        driving = signal.transpose(1, 2)
        if self.mean_inputs:
            driving = interval_means(driving, carried.before)
        answer = causal_convolution(driving[:, :, None], self.kernel(length, dt_scale))
        observing = Discrete(system.matrix.transpose(1, 2)[:, None], self.output @ system.matrix)
        answer = answer + torch.einsum("hmnl,bhn->bhml", krylov(observing, length), carried.state)
        old = torch.einsum("hij,bhj->bhi", torch.linalg.matrix_power(system.matrix, length), carried.state)
        state = old + torch.einsum("hnl,bhl->bhn", response.flip(-1), driving)
        return self._with_direct(answer.flatten(1, 2).transpose(1, 2), signal), Carried(state, signal[:, -1])

    def spectral_radius(self, dt_scale: float = 1.0) -> Float[Tensor, " feature"]:
        """Of the discretised state matrices."""
        return spectral_radius(self.system(dt_scale).matrix)

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """A and B at `MATRIX_RATE` at most, the time steps at `STEP_RATE`."""
        matrix = [entry for entry in (*self.matrix.parameters(), self.drive) if isinstance(entry, nn.Parameter)]
        steps = [self.log_dt] if isinstance(self.log_dt, nn.Parameter) else []
        return (
            ParameterGroup(matrix, max_learning_rate=MATRIX_RATE),
            ParameterGroup(steps, max_learning_rate=STEP_RATE),
        )

    def _sources(self) -> list[Tensor]:
        return [*self.matrix.state_dict(keep_vars=True).values(), self.drive, self.log_dt]
