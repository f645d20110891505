"""Samples of the sources, and the splits they are given to: by trajectory, never by window."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sciml.core.errors import DataError, UserError
from sciml.core.rng import generator
from sciml.data._layout import BEYOND, SPLITS
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._fields import Roles
from sciml.data.importing._source import Source

_SHARES = (0.8, 0.1, 0.1)


@dataclass(frozen=True)
class Sample:
    """One sample: a row of a source, from a frame on."""

    source: int
    row: int
    first: int


def samples_of(roles: Sequence[Roles], choices: ImportChoices, notes: list[str]) -> tuple[tuple[Sample, ...], int]:
    """All samples and the frames of each."""
    stored = next(iter(roles[0].fields.values())).sizes["time"]
    frames = choices.cut or stored
    if not 2 <= frames <= stored:
        raise DataError(
            "a trajectory needs at least two frames" if stored < 2 else "--cut is longer than a trajectory",
            got=f"{stored} frames" + (f", --cut {choices.cut}" if choices.cut else ""),
        )
    if stored % frames:
        notes.append(f"the last {stored % frames} frames of every trajectory do not fill a piece: left out")
    samples = []
    for number, entry in enumerate(roles):
        rows = next(iter(entry.fields.values())).sizes.get("sample", 1)
        samples += [
            Sample(number, row, first) for row in range(rows) for first in range(0, stored - frames + 1, frames)
        ]
    if len(samples) < len(SPLITS):
        head = next(iter(roles[0].fields.items()))
        raise DataError(
            f"there are too few trajectories to train, validate and test on: {head[0]} is read as {head[1].words}",
            got=f"{len(samples)} in all, of shape {head[1].shape}",
            expected=f"at least {len(SPLITS)}",
            fix="Check the order of the axes (--dims, --rename), import more files at once, or cut long trajectories "
            "into pieces with --cut FRAMES.",
        )
    return tuple(samples), frames


def splits_of(
    samples: Sequence[Sample],
    sources: Sequence[Source],
    choices: ImportChoices,
    notes: list[str],
    *,
    keeps_beyond: bool = False,
) -> dict[str, tuple[int, ...]]:
    """Samples by split: those of the files if these name all three, else drawn by trajectory, never by window.

    Trajectories beyond the ranges of the parameters stay a split of their own where the kind of data has one.

    Raises: UserError for such trajectories where the others would be split anew, and they among them.
    """
    stated = {source.split for source in sources}
    if choices.split is None and (stated - {BEYOND} if keeps_beyond else stated) == set(SPLITS):
        notes.append("splits are those of the files")
        kept = (*SPLITS, BEYOND) if BEYOND in stated else SPLITS
        return {
            name: tuple(i for i, entry in enumerate(samples) if sources[entry.source].split == name) for name in kept
        }
    if BEYOND in stated:
        raise UserError(
            "trajectories with parameters beyond their ranges cannot be trained on",
            got=f"files of the split {BEYOND!r}" + (" and --split" if choices.split else ""),
            expected="trajectories in the splits train, valid and test beside it, as the files name them",
            fix=f"Import the whole folder without --split, or leave out the files of {BEYOND!r}.",
        )
    if choices.split is None and stated & set(SPLITS):
        named = ", ".join(sorted(str(name) for name in stated if name))
        notes.append(f"the files name the splits {named} only: all trajectories are split anew")
    pieces: dict[tuple[int, int], list[int]] = {}
    for i, entry in enumerate(samples):
        pieces.setdefault((entry.source, entry.row), []).append(i)
    if len(pieces) >= len(SPLITS):
        trajectories = list(pieces.values())
        order = torch.randperm(len(trajectories), generator=generator(choices.seed, "import", "split")).tolist()
        groups = [trajectories[k] for k in order]
    else:  # pieces of very few trajectories, in the order of time, so that neighbours share a split
        notes.append("pieces are split in the order of time: first training, then validation, then test")
        groups = [[i] for i in range(len(samples))]
    sizes = sizes_of(len(groups), choices)
    splits, start = {}, 0
    for name, size in zip(SPLITS, sizes, strict=True):
        splits[name] = tuple(sorted(i for group in groups[start : start + size] for i in group))
        start += size
    return splits


def sizes_of(count: int, choices: ImportChoices) -> tuple[int, int, int]:
    """Trajectories per split. Raises UserError for shares that leave one of them empty."""
    shares = choices.split or _SHARES
    if min(shares) <= 0 or sum(shares) > 1 + 1e-9:
        raise UserError(
            "the shares of the splits are not possible",
            got=", ".join(map(str, shares)),
            expected="three positive numbers that add up to one at most",
        )
    if choices.split is None:
        valid, test = (max(1, round(share * count)) for share in shares[1:])
        return count - valid - test, valid, test
    train, valid, test = (int(share * count + 0.5) for share in shares)
    train = min(train, count - valid - test)
    if min(train, valid, test) < 1:
        raise UserError(
            "a split would be empty",
            got=f"{train} training, {valid} validation, {test} test of {count} trajectories",
            expected="at least one in each",
            fix="Change --split, or import more trajectories.",
        )
    return train, valid, test
