"""The two ends of a small convolutional classifier, so that what stands between them can be compared alone."""

from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import ConfigError
from sciml.nn._mlp import Activation, activation
from sciml.nn._norm import Norm


def picture_norm(channels: int) -> Norm:
    """Normalisation in as many equal groups as there can be up to 32."""
    return Norm(channels, groups=max(g for g in range(1, min(32, channels) + 1) if channels % g == 0))


class PictureStem(nn.Sequential):
    """conv3x3, then `halvings` times (norm, σ, conv4x4 of stride 2): from pictures to feature maps.

    Arguments:
        shape: of one picture, ``(y, x)`` or ``(channel, y, x)``.
        width: channels of the features.
        halvings: strided convolutions.
        padding: zeros around the picture in the first convolution, 0 or 1.
        nonlinearity: σ.

    Raises: ConfigError if a sample is no picture or too small.
    """

    def __init__(
        self, shape: tuple[int, ...], width: int, *, halvings: int, padding: int, nonlinearity: Activation
    ) -> None:
        size = [n - 2 + 2 * padding for n in shape[-2:]]
        for _ in range(halvings):
            size = [n // 2 for n in size]
        if len(shape) not in (2, 3) or min(size) < 2:  # a single point cannot be normalised
            raise ConfigError(
                "a convolutional classifier cannot take these samples",
                got=f"shape {shape}, {halvings} halvings",
                expected="pictures of which at least 2 x 2 points are left after the halvings",
                fix="Set model.kind=mlp, or lower model.halvings.",
            )
        parts: list[nn.Module] = [nn.Conv2d(shape[0] if len(shape) == 3 else 1, width, 3, padding=padding)]
        for _ in range(halvings):
            parts += [picture_norm(width), activation(nonlinearity), nn.Conv2d(width, width, 4, 2, 1)]
        super().__init__(*parts)

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] (named for what it is, torch says input)
        self, pictures: Float[Tensor, "batch *shape"]
    ) -> Float[Tensor, "batch width y_out x_out"]:
        """The feature maps."""
        return super().forward(pictures[:, None] if pictures.ndim == 3 else pictures)


class PictureHead(nn.Sequential):
    """norm, σ, mean over points, affine: from feature maps to one logit per class.

    Arguments:
        width: channels of the features.
        classes: how many.
        nonlinearity: σ.
    """

    def __init__(self, width: int, classes: int, *, nonlinearity: Activation) -> None:
        super().__init__(
            picture_norm(width),
            activation(nonlinearity),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, classes),
        )

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] (as above)
        self, features: Float[Tensor, "batch width y x"]
    ) -> Float[Tensor, "batch class"]:
        """The logits."""
        return super().forward(features)
