"""Halving a grid by averages, and the check that it can be halved."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool1d, avg_pool2d, avg_pool3d

from sciml.core.errors import UserError

_POOLS = {3: avg_pool1d, 4: avg_pool2d, 5: avg_pool3d}


def halve(x: Float[Tensor, "batch channel *space"]) -> Float[Tensor, "batch channel *coarse"]:
    """Means over two neighbouring points of every axis."""
    return _POOLS[x.ndim](x, 2)


def check_halvings(size: Sequence[int], levels: int) -> None:
    """Refuse a grid that cannot be halved `levels` times.

    Arguments:
        size: points per axis, the last one x.
        levels: halvings.

    Raises:
        UserError: naming the axis, its points, and the settings that would fit.
    """
    for name, points in zip("zyx"[-len(size) :], size, strict=True):
        if points % 2**levels:
            halvings = (points & -points).bit_length() - 1
            fits = f"Set model.levels={halvings}, or " if halvings else "Use "
            raise UserError(
                f"axis {name} of the grid cannot be halved {levels} times",
                got=f"{points} points",
                expected=f"a multiple of 2^{levels} = {2**levels}",
                fix=f"{fits}a grid of {-(-points // 2**levels) * 2**levels} points along {name}.",
            )
