"""The Fourier neural operator."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, pad

from sciml.nn import (
    Conditioning,
    Embedding,
    FieldNetwork,
    Modulation,
    Odd,
    Padding,
    SpectralConv,
    axis_modes,
    check_odd,
    convolution,
    mirrored,
    num_mirrors,
    with_walls,
)

_EXTENSION = 4  # an axis that is not periodic is extended by a quarter of its points


class FNO(FieldNetwork):
    """Lift, mix the lowest Fourier modes, project; on one, two or three axes.

        v_0 = P(u, x),   v_{l+1} = σ(K_l v_l + W_l v_l + b_l),   u' = Q(v_L)

    K_l is a `SpectralConv`, W_l acts pointwise, P and Q are pointwise two-layer networks, σ is GELU (left out after
    the last layer). Conditioning modulates K v + W v + b before σ. A periodic axis needs nothing. A mirrored axis is
    doubled by the mirror image of the input, which makes it periodic, and cropped after the layers; a mode of it is
    half a wave long, and nearness to its walls is an extra input. Another axis is extended by a quarter with zeros, or
    with its ends repeated, so that these do not meet, and its coordinate in [-1, 1] is an extra input. Where all axes
    are periodic there are no such inputs and the network commutes with every shift.

    Arguments:
        in_channels, out_channels: fields in and out.
        dims: axes of the grid.
        modes: non-negative wavenumbers kept, one number for all axes or one per axis (z, y, x); every axis needs
            at least twice as many points.
        width: channels of the layers; lifting and projection have twice as many hidden ones.
        layers: Fourier layers.
        padding: ``circular`` for periodic axes, ``mirror``, ``zeros`` or ``replicate`` for others, or one per axis.
        odd: by axis, the channels in that change their sign in its mirror (a velocity normal to a wall); empty for
            none.
        condition_channels: scalar inputs per sample; 0 for none.
        conditioning: how they enter, ``add`` or ``adagn``.

    Raises:
        UserError: `dims`, `padding` or `odd` are none; in `forward`, shapes do not fit or the grid does not resolve the
            modes.

    Reference:
        Li, Kovachki, Azizzadenesheli, Liu, Bhattacharya, Stuart, Anandkumar, "Fourier Neural Operator for Parametric
        Partial Differential Equations", ICLR 2021, arXiv:2010.08895.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        dims: int = 2,
        modes: int | tuple[int, ...] = 12,
        width: int = 32,
        layers: int = 4,
        padding: Padding = "circular",
        odd: Odd = (),
        condition_channels: int = 0,
        conditioning: Conditioning = "adagn",
    ) -> None:
        axes = axis_modes(padding, dims)
        super().__init__(
            dims=dims, in_channels=in_channels, out_channels=out_channels, condition_channels=condition_channels
        )
        self.modes, self.odd = axes, check_odd(odd, axes, in_channels)
        self.bounded = [mode in ("zeros", "replicate") for mode in axes]
        conv = convolution(dims)
        self.embedding = Embedding(condition_channels, width) if condition_channels else None
        self.lift = _pointwise(dims, in_channels + num_mirrors(axes) + sum(self.bounded), 2 * width, width)
        self.spectral = nn.ModuleList(SpectralConv(width, width, modes=modes, dims=dims) for _ in range(layers))
        self.skip = nn.ModuleList(conv(width, width, 1) for _ in range(layers))
        self.modulate = nn.ModuleList(
            Modulation(conditioning, size=4 * width, channels=width) if condition_channels else nn.Identity()
            for _ in range(layers)
        )
        self.project = _pointwise(dims, width, 2 * width, out_channels)

    def forward(
        self, x: Float[Tensor, "batch in_channel *space"], condition: Float[Tensor, "batch scalar"] | None = None
    ) -> Float[Tensor, "batch out_channel *space"]:
        """The fields that come out, on the grid of those that go in."""
        self.check(x, condition)
        embedding = None if self.embedding is None else self.embedding(condition)
        size = x.shape[2:]
        x = torch.cat((with_walls(x, self.modes), *self._coordinates(x)), dim=1)
        for axis, mode in enumerate(self.modes):
            if mode == "mirror":
                x = mirrored(x, axis - len(size), 0, size[axis], self.odd[axis])
        v = self.extended(self.lift(x))
        for i, (spectral, skip, modulate) in enumerate(zip(self.spectral, self.skip, self.modulate, strict=True)):
            v = spectral(v) + skip(v)
            if embedding is not None:
                v = modulate(v, embedding)
            if i < len(self.spectral) - 1:
                v = gelu(v)
        return self.project(v[(..., *(slice(n) for n in size))]).contiguous()

    def extended(self, v: Tensor) -> Tensor:
        """Features with a quarter more points along bounded axes: zeros, or the last point and then the first one."""
        for axis, mode in enumerate(self.modes):
            extra, place = v.shape[axis + 2] // _EXTENSION, axis + 2
            if mode == "zeros":
                v = pad(v, [0, 0] * (v.ndim - place - 1) + [0, extra])
            elif mode == "replicate":
                counts, last = [1] * v.ndim, v.shape[place] - 1
                counts[place] = extra - extra // 2
                after = v.narrow(place, last, 1).repeat(counts)
                counts[place] = extra // 2
                v = torch.cat((v, after, v.narrow(place, 0, 1).repeat(counts)), dim=place)
        return v

    def _coordinates(self, x: Tensor) -> list[Tensor]:
        """Cell centres in [-1, 1] along every axis that is not periodic."""
        batch, _, *size = x.shape
        coordinates = []
        for axis, bounded in enumerate(self.bounded):
            if bounded:
                n = size[axis]
                points = (2 * torch.arange(n, device=x.device, dtype=x.dtype) + 1) / n - 1
                points = points.view(-1, *[1] * (len(size) - 1 - axis))
                coordinates.append(points.expand(batch, 1, *size))
        return coordinates


def _pointwise(dims: int, channels_in: int, hidden: int, channels_out: int) -> nn.Sequential:
    """Two layers that act on every point for itself."""
    conv = convolution(dims)
    return nn.Sequential(conv(channels_in, hidden, 1), nn.GELU(), conv(hidden, channels_out, 1))
