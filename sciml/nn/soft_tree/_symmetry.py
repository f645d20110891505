"""The exact symmetries of one soft tree: other parameters, the same function."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sciml.core.errors import ConfigError
from sciml.nn.soft_tree._form import TreeForm

LARGEST_GROUP = 40_000
"""Symmetries that are listed one by one at most: oblivious trees up to depth 5, perfect ones up to depth 4."""


@dataclass(frozen=True)
class Symmetry:
    """Another order of a tree's splits and leaves, with signs, that leaves its function as it is.

        (w, b)'_n = sign_n (w, b)_order(n),    π'_l = π_leaves(l)

    Arguments:
        order: which split of the old tree is the n-th of the new one.
        signs: 1, or −1 where left and right are exchanged; g(−z) = 1 − g(z) makes that exact.
        leaves: which leaf of the old tree is the l-th of the new one.
    """

    order: tuple[int, ...]
    signs: tuple[int, ...]
    leaves: tuple[int, ...]

    def after(self, first: Symmetry) -> Symmetry:
        """The symmetry that applies `first`, then this one."""
        return Symmetry(
            tuple(first.order[n] for n in self.order),
            tuple(sign * first.signs[n] for n, sign in zip(self.order, self.signs, strict=True)),
            tuple(first.leaves[leaf] for leaf in self.leaves),
        )


def identity(form: TreeForm) -> Symmetry:
    """The one that changes nothing."""
    return Symmetry(tuple(range(form.splits)), (1,) * form.splits, tuple(range(form.leaves)))


def oblivious(order: Sequence[int], flips: Sequence[bool]) -> Symmetry:
    """Splits in another order, some of them with left and right exchanged; the axes of the leaf table follow.

    Arguments:
        order: which depth of the old tree is the d-th of the new one.
        flips: where left and right are exchanged, by depth of the new tree.
    """
    depth = len(order)
    leaves = []
    for path in itertools.product((0, 1), repeat=depth):
        old = [0] * depth
        for side, source, flip in zip(path, order, flips, strict=True):
            old[source] = side ^ bool(flip)
        leaves.append(int("".join(map(str, old)), 2))
    return Symmetry(tuple(order), tuple(-1 if flip else 1 for flip in flips), tuple(leaves))


def perfect(flips: Sequence[bool]) -> Symmetry:
    """Left and right subtrees exchanged at some nodes.

    Arguments:
        flips: by node of the new tree, level by level; 2^D − 1 of them.
    """
    nodes = [0]
    for node in range(len(flips)):  # where the children of a node, 2n + 1 and 2n + 2, come from
        children = (2 * nodes[node] + 1, 2 * nodes[node] + 2)
        nodes.extend(reversed(children) if flips[node] else children)
    count = len(flips)
    signs = tuple(-1 if flip else 1 for flip in flips)
    return Symmetry(tuple(nodes[:count]), signs, tuple(node - count for node in nodes[count:]))


def num_symmetries(form: TreeForm) -> int:
    """2^D D! of an oblivious tree, 2^(2^D − 1) of a perfect one, 2 of a list, 1 of a modified list."""
    if form.kind == "oblivious":
        return 2**form.depth * math.factorial(form.depth)
    return 2**form.splits if form.kind == "perfect" else (2 if form.kind == "list" else 1)


def symmetries(form: TreeForm) -> Iterator[Symmetry]:
    """All symmetries of a tree, the identity first.

    Raises: ConfigError where there are more than `LARGEST_GROUP`.
    """
    if num_symmetries(form) > LARGEST_GROUP:
        raise ConfigError(f"{form.kind} trees of depth {form.depth} have too many symmetries to list",
                          got=f"{num_symmetries(form):.3g}", expected=f"at most {LARGEST_GROUP}",
                          fix="Use shallower trees, or decision lists.")  # fmt: skip
    if form.kind == "oblivious":
        for order in itertools.permutations(range(form.depth)):
            for flips in itertools.product((False, True), repeat=form.depth):
                yield oblivious(order, flips)
    elif form.kind == "perfect":
        for flips in itertools.product((False, True), repeat=form.splits):
            yield perfect(flips)
    else:
        same = identity(form)
        yield same
        if form.kind == "list":  # the last split ends two leaves
            last = form.depth - 1
            signs = (*same.signs[:last], -1)
            yield Symmetry(same.order, signs, (*same.leaves[:last], last + 1, last))
