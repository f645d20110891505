"""A classifier made of residual blocks."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import ConfigError
from sciml.nn import MLP, Activation, Network, PictureHead, PictureStem, activation, picture_norm


class ConvResidual(nn.Module):
    """norm, σ, conv3x3, norm, σ, conv3x3: the increment of a residual block on feature maps.

    Arguments:
        channels: of the maps.
        nonlinearity: σ.
    """

    def __init__(self, channels: int, *, nonlinearity: Activation) -> None:
        super().__init__()
        self.norms = nn.ModuleList(picture_norm(channels) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.activation = activation(nonlinearity)

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch channel y x"]:
        """The increment."""
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = conv(self.activation(norm(x)))
        return x


class ResNet(Network):
    """z_{k+1} = z_k + B_k(z_k) between the ends of an ODE-Net: what a learned equation stands in for.

    For kind ``mlp`` z_0 is the standardised sample, or an affine map of it to more features, B_k a perceptron with one
    hidden layer and the head affine; for
    ``conv`` z_0 = `PictureStem`, B_k = `ConvResidual` and the head `PictureHead`.

    Arguments:
        shape: of one sample, ``(features,)``, ``(y, x)`` or ``(channel, y, x)``.
        classes: how many.
        kind: ``mlp`` works on the flattened sample itself, ``conv`` on the features of a small convolutional stem.
        width: hidden neurons of a block (mlp), or channels of the features (conv).
        features: for mlp, of z_0; None for those of the sample itself.
        blocks: residual blocks.
        nonlinearity: in the blocks and, for conv, around them.
        halvings: for conv, strided convolutions of the stem.
        padding: for conv, zeros around the picture in the first convolution, 0 or 1.
        mean, std: standardise the inputs: numbers, or one for every component of the last axis.

    Raises: ConfigError if a picture is too small for the stem, or no picture.

    Reference:
        He, Zhang, Ren, Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016, arXiv:1603.05027; the sizes are
        those of Chen, Rubanova, Bettencourt, Duvenaud, NeurIPS 2018, arXiv:1806.07366.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        *,
        kind: Literal["mlp", "conv"] = "mlp",
        width: int = 64,
        blocks: int = 6,
        nonlinearity: Activation = "tanh",
        halvings: int = 1,
        padding: int = 1,
        features: int | None = None,
        mean: Float[Tensor, "*component"] | float = 0.0,
        std: Float[Tensor, "*component"] | float = 1.0,
    ) -> None:
        super().__init__()
        if features is not None and kind != "mlp":
            raise ConfigError("a convolutional stem has features of its own", got=f"features={features}, kind={kind!r}",
                              fix="Leave out features, or take kind='mlp'.")  # fmt: skip
        self.register_buffer("mean", torch.as_tensor(mean).clone())
        self.register_buffer("std", torch.as_tensor(std).clone())
        if kind == "mlp":
            size = features or math.prod(shape)
            lift = () if features is None else (nn.Linear(math.prod(shape), features),)
            self.stem: nn.Module = nn.Sequential(nn.Flatten(), *lift) if lift else nn.Flatten()
            self.blocks = nn.ModuleList(MLP(size, size, width=width, nonlinearity=nonlinearity) for _ in range(blocks))
            self.head: nn.Module = nn.Linear(size, classes)
        else:
            self.stem = PictureStem(shape, width, halvings=halvings, padding=padding, nonlinearity=nonlinearity)
            self.blocks = nn.ModuleList(ConvResidual(width, nonlinearity=nonlinearity) for _ in range(blocks))
            self.head = PictureHead(width, classes, nonlinearity=nonlinearity)

    def forward(self, inputs: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch class"]:
        """Logits."""
        z = self.stem((inputs - self.mean) / self.std)
        for block in self.blocks:
            z = z + block(z)
        return self.head(z)
