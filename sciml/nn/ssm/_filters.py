"""What layers share in which every feature has filters of its own: convolution with their impulse response."""

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn.ssm._convolve import causal_convolution, interval_means
from sciml.nn.ssm._layer import FixedKernel, StateSpaceLayer, TimeScale, check_signal, uniform_scale


class FeatureFilters(StateSpaceLayer):
    """A state-space layer whose features do not mix: each drives a system of its own, read out by several channels.

    Attributes:
        log_dt, direct: logarithm of the time step by feature; D, ``feature channel``.
        mean_inputs: whether the system is driven by means over steps.
    """

    log_dt: Tensor
    direct: Tensor
    mean_inputs: bool

    @abstractmethod
    def kernel(self, length: int, dt_scale: float = 1.0) -> Float[Tensor, "feature channel {length}"]:
        """Impulse response of the state, read out, without the direct part."""

    def impulse_response(self, length: int, dt_scale: float = 1.0) -> Float[Tensor, "feature channel {length}"]:
        """The kernel with the direct part and the means over steps."""
        kernel = self.kernel(length, dt_scale)
        kernel = interval_means(kernel) if self.mean_inputs else kernel
        return kernel + nn.functional.pad(self.direct[..., None], (0, length - 1))

    def fixed(self, length: int, dt_scale: float = 1.0) -> FixedKernel:
        """Filters of every feature alone."""
        response = self.impulse_response(length, dt_scale)
        return FixedKernel(response.flatten(0, 1)[:, None], groups=response.shape[0])

    def forward(
        self, signal: Float[Tensor, "batch time feature"], dt_scale: TimeScale = 1.0
    ) -> Float[Tensor, "batch time output"]:
        """The response to a signal, from rest. Raises UserError for a signal of another shape."""
        check_signal(signal, len(self.log_dt))
        dt_scale = uniform_scale(dt_scale)
        driving = signal.transpose(1, 2).contiguous()  # transforms of a strided signal are much slower
        answer = causal_convolution(driving[:, :, None], self.impulse_response(signal.shape[1], dt_scale))
        return answer.flatten(1, 2).transpose(1, 2).contiguous()

    def _with_direct(self, answer: Tensor, signal: Tensor) -> Tensor:
        return answer + (signal[..., None] * self.direct).flatten(-2)
