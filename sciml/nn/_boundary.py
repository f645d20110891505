"""How convolutions see beyond the edge of the grid: one padding mode per axis."""

from typing import Literal

from sciml.core.errors import UserError
from sciml.core.types import Grid

Mode = Literal["circular", "zeros"]
"""Padding along one axis."""
Modes = tuple[Mode, ...]
"""Padding along every axis, in the order of the tensor's axes (z, y, x)."""
Padding = Mode | Modes
"""What a network assumes at a boundary: one mode for all axes, or one per axis."""
PaddingChoice = Literal["auto", "circular", "zeros"]
"""``auto`` follows the grid; the others force one mode on all axes."""


def padding_modes(choice: PaddingChoice, grid: Grid) -> Modes:
    """Padding modes (z, y, x): under ``auto`` circular on periodic axes and zeros on walls and open ends.

    Zeros are added to standardised fields, where 0 is the mean; they let a network tell a wall from the interior.

    Raises:
        UserError: the grid does not have one to three axes.
    """
    if len(grid.axes) not in (1, 2, 3):
        raise UserError(
            "networks of fields work on one to three axes",
            got=f"a grid of {len(grid.axes)} axes {grid.dims}",
            fix="Choose a problem with space, or a solver without convolutions.",
        )
    if choice != "auto":
        return (choice,) * len(grid.axes)
    return tuple("circular" if periodic else "zeros" for periodic in grid.periodic)


def axis_modes(padding: Padding, dims: int) -> Modes:
    """The padding of a network on `dims` axes, axis by axis.

    Raises:
        UserError: `dims` is not 1, 2 or 3, there are not as many modes as axes, or a mode is none of the two.
    """
    if dims not in (1, 2, 3):
        raise UserError(
            "networks of fields work on one to three axes", got=f"dims={dims}", expected="dims=1, dims=2 or dims=3"
        )
    modes = (padding,) * dims if isinstance(padding, str) else tuple(padding)
    if len(modes) != dims or not set(modes) <= {"circular", "zeros"}:
        raise UserError(
            f"this padding does not fit {dims} axes",
            got=f"padding={padding!r}",
            expected=f"'circular', 'zeros', or a tuple of {dims} of them",
        )
    return modes
