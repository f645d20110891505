"""DeepONet, POD-DeepONet and MIONet: counts, equal evaluations, linearity, what depends on what."""

import jaxtyping
import pytest
import torch

from sciml.core.errors import UnknownNameError, UserError
from sciml.models import CNNBranch, DeepONet, MIONet, PeriodicFeatures, PODDeepONet, Vanishing, pair_loss
from sciml.train import count_parameters

STRATEGIES = ["independent", "split_both", "split_branch", "split_trunk"]


def waves(*shape, phase=0.0):
    count = torch.Size(shape).numel()
    return torch.sin(12.9898 * torch.arange(1, count + 1, dtype=torch.float32) + phase).reshape(shape)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def stirred(module):
    """The module with biases that are not zero, so that nothing is symmetric by chance."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return module


def test_the_default_network_has_the_size_of_the_paper():
    assert count_parameters(DeepONet(sensors=100, dims=1)) == 7401
    m, d, w, p = 30, 2, 12, 9
    counted = count_parameters(DeepONet(sensors=m, dims=d, width=w, modes=p))
    assert counted == (m + 1) * w + (w + 1) * p + (d + 1) * w + (w + 1) * p + 1
    without = count_parameters(DeepONet(sensors=m, dims=d, width=w, modes=p, bias=False))
    assert counted - without == 1 + p
    stacked = count_parameters(DeepONet(sensors=m, dims=d, width=w, modes=p, stacked=True, bias=False))
    assert stacked == p * ((m + 1) * w + w) + (d + 1) * w + (w + 1) * p


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_all_pairs_at_once_are_the_pairs_one_by_one(strategy, stacked, bias):
    net = stirred(DeepONet(sensors=7, dims=2, fields=3, modes=5, width=6, strategy=strategy, stacked=stacked,
                           bias=bias))  # fmt: skip
    functions, queries = waves(4, 7), waves(9, 2, phase=1.0)
    together = net(functions, queries)
    assert together.shape == (4, 9, 3)
    torch.testing.assert_close(net(functions, queries.expand(4, 9, 2)), together, atol=1e-6, rtol=1e-6)
    order = torch.randperm(9)
    torch.testing.assert_close(net(functions, queries[order]), together[:, order])
    rows = [net(functions[i : i + 1], queries[j : j + 1]) for i in range(4) for j in range(9)]
    torch.testing.assert_close(torch.cat(rows).view(4, 9, 3), together, atol=1e-6, rtol=1e-5)


def test_a_linear_branch_makes_a_linear_operator():
    net = DeepONet(sensors=8, dims=1, linear_branch=True, bias=False, branch_layers=3).double()
    u, v, y = waves(2, 8).double(), waves(2, 8, phase=2.0).double(), waves(6, 1).double()
    torch.testing.assert_close(net(2 * u - 3 * v, y), 2 * net(u, y) - 3 * net(v, y))
    curved = stirred(DeepONet(sensors=8, dims=1).double())
    assert (curved(2 * u, y) - 2 * curved(u, y)).abs().max() > 1e-3


def test_branch_and_trunk_each_see_their_own():
    """Zero blocks of the Jacobian: coefficients do not move with the query, the basis not with the function."""
    net = stirred(DeepONet(sensors=5, dims=2))
    u, y = waves(3, 5).requires_grad_(), waves(4, 2).requires_grad_()
    assert (
        torch.autograd.grad(net.coefficients(u).sum(), y, allow_unused=True, materialize_grads=True)[0].abs().max() == 0
    )
    assert torch.autograd.grad(net.basis(y).sum(), u, allow_unused=True, materialize_grads=True)[0].abs().max() == 0
    assert (net.basis(y) >= 0).all(), "the last layer of the trunk is activated"
    assert (net.coefficients(u) < 0).any(), "the last layer of the branch is not"


def test_the_gradient_of_the_offset_is_twice_the_mean_residual():
    net, target = stirred(DeepONet(sensors=5, dims=1)), waves(3, 4, 1, phase=1.0)
    u, y = waves(3, 5), waves(4, 1)
    (net(u, y) - target).square().mean().backward()
    with torch.no_grad():
        torch.testing.assert_close(net.offset.grad, 2 * (net(u, y) - target).mean().view(1))


def test_stacked_copies_of_one_branch_are_one_branch_with_tied_rows():
    stacked = DeepONet(sensors=6, dims=1, modes=4, width=5, stacked=True)
    plain = DeepONet(sensors=6, dims=1, modes=4, width=5)
    plain.trunks.load_state_dict(stacked.trunks.state_dict())
    many, one = stacked.branches[0], plain.branches[0]
    with torch.no_grad():
        for parameter in (many.inner, many.shift, many.outer):
            parameter.copy_(parameter[:1].expand_as(parameter).clone() + 0.1)
        many.offset.fill_(0.3)
        one.layers[0].weight.copy_(many.inner[0])
        one.layers[0].bias.copy_(many.shift[0])
        one.layers[1].weight.copy_(many.outer)
        one.layers[1].bias.copy_(many.offset)
    u, y = waves(3, 6), waves(7, 1)
    torch.testing.assert_close(stacked(u, y), plain(u, y))


def test_periodic_features_make_periodic_answers():
    net = stirred(DeepONet(sensors=4, dims=2, features=PeriodicFeatures((True, False), harmonics=2)))
    u, y = waves(2, 4), torch.rand(5, 2)
    shifted = y + torch.tensor([1.0, 0.0])
    torch.testing.assert_close(net(u, shifted), net(u, y), atol=1e-5, rtol=1e-5)
    assert (net(u, y + torch.tensor([0.0, 1.0])) - net(u, y)).abs().max() > 1e-3


@pytest.mark.parametrize("own", [False, True])
def test_a_hard_constraint_holds_without_training(own):
    net = stirred(DeepONet(sensors=4, dims=2, constraint=Vanishing(((0, False), (1, True)))))
    y = torch.tensor([[0.0, 0.4], [0.7, 1.0], [0.5, 0.5]])
    answer = net(waves(2, 4), y.expand(2, 3, 2) if own else y)
    assert (answer[:, :2] == 0).all()
    assert (answer[:, 2] != 0).all()


def test_a_convolutional_branch_takes_a_lattice():
    branch = CNNBranch((9, 12), 2 * 6, width=3, hidden=8)
    net = DeepONet(sensors=108, dims=2, fields=2, modes=6, branch=branch)
    assert net(waves(3, 108), waves(5, 2)).shape == (3, 5, 2)
    assert all(p.grad is None for p in net.parameters())
    net(waves(3, 108), waves(5, 2)).sum().backward()
    assert branch.convolutions[0].weight.grad.abs().max() > 0


def test_mionet_multiplies_its_branches():
    net = stirred(MIONet(sensors=(5, 3), dims=2, fields=2, modes=4, bias=False))
    u, v, y = waves(3, 5), waves(3, 3, phase=1.0), waves(6, 2)
    answer = net(torch.cat((u, v), dim=1), y)
    first, second = (branch(values) for branch, values in zip(net.branches, (u, v), strict=True))
    t = net.trunk(y).unflatten(-1, (2, 4))
    torch.testing.assert_close(answer, torch.einsum("bfk,qfk->bqf", (first * second).unflatten(-1, (2, 4)), t))
    torch.testing.assert_close(net(torch.cat((u, v), dim=1), y.expand(3, 6, 2)), answer)
    single = MIONet(sensors=(7,), dims=1)
    assert count_parameters(single) == count_parameters(DeepONet(sensors=7, dims=1))


def test_pod_modes_reproduce_the_training_outputs_but_for_the_tail():
    outputs = torch.randn(12, 30, 2, dtype=torch.float64) @ torch.randn(2, 2, dtype=torch.float64)
    for rank in (3, 7, 11):
        net = PODDeepONet(sensors=4, queries=30, fields=2, modes=rank).double()
        coefficients = net.fit(outputs)
        error = (net.reconstruct(coefficients) - outputs).norm() / outputs.norm()
        deviations = (outputs - outputs.mean(0)).flatten(1)
        expected = torch.linalg.svdvals(deviations)[rank:].norm() / outputs.norm()
        torch.testing.assert_close(error, expected, atol=1e-10, rtol=1e-6)
        torch.testing.assert_close(net.tail, expected, atol=1e-10, rtol=1e-6)
        torch.testing.assert_close(coefficients.square().mean(0), torch.ones(rank, dtype=torch.float64))


def test_pod_modes_beyond_the_rank_are_silent():
    net = PODDeepONet(sensors=4, queries=10, modes=8)
    net.fit(torch.linspace(0, 1, 3)[:, None, None] * waves(1, 10, 1))
    assert net.basis[1:].abs().max() == 0
    assert net.tail < 1e-6
    with pytest.raises(UserError, match="do not lie on the points"):
        net.fit(torch.zeros(3, 9, 1))


def test_wrong_shapes_and_names_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users have it; else annotations refuse first
    net = DeepONet(sensors=5, dims=2)
    with pytest.raises(UserError, match=r"sensors.*\(batch, 5\)"):
        net(waves(3, 4), waves(2, 2))
    with pytest.raises(UserError, match="number of coordinates"):
        net(waves(3, 5), waves(2, 1))
    with pytest.raises(UnknownNameError, match="split_both"):
        DeepONet(sensors=5, dims=2, strategy="split")
    with pytest.raises(UserError, match="one hidden layer"):
        DeepONet(sensors=5, dims=2, stacked=True, branch_layers=3)
    with pytest.raises(UserError, match="sensors"):
        MIONet(sensors=(5, 3), dims=1)(waves(2, 7), waves(2, 1))


def double_normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize(
    ("options", "queries"),
    [
        ({}, None),
        ({"bias": False, "nonlinearity": "tanh", "branch_layers": 3}, None),
        ({"linear_branch": True, "trunk_layers": 1}, None),
        ({"features": PeriodicFeatures((True, False), harmonics=2), "nonlinearity": "tanh"}, 3),
        ({}, 1),
    ],
)
def test_a_loss_by_hand_has_the_gradient_of_autograd(options, queries):
    """For all pairs, and for queries of each function's own, some of them asked for several times."""
    network = stirred(DeepONet(sensors=7, dims=2, width=6, modes=5, **options).double())
    functions, points, mean, std = (
        double_normal(9, 7),
        torch.rand(11, 2, dtype=torch.float64),
        double_normal(1),
        double_normal(1).exp(),
    )
    index = None if queries is None else torch.arange(9 * queries).view(9, queries) % 4
    targets = double_normal(9, 11 if queries is None else queries, 1)
    loss = pair_loss(network, functions, points, index, targets, mean, std)
    answer = network(functions, points) if index is None else network.gathered(functions, points, index)
    known = (answer - (targets - mean) / std).square().mean()
    assert loss is not None
    torch.testing.assert_close(loss, known, rtol=1e-13, atol=0)
    weights = list(network.parameters())
    for ours, theirs in zip(
        torch.autograd.grad(3 * loss, weights), torch.autograd.grad(3 * known, weights), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-13)


def test_a_loss_by_hand_is_left_to_autograd_where_it_does_not_apply():
    """Several fields, constraints, layers of another kind or that are kept, and evaluation without gradients."""
    functions, points = double_normal(3, 7), torch.rand(4, 2, dtype=torch.float64)

    def loss(network):
        fields = network.fields
        one = torch.ones(fields, dtype=torch.float64)
        return pair_loss(network.double(), functions, points, None, double_normal(3, 4, fields), 0 * one, one)

    def made(**options):
        return DeepONet(sensors=7, dims=2, width=6, modes=5, **options)

    assert loss(made()) is not None
    kept, hooked = made(), made()
    kept.branches[0].layers[0].weight.requires_grad_(False)
    hooked.branches[0].layers[0].register_forward_hook(lambda *_: None)
    others = [made(fields=2), made(constraint=Vanishing(((0, False),))), made(stacked=True), made(nonlinearity="gelu")]
    assert [loss(network) for network in (*others, kept, hooked)] == [None] * 6
    with torch.no_grad():
        assert loss(made()) is None
