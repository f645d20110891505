"""Convolution that keeps the grid, with a padding mode per axis."""

from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn._boundary import Modes
from sciml.nn._circular import circular_pad


class Conv(nn.Module):
    """A biased convolution of stride 1 that keeps the grid: periodic axes wrap, the others see zeros.

    Arguments:
        channels_in, channels_out: features.
        kernel_size: odd number of points per axis.
        modes: padding along y and x.
        dilation: distance between the kernel's points.
    """

    def __init__(
        self, channels_in: int, channels_out: int, *, modes: Modes, kernel_size: int = 3, dilation: int = 1
    ) -> None:
        super().__init__()
        reach = dilation * (kernel_size // 2)
        wrap_y, wrap_x = (reach if mode == "circular" else 0 for mode in modes)
        self.wrap = (wrap_y, wrap_x)
        self.conv = nn.Conv2d(
            channels_in, channels_out, kernel_size, padding=(reach - wrap_y, reach - wrap_x), dilation=dilation
        )

    def forward(self, x: Float[Tensor, "batch channel_in y x"]) -> Float[Tensor, "batch channel_out y x"]:
        """The convolved field on the same grid."""
        return self.conv(self.pad(x))

    def pad(self, x: Float[Tensor, "batch channel_in y x"]) -> Float[Tensor, "batch channel_in padded_y padded_x"]:
        """The field with its periodic axes wrapped, as the kernel sees it (zeros are left to the convolution)."""
        return circular_pad(x, self.wrap)
