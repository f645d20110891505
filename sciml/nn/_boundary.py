"""How convolutions see beyond the edge of the grid: one padding mode per axis."""

from typing import Literal

from sciml.core.errors import UserError
from sciml.core.types import Grid

Mode = Literal["circular", "zeros"]
"""Padding along one axis."""
Modes = tuple[Mode, Mode]
"""Padding along y and x."""
PaddingChoice = Literal["auto", "circular", "zeros"]
"""``auto`` follows the grid; the others force one mode on both axes."""


def padding_modes(choice: PaddingChoice, grid: Grid) -> Modes:
    """Padding modes (y, x): under ``auto`` circular on periodic axes and zeros on walls and open ends.

    Zeros are added to standardised fields, where 0 is the mean; they let a network tell a wall from the interior.

    Raises:
        UserError: the grid does not have two axes.
    """
    if len(grid.axes) != 2:
        raise UserError(
            "this network works on two-dimensional fields",
            got=f"a grid of {len(grid.axes)} axes {grid.dims}",
            expected="two axes, y and x",
            fix="Choose a problem on a plane, or a solver without convolutions.",
        )
    if choice != "auto":
        return (choice, choice)
    y, x = ("circular" if periodic else "zeros" for periodic in grid.periodic)
    return (y, x)
