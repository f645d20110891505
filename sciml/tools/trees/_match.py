"""Matching two ensembles of soft trees over all their symmetries: which tree is which, and which way round."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from sciml.core.errors import ConfigError, UserError
from sciml.models import SoftTrees
from sciml.nn.soft_tree import Symmetry, TreeForm, identity, perfect, symmetries

Invariances = Literal["none", "permutation", "all"]
"""What is matched over: nothing, the order of the trees, or their own symmetries too."""
_ROOM = 2**24  # numbers held at a time while all pairs of trees are compared


class Matching(NamedTuple):
    """How one ensemble is rearranged to be close to another.

    Fields:
        order: which of its trees takes the m-th place.
        symmetries: of the tree in every place.
        similarity: inner product of the weighted parameters (or of the outputs) that results, over all trees.
    """

    order: tuple[int, ...]
    symmetries: tuple[Symmetry, ...]
    similarity: float


class _Products(NamedTuple):
    """Inner products between the splits and between the leaves of trees of two ensembles.

    Fields:
        splits: ``*pair split split``, that of the moving tree first, times the leaves below the split of the other.
        leaves: ``*pair leaf leaf``.
    """

    splits: Tensor
    leaves: Tensor


def match_weights(moving: SoftTrees, fixed: SoftTrees, invariances: Invariances = "all") -> Matching:
    """The rearrangement of `moving` whose parameters have the largest inner product with those of `fixed`.

        max over orders p and symmetries q_m of  Σ_m ⟨q_m(A_p(m)), B_m⟩,   splits weighted by the leaves below them

    First the best symmetry of every pair of trees, then one linear assignment. The symmetries of perfect trees are
    searched exactly from the leaves up: ⟨n, k⟩ + best(left, left) + best(right, right), or with left and right
    exchanged −⟨n, k⟩ + best(right, left) + best(left, right).

    Raises: UserError for ensembles of different form; ConfigError for oblivious trees deeper than 5.
    """
    check_form(moving, fixed)
    if invariances == "none":
        return _unmoved(moving, fixed)
    forms = moving.form, invariances
    scores = torch.cat([_scores(*forms, products) for products in _all_products(moving, fixed)])
    order = _assigned(scores)
    chosen = _best_symmetries(*forms, _paired_products(moving, fixed, order))
    return Matching(order, chosen, float(scores[list(order), range(len(order))].sum()))


def match_activations(moving: SoftTrees, fixed: SoftTrees, x: Tensor, invariances: Invariances = "all") -> Matching:
    """The order in which the trees' outputs on samples have the largest inner product, then the best symmetries.

    Outputs do not depend on symmetries, so these follow from the parameters of the trees that were paired.

    Arguments:
        moving, fixed: two ensembles.
        x: ``sample feature``, as the trees see them; 512 are enough.
        invariances: what is matched over.

    Raises: as `match_weights`.
    """
    check_form(moving, fixed)
    if invariances == "none":
        return _unmoved(moving, fixed)
    with torch.no_grad():
        first, second = (network.outputs(x).double().transpose(0, 1).flatten(1) for network in (moving, fixed))
    scores = first @ second.T
    order = _assigned(scores)
    chosen = _best_symmetries(moving.form, invariances, _paired_products(moving, fixed, order))
    return Matching(order, chosen, float(scores[list(order), range(len(order))].sum()))


def check_form(moving: SoftTrees, fixed: SoftTrees) -> None:
    """Refuse ensembles that have no parameters to compare one by one. Raises: UserError."""
    if described(moving) != described(fixed):
        raise UserError("soft trees of different form cannot be matched", got=described(moving),
                        expected=described(fixed), fix="Train both with the same settings.")  # fmt: skip


def described(network: SoftTrees) -> str:
    """The form of an ensemble in words."""
    form = network.form
    return (f"{network.trees} {form.kind} trees of depth {form.depth} with {network.gate} gates, "
            f"{network.splits.in_features} features and {network.leaves.out_features} outputs")  # fmt: skip


def _unmoved(moving: SoftTrees, fixed: SoftTrees) -> Matching:
    order = tuple(range(moving.trees))
    products = _paired_products(moving, fixed, order)
    chosen = (identity(moving.form),) * moving.trees
    return Matching(order, chosen, float(_scores(moving.form, "permutation", products).sum()))


def _assigned(scores: Tensor) -> tuple[int, ...]:
    """Which row goes to every column, for the largest sum."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(scores.cpu().numpy(), maximize=True)
    order = [0] * len(rows)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        order[column] = row
    return tuple(order)


def _tables(network: SoftTrees) -> tuple[Tensor, Tensor]:
    splits, leaves = network.tables()
    return splits.detach().double(), leaves.detach().double()


