"""How convolutions see beyond the edge of the grid: one padding mode per axis, and what a wall's mirror does."""

from collections.abc import Sequence
from typing import Literal, get_args

from sciml.core.errors import UserError
from sciml.core.types import Grid

Mode = Literal["circular", "zeros", "mirror", "replicate"]
"""Padding along one axis: the other end; zeros; the mirror image in the edge; the last point again."""
Modes = tuple[Mode, ...]
"""Padding along every axis, in the order of the tensor's axes (z, y, x)."""
Padding = Mode | Modes
"""What a network assumes at a boundary: one mode for all axes, or one per axis."""
PaddingChoice = Literal["auto", "mirror", "circular", "zeros", "replicate"]
"""``auto`` and ``mirror`` follow the grid and differ at walls; the others force one mode on all axes."""
Odd = tuple[tuple[int, ...], ...]
"""By axis, the channels whose sign changes in the mirror there; empty where none does."""
Parity = tuple[tuple[str, ...] | None, ...]
"""By field, the axes at whose walls it is odd; None for a field of which that is not known. See `sciml.core.Field`."""


def padding_modes(choice: PaddingChoice, grid: Grid, parity: Parity | None = None) -> Modes:
    """Padding modes (z, y, x) of a network of fields.

    ``auto`` and ``mirror`` wrap periodic axes and repeat the last point at open ends. At walls, ``auto`` pads with
    zeros, which in standardised fields are the mean, and ``mirror`` with the mirror images of the fields by their
    parity. Zeros tell every layer where the wall is; mirrors keep what the walls' symmetry implies, exactly.

    Arguments:
        choice: of the user.
        grid: whose axes say where there are walls.
        parity: of the fields; None (a run of before there were parities) for zeros at every open end too.

    Raises:
        UserError: the grid does not have one to three axes, or a mirror is asked for where there is no wall or of
            fields without a parity.
    """
    if len(grid.axes) not in (1, 2, 3):
        raise UserError(
            "networks of fields work on one to three axes",
            got=f"a grid of {len(grid.axes)} axes {grid.dims}",
            fix="Choose a problem with space, or a solver without convolutions.",
        )
    if choice not in ("auto", "mirror"):
        return (choice,) * len(grid.axes)
    if choice == "mirror":
        _check_mirror(grid, parity)
    at_wall: Mode = "mirror" if choice == "mirror" else "zeros"
    at_end: Mode = "zeros" if parity is None else "replicate"
    modes: dict[str, Mode] = {"periodic": "circular", "wall": at_wall, "open": at_end}
    return tuple(modes[axis.boundary] for axis in grid.axes)


def _check_mirror(grid: Grid, parity: Parity | None) -> None:
    if all(axis.boundary != "wall" for axis in grid.axes):
        raise UserError(
            "fields have no parity where there is no wall, so there is nothing to mirror them by",
            got="padding 'mirror' and axes that are " + ", ".join(f"{a.name}: {a.boundary}" for a in grid.axes),
            expected="an axis with walls",
            fix="Take padding 'auto', which follows the grid.",
        )
    if parity is None or None in parity:
        raise UserError(
            "a field has no parity at the walls, so it is not known what its mirror image is",
            got="padding 'mirror'",
            expected="fields that declare at which walls they are odd",
            fix="Set `odd` of every field of the problem (a velocity is odd along its own axis, a density along none), "
            "or take padding 'auto'.",
        )


def odd_channels(modes: Modes, grid: Grid, parity: Parity | None, history: int) -> Odd:
    """Which of the channels ``history * field`` change their sign in the mirror, by axis."""
    if parity is None or "mirror" not in modes:
        return ()
    return tuple(
        tuple(
            frame * len(parity) + field
            for frame in range(history)
            for field, odd in enumerate(parity)
            if mode == "mirror" and odd is not None and axis.name in odd
        )
        for mode, axis in zip(modes, grid.axes, strict=True)
    )


def axis_modes(padding: Padding, dims: int) -> Modes:
    """The padding of a network on `dims` axes, axis by axis.

    Raises:
        UserError: `dims` is not 1, 2 or 3, there are not as many modes as axes, or a mode is none of those there are.
    """
    if dims not in (1, 2, 3):
        raise UserError(
            "networks of fields work on one to three axes", got=f"dims={dims}", expected="dims=1, dims=2 or dims=3"
        )
    modes = (padding,) * dims if isinstance(padding, str) else tuple(padding)
    if len(modes) != dims or not set(modes) <= set(get_args(Mode)):
        raise UserError(
            f"this padding does not fit {dims} axes",
            got=f"padding={padding!r}",
            expected=f"{', '.join(map(repr, get_args(Mode)))}, or a tuple of {dims} of them",
        )
    return modes


def check_odd(odd: Sequence[Sequence[int]], modes: Modes, channels: int) -> Odd:
    """The odd channels of a network, axis by axis; none of them where `odd` is empty.

    Raises:
        UserError: there are not as many entries as axes, an axis is not mirrored, or a channel does not exist.
    """
    if not odd:
        return ((),) * len(modes)
    fits = len(odd) == len(modes) and all(
        mode == "mirror" or not entries for entries, mode in zip(odd, modes, strict=True)
    )
    if not fits or any(not 0 <= channel < channels for entries in odd for channel in entries):
        raise UserError(
            "these parities do not fit the network",
            got=f"odd={tuple(odd)!r} with padding {modes} and {channels} channels in",
            expected="one tuple of channels per axis, empty where the axis is not mirrored",
            fix="A channel can be odd only along an axis whose padding is 'mirror'.",
        )
    return tuple(tuple(entries) for entries in odd)
