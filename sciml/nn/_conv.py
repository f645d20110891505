"""Convolution that keeps the grid, with a padding mode per axis."""

from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn._boundary import Modes, Odd, check_odd
from sciml.nn._pad import pad_field

_CONVOLUTIONS: dict[int, type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]] = {
    1: nn.Conv1d,
    2: nn.Conv2d,
    3: nn.Conv3d,
}


def convolution(dims: int) -> type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]:
    """torch's convolution over `dims` axes."""
    return _CONVOLUTIONS[dims]


class Conv(nn.Module):
    """A biased convolution of stride 1 that keeps the grid; beyond its edge it sees what `modes` say.

    It acts on as many axes as `modes` has entries.

    Arguments:
        channels_in, channels_out: features.
        kernel_size: odd number of points per axis.
        modes: padding along every axis, one to three of them.
        dilation: distance between the kernel's points.
        groups: parts of the channels that are convolved by themselves.
        odd: by axis, the channels in that change their sign in the mirror; empty for none.

    Raises:
        UserError: a channel is odd along an axis that is not mirrored, or does not exist.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        modes: Modes,
        kernel_size: int = 3,
        dilation: int = 1,
        odd: Odd = (),
        groups: int = 1,
    ) -> None:
        super().__init__()
        reach = dilation * (kernel_size // 2)
        self.modes, self.reach = modes, (reach,) * len(modes)
        self.odd = check_odd(odd, modes, channels_in)
        self.zeros = tuple(reach if mode == "zeros" else 0 for mode in modes)
        self.conv = convolution(len(modes))(
            channels_in,
            channels_out,
            kernel_size,
            padding=self.zeros,  # pyright: ignore[reportArgumentType] (as many entries as the class has axes)
            dilation=dilation,
            groups=groups,
        )

    def forward(self, x: Float[Tensor, "batch channel_in *space"]) -> Float[Tensor, "batch channel_out *space"]:
        """The convolved field on the same grid."""
        return self.conv(self.pad(x))

    def pad(self, x: Float[Tensor, "batch channel_in *space"]) -> Float[Tensor, "batch channel_in *padded"]:
        """The field beyond its edges, as the kernel sees it (zeros are left to the convolution)."""
        return pad_field(x, self.reach, self.modes, self.odd)