def _all_products(moving: SoftTrees, fixed: SoftTrees) -> Iterator[_Products]:
    """Of some trees of `moving` at a time with all of `fixed`."""
    (splits, leaves), (other_splits, other_leaves) = _tables(moving), _tables(fixed)
    other_splits = _weighted(other_splits, moving.form)
    form = moving.form
    rows = max(1, _ROOM // (moving.trees * (form.splits**2 + form.leaves**2)))
    for first in range(0, moving.trees, rows):
        yield _Products(
            torch.einsum("anf,bmf->abnm", splits[first : first + rows], other_splits),
            torch.einsum("alc,bkc->ablk", leaves[first : first + rows], other_leaves),
        )


def _paired_products(moving: SoftTrees, fixed: SoftTrees, order: tuple[int, ...]) -> _Products:
    """Of the trees of `moving` in a given order, one by one, with those of `fixed`."""
    (splits, leaves), (other_splits, other_leaves) = _tables(moving), _tables(fixed)
    chosen = list(order)
    return _Products(
        torch.einsum("pnf,pmf->pnm", splits[chosen], _weighted(other_splits, moving.form)),
        torch.einsum("plc,pkc->plk", leaves[chosen], other_leaves),
    )


def _weighted(splits: Tensor, form: TreeForm) -> Tensor:
    """Splits times the leaves below them."""
    return splits * torch.tensor(form.below()).to(splits)[:, None]


def _score(products: _Products, symmetry: Symmetry) -> Tensor:
    """⟨q(A), B⟩ of every pair under one symmetry."""
    splits, leaves = len(symmetry.order), len(symmetry.leaves)
    signs = torch.tensor(symmetry.signs).to(products.splits)
    of_splits = products.splits[..., list(symmetry.order), range(splits)]
    return (of_splits * signs).sum(-1) + products.leaves[..., list(symmetry.leaves), range(leaves)].sum(-1)


def _scores(form: TreeForm, invariances: Invariances, products: _Products) -> Tensor:
    """The best of every pair."""
    if invariances == "permutation":
        return _score(products, identity(form))
    if form.kind == "perfect":
        return _levels(form, products)[0][0][..., 0, 0]
    _refuse_deep(form)
    best = torch.full(products.splits.shape[:-2], -math.inf, dtype=torch.float64, device=products.splits.device)
    for symmetry in symmetries(form):
        best = torch.maximum(best, _score(products, symmetry))
    return best


def _best_symmetries(form: TreeForm, invariances: Invariances, products: _Products) -> tuple[Symmetry, ...]:
    """Those that reach `_scores`, of every pair."""
    pairs = len(products.splits)
    if invariances == "permutation":
        return (identity(form),) * pairs
    if form.kind == "perfect":
        levels = _levels(form, products)
        return tuple(perfect(_flips(levels, pair)) for pair in range(pairs))
    _refuse_deep(form)
    every = tuple(symmetries(form))
    best = torch.full((pairs,), -math.inf, dtype=torch.float64, device=products.splits.device)
    chosen = torch.zeros(pairs, dtype=torch.int64, device=best.device)
    for number, symmetry in enumerate(every):
        score = _score(products, symmetry)
        better = score > best
        best, chosen = torch.where(better, score, best), chosen.masked_fill(better, number)
    return tuple(every[number] for number in chosen.tolist())


def _levels(form: TreeForm, products: _Products) -> list[tuple[Tensor, Tensor]]:
    """Level by level, the root first: the best of two subtrees, ``*pair node node``, and whether it takes a flip."""
    below, levels = products.leaves, []
    for level in reversed(range(form.depth)):
        nodes = slice(2**level - 1, 2 ** (level + 1) - 1)
        diagonal = products.splits[..., nodes, nodes]
        left, right = slice(0, None, 2), slice(1, None, 2)
        kept = diagonal + below[..., left, left] + below[..., right, right]
        flipped = below[..., right, left] + below[..., left, right] - diagonal
        below = torch.maximum(kept, flipped)
        levels.append((below, flipped > kept))
    return levels[::-1]


def _flips(levels: list[tuple[Tensor, Tensor]], pair: int) -> list[bool]:
    """Which nodes of the new tree are flipped, level by level, walking down from the root."""
    sources, flips = [0], []
    for _, flipped in levels:
        chosen = [bool(flipped[pair, source, node]) for node, source in enumerate(sources)]
        flips += chosen
        sources = [
            child
            for source, flip in zip(sources, chosen, strict=True)
            for child in ((2 * source + 1, 2 * source) if flip else (2 * source, 2 * source + 1))
        ]
    return flips


def _refuse_deep(form: TreeForm) -> None:
    if form.kind == "oblivious" and form.depth > 5:
        raise ConfigError("the symmetries of such deep oblivious trees are too many to be tried", got=form.depth,
                          expected="a depth of 5 at most",
                          fix="Take perfect trees or decision lists, or match over permutations alone.")  # fmt: skip
