"""Which cells of a grid are part of the domain: land, walls and inactive cells are not."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from sciml.core.errors import DataError
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._fields import Roles, flipped
from sciml.data.importing._source import MASK, Variable


def read_mask(
    roles: Sequence[Roles],
    names: Sequence[str],
    ends: Sequence[np.ndarray],
    states: Iterable[np.ndarray],
    reversed: frozenset[str],
    choices: ImportChoices,
    notes: list[str],
) -> np.ndarray | None:
    """True where a cell is active, on the axes as they are stored; None where all are.

    Data without gaps in its first and last trajectory is read no further.

    Arguments:
        roles: of every source.
        names: of the fields, in the order of channels.
        ends: the first and the last trajectory as ``time channel *space``.
        states: all of them, read one after the other.
        reversed: axes whose points are stored from high to low.
        choices: what the user says.
        notes: what was understood is added to these.

    Raises: DataError for a mask that leaves no cell, has another shape than the fields, differs between files or
        between fields, or may mean either.
    """
    if choices.mask == "none" or not roles[0].space:
        return None
    if roles[0].mask is not None:
        active = _from_variables(roles, ends, reversed, choices)
        source = f"by {choices.mask_variable or 'the mask of the file'}"
    elif choices.mask == "any":
        active = np.array(True)
        for one in states:
            active = active & np.isfinite(one).all((0, 1))
        source = "since they are NaN in some frame"
    else:
        gaps = _gaps(names, ends, states)
        if gaps is None:
            return None
        active, source = ~gaps, "since they are NaN in every frame (--mask none takes them as broken)"
    if not active.any():
        raise DataError(
            "the mask leaves no cell",
            got=f"all {active.size} cells are masked",
            expected="at least one active cell",
            fix="Check --mask, or leave broken trajectories out of the files.",
        )
    if active.all():
        return None
    notes.append(f"{int((~active).sum())} of {active.size} cells are masked {source}: left out of losses and metrics")
    return active


def _gaps(names: Sequence[str], ends: Sequence[np.ndarray], states: Iterable[np.ndarray]) -> np.ndarray | None:
    """Cells that are NaN in every frame of every trajectory; None for none. All fields must have the same."""
    if not all(np.isnan(one).all(0).any() for one in ends):
        return None
    gaps, partial, first = np.array(True), True, np.isnan(ends[0]).all((0, 1))
    for one in states:
        gap = np.isnan(one).all(0)  # channel *space
        gaps, partial = gaps & gap, partial and bool(gap.any()) and not gap.all()
    if not gaps.any() and partial:
        raise DataError(
            "the cells without values differ between the trajectories",
            got=f"{int(first.sum())} cells are NaN in every frame of the first, none of them in all trajectories",
            expected="one mask for all trajectories",
            fix="Leave out the cells that are NaN anywhere with --mask any, or import one geometry at a time.",
        )
    if not gaps.any() or gaps.reshape(len(gaps), -1).all(1).any():  # a field without any value is no mask
        return None
    if (gaps != gaps[0]).any():
        raise DataError(
            "the fields have no values on different parts of the grid",
            got=", ".join(f"{name}: NaN at {int(hole.sum())} cells" for name, hole in zip(names, gaps, strict=True)),
            expected="one mask for all fields",
            fix="Leave out the cells that are NaN in any field with --mask any, or import fields apart with --fields.",
        )
    return gaps[0]


def _from_variables(
    roles: Sequence[Roles],
    ends: Sequence[np.ndarray],
    reversed: frozenset[str],
    choices: ImportChoices,
) -> np.ndarray:
    """The mask that the files have as a variable, the same in all of them."""
    space, sizes = roles[0].space, next(iter(roles[0].fields.values())).sizes
    arrays = [_values(entry.mask, space, sizes, reversed, choices) for entry in roles]
    if any(not np.array_equal(array, arrays[0], equal_nan=array.dtype.kind == "f") for array in arrays):
        raise DataError("the files have different masks", expected="one mask for all trajectories",
                        fix="Import them separately.")  # fmt: skip
    values, mask = arrays[0], roles[0].mask
    assert mask is not None
    present = _present(values)
    named = (choices.mask or "").partition("=")[2].strip()
    if named:
        chosen = [entry for entry in present if entry == named or _equal(entry, named)]
        if not chosen:
            raise DataError(
                f"no cell of the mask {choices.mask_variable!r} has the value {named}",
                got=", ".join(list(present)[:6]),
                expected="one of these",
            )
        return ~present[chosen[0]]
    if mask.role == MASK and set(present) <= {"0", "1"}:
        return present.get("1", np.zeros(values.shape, dtype=bool))
    gaps = np.logical_and.reduce([np.isnan(one).all((0, 1)) for one in ends])
    telling = [entry for entry, cells in present.items() if np.array_equal(cells, gaps)]
    if len(telling) == 1:
        return ~present[telling[0]]
    name = choices.mask_variable
    raise DataError(
        f"it is not clear which cells the mask {name!r} leaves out",
        got="values " + ", ".join(list(present)[:6]),
        expected="the value of cells that are no part of the domain",
        fix=f"Say which: --mask {name}={next(iter(present))}"
        + (f" or --mask {name}={list(present)[1]}." if len(present) > 1 else "."),
    )


def _values(
    mask: Variable | None,
    space: Sequence[str],
    sizes: Mapping[str, int],
    reversed: frozenset[str],
    choices: ImportChoices,
) -> np.ndarray:
    """A mask on our order of axes. Raises DataError for another shape than that of the fields."""
    name = choices.mask_variable or "of the file"
    wanted = {dim: sizes[dim] for dim in space}
    if mask is None or mask.sizes != wanted:
        raise DataError(
            f"the mask {name!r} does not lie on the grid of the fields",
            got="no such variable in every file" if mask is None else mask.words,
            expected=", ".join(f"{dim} {size}" for dim, size in wanted.items()),
        )
    if mask.kind not in "fiub":
        raise DataError(f"the mask {name!r} does not hold numbers", expected="for example 0 and 1")
    return flipped(mask.values().transpose([mask.dims.index(dim) for dim in space]), space, reversed)


def _present(values: np.ndarray) -> dict[str, np.ndarray]:
    """Cells by the value they have, as text."""
    return dict(_cells(values.astype(np.float64)))


def _cells(values: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    for value in np.unique(values):
        yield ("nan", np.isnan(values)) if math.isnan(value) else (f"{value:g}", values == value)


def _equal(entry: str, named: str) -> bool:
    try:
        return float(entry) == float(named)
    except ValueError:
        return False
