"""What every network of sequences asks of the signals it is given."""

from torch import Tensor

from sciml.core.errors import UserError
from sciml.nn.ssm import TimeScale


def check_signals(signal: Tensor, channels: int, *, times: bool = True) -> None:
    """Refuse signals of other channels, which would be broadcast to all of a network's, and complex ones.

    Arguments:
        signal: ``batch time channel``, or ``batch channel`` for one time of it.
        channels: of the network.
        times: whether there is an axis of times.

    Raises: UserError for another shape, no time at all, or complex values.
    """
    axes = f"(batch, time, {channels}), with at least one time" if times else f"(batch, {channels})"
    fits = signal.ndim == 2 + times and signal.shape[-1] == channels and not (times and signal.shape[1] < 1)
    fix = "Give real and imaginary parts as two channels." if signal.is_complex() else ""
    if fix or not fits:
        raise UserError("signals do not fit this network", got=f"{signal.dtype}, shape {tuple(signal.shape)}",
                        expected=f"real values, {axes}", fix=fix)  # fmt: skip


def uniform_step(dt_scale: TimeScale) -> float:
    """The one time step that a network reads as a channel.

    Raises: UserError for a step of each time's own, or one that is not positive.
    """
    if isinstance(dt_scale, Tensor):
        raise UserError("this network steps uniformly", got=f"a tensor of {dt_scale.numel()} time steps",
                        expected="one number", fix="Take S5, which reads irregular times.")  # fmt: skip
    if not 0 < dt_scale < float("inf"):
        raise UserError("the time step of a sequence must be positive", got=f"{dt_scale} times that of the training")
    return dt_scale
