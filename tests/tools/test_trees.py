"""Matching of soft trees against exhaustive search, exact recovery, averages and barriers."""

import itertools

import pytest
import torch

from sciml.core.errors import ConfigError, UserError
from sciml.models import SoftTrees
from sciml.nn.soft_tree import symmetries
from sciml.tools.trees import (
    align_all,
    aligned,
    average,
    barrier,
    interpolated,
    joined,
    match_activations,
    match_weights,
)

KINDS = ("oblivious", "perfect", "list", "modified_list")


def ensemble(kind="oblivious", depth=3, *, trees=6, seed=0, features=4):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SoftTrees(features, 2, trees=trees, depth=depth, kind=kind).double()


def scrambled(network, seed=0):
    """A copy in another order, every tree under a random symmetry."""
    generator = torch.Generator().manual_seed(seed)
    every = list(symmetries(network.form))
    order = torch.randperm(network.trees, generator=generator).tolist()
    chosen = [every[i] for i in torch.randint(len(every), (network.trees,), generator=generator).tolist()]
    answer = average([network], [1.0])
    answer.rearrange(order, chosen)
    return answer


def weighted_product(first, second):
    """⟨A, B⟩ with splits weighted by the leaves below them, tree by tree."""
    below = torch.tensor(first.form.below(), dtype=torch.float64)[:, None]
    (a, p), (b, q) = first.tables(), second.tables()
    return ((a * b * below).sum((1, 2)) + (p * q).sum((1, 2))).detach()


X = torch.randn(50, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("match", ["weights", "activations"])
@pytest.mark.parametrize(("kind", "depth"), [(kind, 3) for kind in KINDS] + [("perfect", 4), ("list", 7)])
def test_a_scrambled_copy_is_recovered_exactly(kind, depth, match):
    network = ensemble(kind, depth)
    copy = scrambled(network)
    torch.testing.assert_close(copy(X), network(X), rtol=0, atol=1e-12)
    matching = match_weights(copy, network) if match == "weights" else match_activations(copy, network, X)
    moved = aligned(copy, matching)
    for one, two in zip(moved.tables(), network.tables(), strict=True):
        assert torch.equal(one, two)
    torch.testing.assert_close(moved(X), network(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kind", "depth"), [("oblivious", 2), ("perfect", 2), ("list", 3), ("modified_list", 3)])
def test_a_matching_is_the_best_of_all(kind, depth):
    """Against every order and every symmetry of four trees."""
    moving, fixed = ensemble(kind, depth, trees=4), ensemble(kind, depth, trees=4, seed=1)
    every = list(symmetries(moving.form))
    scores = torch.zeros(4, 4, len(every), dtype=torch.float64)
    for shift, (k, symmetry) in itertools.product(range(4), enumerate(every)):
        order = [(m + shift) % 4 for m in range(4)]
        turned = average([moving], [1.0])
        turned.rearrange(order, [symmetry] * 4)
        scores[order, range(4), k] = weighted_product(turned, fixed)
    best = scores.amax(2)
    expected = max(sum(float(best[a, m]) for m, a in enumerate(order)) for order in itertools.permutations(range(4)))
    matching = match_weights(moving, fixed)
    assert matching.similarity == pytest.approx(expected, rel=1e-12)
    assert float(weighted_product(aligned(moving, matching), fixed).sum()) == pytest.approx(expected, rel=1e-12)
    plain = scores[:, :, 0]
    expected = max(sum(float(plain[a, m]) for m, a in enumerate(order)) for order in itertools.permutations(range(4)))
    assert match_weights(moving, fixed, "permutation").similarity == pytest.approx(expected, rel=1e-12)


def test_deep_perfect_trees_are_searched_from_the_leaves_up():
    """Against all 2^7 flips of one tree, and at a depth whose flips cannot be listed."""
    moving, fixed = ensemble("perfect", 3, trees=1), ensemble("perfect", 3, trees=1, seed=1)
    best = -float("inf")
    for symmetry in symmetries(moving.form):
        turned = average([moving], [1.0])
        turned.rearrange([0], [symmetry])
        best = max(best, float(weighted_product(turned, fixed).sum()))
    assert match_weights(moving, fixed).similarity == pytest.approx(best, rel=1e-12)
    deep = ensemble("perfect", 7, trees=3)
    assert (
        match_weights(deep, ensemble("perfect", 7, trees=3, seed=1)).similarity
        > match_weights(deep, ensemble("perfect", 7, trees=3, seed=1), "permutation").similarity
    )


def test_nothing_is_moved_where_nothing_is_matched():
    moving, fixed = ensemble(seed=1), ensemble()
    matching = match_weights(moving, fixed, "none")
    assert matching.order == (0, 1, 2, 3, 4, 5)
    assert match_activations(moving, fixed, X, "none") == matching
    assert match_weights(moving, fixed, "permutation").similarity >= matching.similarity


def test_averages_and_lines():
    first, second = ensemble(), ensemble(seed=1)
    torch.testing.assert_close(interpolated(first, second, 0.0)(X), first(X))
    torch.testing.assert_close(interpolated(first, second, 1.0)(X), second(X))
    middle = average((first, second), (0.5, 0.5))
    for mean, one, two in zip(middle.tables(), first.tables(), second.tables(), strict=True):
        torch.testing.assert_close(mean, (one + two) / 2)
    torch.testing.assert_close(joined((first, second))(X), (first(X) + second(X)) / 2)


def test_copies_of_one_ensemble_average_to_it():
    network = ensemble()
    copies = [network, *(scrambled(network, seed) for seed in range(1, 4))]
    together = average(align_all(copies, match_weights), [0.25] * 4)
    torch.testing.assert_close(together(X), network(X), rtol=0, atol=1e-12)
    assert float((average(copies, [0.25] * 4)(X) - network(X)).detach().abs().max()) > 1e-2


def test_a_barrier_is_what_stands_above_the_straight_line():
    shares = torch.linspace(0, 1, 5)
    assert barrier(shares, torch.tensor([1.0, 2.0, 4.0, 2.0, 3.0])) == pytest.approx(2.0)
    assert barrier(shares, torch.tensor([1.0, 1.0, 1.0, 1.0, 3.0])) == 0.0
    network = ensemble()
    losses = torch.stack([interpolated(network, network, float(s))(X).detach().square().mean() for s in shares])
    assert barrier(shares, losses) < 1e-12


def test_what_does_not_fit_is_refused():
    with pytest.raises(UserError, match=r"6 oblivious trees of depth 2.*expected 6 oblivious trees of depth 3"):
        match_weights(ensemble(depth=2), ensemble())
    with pytest.raises(UserError, match=r"5 features"):
        match_activations(ensemble(features=5), ensemble(), X)
    with pytest.raises(ConfigError, match=r"depth of 5 at most"):
        match_weights(ensemble(depth=6, trees=2), ensemble(depth=6, trees=2, seed=1))
