"""The convolution block shared by the U-shaped networks."""

from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn._boundary import Modes, Odd
from sciml.nn._condition import ConditionMode, modulation
from sciml.nn._conv import Conv, convolution
from sciml.nn._norm import Norm


class ConvBlock(nn.Module):
    """conv3 -> norm -> GELU [-> modulation] -> conv3 -> norm -> GELU, with one normalisation group.

    A kernel has three points per axis. On two axes, without conditioning and shortcut, it holds
    B(a, b) = 9ab + 9b² + 6b parameters.

    Arguments:
        channels_in, channels_out: features.
        inner: features between the two convolutions; None for `channels_out`.
        modes: padding along every axis.
        condition: how the embedding enters.
        embedding: entries of the embedding; 0 without conditioning.
        shortcut: whether a pointwise convolution of the input is added to the result.
        odd: by axis, the channels in that change their sign in the mirror; empty for none.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        inner: int | None = None,
        modes: Modes,
        condition: ConditionMode = "none",
        embedding: int = 0,
        shortcut: bool = False,
        odd: Odd = (),
    ) -> None:
        super().__init__()
        inner = inner or channels_out
        self.first: nn.Module = Conv(channels_in, inner, modes=modes, odd=odd)
        self.first_norm = Norm(inner)
        self.modulation = modulation(condition, size=embedding, channels=inner)
        self.second: nn.Module = Conv(inner, channels_out, modes=modes)
        self.second_norm = Norm(channels_out)
        self.activation = nn.GELU()
        self.shortcut = convolution(len(modes))(channels_in, channels_out, 1) if shortcut else None

    def forward(
        self, x: Float[Tensor, "batch channel_in *space"], embedding: Float[Tensor, "batch embedding"] | None = None
    ) -> Float[Tensor, "batch channel_out *space"]:
        """The processed features on the same grid."""
        h = self.activation(self.first_norm(self.first(x)))
        if self.modulation is not None:
            h = self.modulation(h, embedding)
        h = self.activation(self.second_norm(self.second(h)))
        return h if self.shortcut is None else h + self.shortcut(x)
