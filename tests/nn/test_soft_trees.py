"""Soft trees: shares, gates, and symmetries that leave the function as it is."""

import itertools

import pytest
import torch

from sciml.core.errors import ConfigError, UserError
from sciml.models import SoftTrees
from sciml.nn.soft_tree import TreeForm, entmoid, gate, identity, num_symmetries, oblivious, symmetries

KINDS = ("oblivious", "perfect", "list", "modified_list")
X = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))


def ensemble(kind, depth, *, trees=4, gate="sigmoid", outputs=2, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SoftTrees(5, outputs, trees=trees, depth=depth, kind=kind, gate=gate)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_shares_are_those_of_walking_down_the_tree(kind, depth):
    form = TreeForm(kind, depth)
    left = torch.rand(7, form.splits, dtype=torch.float64)
    shares = form.shares(left)
    assert shares.shape == (7, form.leaves)
    if kind == "modified_list":
        torch.testing.assert_close(1 - shares.sum(1), (1 - left).prod(1))
    else:
        torch.testing.assert_close(shares.sum(1), torch.ones(7, dtype=torch.float64))
    for leaf in range(form.leaves):
        share = torch.ones(7, dtype=torch.float64)
        if form.chain:
            for n in range(min(leaf + 1, depth)):
                share = share * (left[:, n] if n == leaf else 1 - left[:, n])
        else:
            node = 0
            for level in range(depth):
                right = leaf >> (depth - 1 - level) & 1
                s = left[:, level if kind == "oblivious" else node]
                share, node = share * ((1 - s) if right else s), 2 * node + 1 + right
        torch.testing.assert_close(shares[:, leaf], share)


@pytest.mark.parametrize("name", ["sigmoid", "entmoid"])
def test_gates_are_odd_about_one_half(name):
    z = torch.linspace(-4, 4, 81, dtype=torch.float64)
    torch.testing.assert_close(gate(name, -z), 1 - gate(name, z))
    assert bool((gate(name, z).diff() >= 0).all())


def test_an_entmoid_solves_its_equation():
    z = torch.linspace(-1.9, 1.9, 39, dtype=torch.float64)
    p = entmoid(z)
    torch.testing.assert_close(p.sqrt() - (1 - p).sqrt(), z / 2)  # both entries have the same threshold
    assert entmoid(torch.tensor([-2.0, -9.0, 2.0, 9.0])).tolist() == [0, 0, 1, 1]
    edge = torch.tensor([-3.0, -2.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(entmoid(edge).sum(), edge)
    assert slope.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("name", ["sigmoid", "entmoid"])
def test_every_symmetry_leaves_the_function(kind, depth, name):
    network = ensemble(kind, depth, gate=name)
    before, outputs, tables = network(X), network.outputs(X), [table.detach().clone() for table in network.tables()]
    every = list(symmetries(network.form))
    assert len(set(every)) == len(every) == num_symmetries(network.form)
    assert every[0] == identity(network.form)
    order = [2, 0, 3, 1]
    for symmetry in every:
        network.write(*tables)
        network.rearrange(order, [symmetry, every[0], symmetry, every[-1]])
        torch.testing.assert_close(network(X), before, rtol=0, atol=1e-6)
        torch.testing.assert_close(network.outputs(X), outputs[:, order], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("kind", "depth"), [("oblivious", 3), ("perfect", 2), ("list", 4)])
def test_symmetries_are_a_group(kind, depth):
    every = list(symmetries(TreeForm(kind, depth)))
    group = set(every)
    for first, second in itertools.product(every[:: max(1, len(every) // 12)], repeat=2):
        assert second.after(first) in group
    network, other = ensemble(kind, depth), ensemble(kind, depth)
    for first, second in itertools.product(every[1::5], every[::7]):
        network.rearrange(range(4), [first] * 4)
        network.rearrange(range(4), [second] * 4)
        other.rearrange(range(4), [second.after(first)] * 4)
        for one, two in zip(network.tables(), other.tables(), strict=True):
            assert torch.equal(one, two)


def test_counts_are_those_of_the_paper():
    assert [num_symmetries(TreeForm("oblivious", d)) for d in (1, 2, 3, 4)] == [2, 8, 48, 384]
    assert [num_symmetries(TreeForm("perfect", d)) for d in (1, 2, 3, 4)] == [2, 8, 128, 32768]
    network = ensemble("oblivious", 3, trees=8)
    assert sum(p.numel() for p in network.parameters()) == 8 * (3 * (5 + 1) + 2 * 2**3)


def test_flipping_the_last_node_of_a_modified_list_changes_it():
    network = ensemble("modified_list", 3)
    before = network(X)
    splits, leaves = (table.clone() for table in network.tables())
    splits[:, -1] *= -1
    network.write(splits, leaves)
    assert float((network(X) - before).detach().abs().max()) > 1e-2


def test_depth_one_is_a_network_with_a_hidden_layer():
    network = ensemble("oblivious", 1, trees=6)
    splits, leaves = network.tables()
    hidden = torch.sigmoid(X @ splits[:, 0, :-1].T + splits[:, 0, -1])
    expected = hidden @ (leaves[:, 0] - leaves[:, 1]) + leaves[:, 1].sum(0)
    torch.testing.assert_close(network(X), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_hard_trees_are_the_limit(kind):
    network = ensemble(kind, 3, trees=1).double()
    x = X.double()
    splits, leaves = network.tables()
    network.write(1e6 * splits, leaves)
    left = (x @ splits[0, :, :-1].T + splits[0, :, -1] > 0).double()
    torch.testing.assert_close(network(x), network.form.shares(left) @ leaves[0], rtol=0, atol=1e-9)
    assert set(network.form.shares(left).unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["sigmoid", "entmoid"])
def test_gradients(kind, name):
    network = ensemble(kind, 2, trees=2, gate=name).double()
    x = X[:3].double().requires_grad_()
    names, values = zip(*network.named_parameters(), strict=True)

    def call(x, *values):
        return torch.func.functional_call(network, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(call, (x, *values))


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"cannot have this depth.*1 to 12.*decision lists"):
        TreeForm("perfect", 13)
    with pytest.raises(ConfigError, match=r"cannot have this depth.*got 0"):
        TreeForm("list", 0)
    with pytest.raises(ConfigError, match=r"has trees"):
        SoftTrees(2, 1, trees=0)
    with pytest.raises(ConfigError, match=r"too many symmetries"):
        next(symmetries(TreeForm("perfect", 5)))
    with pytest.raises(UserError, match=r"permutation of 0 to 3"):
        ensemble("list", 2).rearrange([0, 0, 1, 2], [identity(TreeForm("list", 2))] * 4)
    assert TreeForm("list", 40).leaves == 41
    assert oblivious((0,), (True,)).leaves == (1, 0)
