"""Which functions of imported pairs train, validate and test: equal ones always stay together."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core import rng
from sciml.core.errors import DataError
from sciml.data._layout import SPLITS
from sciml.data._stored_pairs import StoredSplit
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._splits import sizes_of


def split_functions(
    pieces: Mapping[str, StoredSplit], choices: ImportChoices, notes: list[str]
) -> dict[str, StoredSplit]:
    """Functions drawn for validation (and test, where the file has none), rows with them.

    A function that stands in the file several times is drawn once, so that no split knows what another one asks. A test
    split of the file's own stays as it is; functions that it shares with the training are counted in a note.

    Raises: DataError for too few functions.
    """
    if set(pieces) == set(SPLITS):
        _note_shared(pieces["train"], pieces["test"], notes)
        return dict(pieces)
    head = pieces.get("all") or pieces["train"]
    group = _groups(head.functions)
    total = int(group.max()) + 1
    if total < len(group):
        notes.append(f"{len(group) - total} functions stand there more than once; equal ones share their split")
    order = torch.randperm(total, generator=rng.generator(choices.seed, "pairs", "split"))
    if "test" in pieces:
        notes.append("the test split is that of the file; one in ten training functions validates")
        _note_shared(head, pieces["test"], notes)
        valid = max(1, total // 10)
        if total - valid < 1:
            raise DataError("there are too few training functions", got=total, expected="at least 2")
        return {
            "train": _of(head, torch.isin(group, order[valid:])),
            "valid": _of(head, torch.isin(group, order[:valid])),
            "test": pieces["test"],
        }
    if total < len(SPLITS):
        raise DataError("there are too few functions to train, validate and test on", got=total,
                        expected=f"at least {len(SPLITS)}")  # fmt: skip
    counts = sizes_of(total, choices)
    cuts = order.split([*counts, total - sum(counts)] if sum(counts) < total else list(counts))
    return {name: _of(head, torch.isin(group, cut)) for name, cut in zip(SPLITS, cuts, strict=False)}


def _groups(functions: Float[Tensor, "function sensor"]) -> Int[Tensor, " function"]:
    """A number for every function, the same for equal ones, in the order of their first appearance."""
    unique, number = torch.unique(functions, dim=0, return_inverse=True)
    first = torch.full((len(unique),), len(functions)).scatter_reduce(0, number, torch.arange(len(functions)), "amin")
    return first.argsort().argsort()[number]


def _note_shared(train: StoredSplit, test: StoredSplit, notes: list[str]) -> None:
    known = {row.tobytes() for row in train.functions.numpy()}
    shared = sum(row.tobytes() in known for row in test.functions.numpy())
    if shared:
        notes.append(f"{shared} of {len(test.functions)} test functions of the file are in its training split, too: "
                     "the test does not say how new functions are answered")  # fmt: skip


def _of(split: StoredSplit, chosen: Tensor) -> StoredSplit:
    """Some functions with their rows, renumbered."""
    place = torch.where(chosen, chosen.cumsum(0) - 1, -1)
    rows = (place[split.row] >= 0).nonzero().flatten()
    query = None if split.query is None else split.query[rows]
    return StoredSplit(split.functions[chosen], place[split.row[rows]], query, split.values[rows])
