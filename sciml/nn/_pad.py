"""Fields beyond the edge of their grid: mirror images, repeated ends and periodic continuation."""

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.nn._boundary import Modes, Odd
from sciml.nn._circular import circular_pad

_REACH = 2.0  # cells over which the nearness of a wall fades


def pad_field(
    x: Float[Tensor, "batch channel *space"], reach: tuple[int, ...], modes: Modes, odd: Odd = ()
) -> Float[Tensor, "batch channel *padded"]:
    """The field with `reach` more points on both sides of every axis; axes of zeros are left as they are.

    Along a mirrored axis x_pad[-i] = ± x[i - 1], minus for its odd channels: the wall lies half a cell outside of the
    last centre. Keeps the memory format.

    Arguments:
        x: the field.
        reach: points added on each side of every axis.
        modes: what stands there.
        odd: by axis, the channels that change their sign in the mirror; empty for none.

    Raises:
        UserError: an axis has fewer points than are to be repeated.
    """
    wraps = tuple(n if mode == "circular" else 0 for n, mode in zip(reach, modes, strict=True))
    x = circular_pad(x, wraps)
    for axis, (points, mode) in enumerate(zip(reach, modes, strict=True)):
        if points and mode == "mirror":
            x = mirrored(x, axis - len(modes), points, points, odd[axis] if odd else ())
        elif points and mode == "replicate":
            x = _replicated(x, axis - len(modes), points)
    return x


def mirrored(
    x: Float[Tensor, "batch channel *space"], axis: int, before: int, after: int, odd: tuple[int, ...] = ()
) -> Float[Tensor, "batch channel *padded"]:
    """The field with its mirror image in the walls at both ends of an axis.

    Arguments:
        x: the field.
        axis: counted from the end, -1 for x.
        before, after: points added at the two ends.
        odd: channels that change their sign.

    Raises:
        UserError: the axis has fewer points than are to be mirrored.
    """
    size = x.shape[axis]
    if max(before, after) > size:
        raise UserError(
            f"axis {'zyx'[axis]} is too short for its mirror image",
            got=f"{size} points",
            expected=f"at least {max(before, after)}",
            fix="Use a finer grid, fewer levels or a smaller dilation.",
        )
    sides = [x.narrow(axis, 0, before).flip(axis), x.narrow(axis, size - after, after).flip(axis)]
    if odd:
        signs = x.new_ones(x.shape[1])
        signs[list(odd)] = -1.0
        sides = [side * signs.view(-1, *[1] * (x.ndim - 2)) for side in sides]
    return torch.cat((sides[0], x, sides[1]), dim=axis)


def num_mirrors(modes: Modes) -> int:
    """How many axes are mirrored: the channels that `with_walls` adds."""
    return sum(mode == "mirror" for mode in modes)


def with_walls(x: Float[Tensor, "batch channel *space"], modes: Modes) -> Float[Tensor, "batch more *space"]:
    """The fields and, for every mirrored axis, a channel that says how near its walls are: e^(-d/2), d in cells.

    A mirror alone does not tell a wall from the middle of a symmetric flow, and zeros do, in every layer. The channel
    is even, so that what is exact with mirrors stays exact.
    """
    size, channels = x.shape[2:], []
    for axis, mode in enumerate(modes):
        if mode == "mirror":
            place = torch.arange(size[axis], device=x.device, dtype=x.dtype) + 0.5
            near = torch.exp(-torch.minimum(place, size[axis] - place) / _REACH)
            near = near.view(-1, *[1] * (len(size) - 1 - axis))
            channels.append(near.expand(x.shape[0], 1, *size))
    return torch.cat((x, *channels), dim=1) if channels else x


def _replicated(x: Tensor, axis: int, points: int) -> Tensor:
    size = x.shape[axis]
    repeats = [1] * x.ndim
    repeats[axis] = points
    first, last = x.narrow(axis, 0, 1).repeat(repeats), x.narrow(axis, size - 1, 1).repeat(repeats)
    return torch.cat((first, x, last), dim=axis)
