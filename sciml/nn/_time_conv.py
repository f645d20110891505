"""A convolution with the time as an input."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ConcatConv2d(nn.Module):
    """A 3x3 convolution that keeps the grid and sees a constant channel holding t beside its input.

    Beyond the edge it sees zeros, in the channel of the time too.

    Arguments:
        channels_in, channels_out: features, time not counted.
        kernel_size: odd number of points per axis.
    """

    def __init__(self, channels_in: int, channels_out: int, *, kernel_size: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in + 1, channels_out, kernel_size, padding=kernel_size // 2)

    def forward(
        self, time: Float[Tensor, " row"], x: Float[Tensor, "row channel_in y x"]
    ) -> Float[Tensor, "row channel_out y x"]:
        """The features at that time."""
        plane = time.to(x.dtype).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[-2:])
        return self.conv(torch.cat((x, plane), dim=1))
