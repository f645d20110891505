"""Packed weights: exact zeros that nothing brings back, in files, copies, optimisers and programs."""

import copy

import pytest
import torch
from torch import nn

from sciml.core.errors import UserError
from sciml.nn import (
    CompressedLinear,
    LowRankLinear,
    SpectralConv,
    compress,
    is_packed,
    optimiser_groups,
    pack,
    packed_weight,
    unpack,
)
from sciml.nn.ssm import DiagonalStateSpace

CASES = {
    "linear": (lambda: nn.Linear(6, 5), (3, 6), ["weight"]),
    "conv1d": (lambda: nn.Conv1d(2, 3, 3), (2, 2, 7), ["weight"]),
    "conv2d": (lambda: nn.Conv2d(2, 3, 3), (2, 2, 5, 5), ["weight"]),
    "conv3d": (lambda: nn.Conv3d(2, 3, 2), (1, 2, 3, 3, 3), ["weight"]),
    "lstm": (lambda: nn.LSTM(4, 6, batch_first=True), (2, 7, 4), ["weight_ih_l0", "weight_hh_l0"]),
    "gru cell": (lambda: nn.GRUCell(4, 6), (2, 4), ["weight_ih", "weight_hh"]),
    "spectral": (lambda: SpectralConv(3, 2, modes=2), (2, 3, 8, 8), ["weight"]),
    "low rank": (lambda: LowRankLinear(6, 5, rank=3), (3, 6), ["first.weight", "second.weight"]),
    "complex": (lambda: _Complex(), (3, 4), ["weight"]),
}


class _Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4, dtype=torch.complex64))

    def forward(self, x):
        return (x.to(self.weight.dtype) @ self.weight).real


def parameter(layer, name):
    path, _, short = name.rpartition(".")
    return getattr(layer.get_submodule(path), short)


@pytest.fixture(params=CASES)
def case(request):
    """A packed network, one with the same zeros in full tensors, an input and the names of its weights."""
    torch.manual_seed(0)
    build, shape, names = CASES[request.param]
    network = nn.Sequential(build())
    plain = copy.deepcopy(network)
    for name in names:
        weight = parameter(network[0], name)
        kept = torch.rand(weight.shape) < 0.4
        parameter(plain[0], name).data.mul_(kept)
        pack(network, f"0.{name}", kept)
    return network, plain, torch.randn(*shape), names


def answer(network, x):
    result = network(x)
    return result[0] if isinstance(result, tuple) else result


def test_it_answers_like_the_full_tensor_with_zeros(case):
    network, plain, x, names = case
    assert torch.equal(answer(network, x), answer(plain, x))
    with torch.no_grad():
        for _ in range(2):  # the second time from the tensor that was kept
            assert torch.equal(answer(network, x), answer(plain, x))
    left = sum(int((parameter(plain[0], name) != 0).sum()) for name in names)
    others = sum(p.numel() for n, p in plain[0].named_parameters() if n not in names)
    assert sum(p.numel() for p in network.parameters()) == left + others


@pytest.mark.parametrize(
    ("optimiser", "options"),
    [
        (torch.optim.AdamW, {"weight_decay": 0.1}),
        (torch.optim.AdamW, {"weight_decay": 0.1, "fused": True}),
        (torch.optim.SGD, {"weight_decay": 0.1, "momentum": 0.9}),
        (torch.optim.LBFGS, {}),
    ],
)
def test_no_optimiser_brings_an_entry_back(case, optimiser, options):
    """And what is kept for predictions follows, also where an optimiser does not raise the version of a tensor."""
    network, plain, x, names = case
    if options.get("fused") and any(p.is_complex() for p in network.parameters()):
        pytest.skip("torch has no fused optimiser for complex numbers")
    steps = optimiser(network.parameters(), lr=0.1, **options)

    def loss():
        steps.zero_grad()
        value = answer(network, x).square().sum()
        value.backward()
        return value

    before = answer(network, x).detach()
    for _ in range(3):
        loss()
        with torch.no_grad():
            answer(network, x)
        steps.step(loss if optimiser is torch.optim.LBFGS else None)
        with torch.no_grad():
            kept = answer(network, x)
        torch.testing.assert_close(kept, answer(network, x).detach())
    assert not torch.equal(kept, before)
    for name in names:
        gone = parameter(plain[0], name) == 0
        assert (parameter(network[0], name)[gone] == 0).all()


def test_a_copy_and_a_file_hold_the_same(case):
    network, _, x, names = case
    with torch.no_grad():
        expected = answer(network, x)
    twin = copy.deepcopy(network)
    with torch.no_grad():
        for value in network.parameters():
            value.zero_()
        assert torch.equal(answer(twin, x), expected)
        network.load_state_dict(twin.state_dict())
        assert torch.equal(answer(network, x), expected)
    program = unpack(copy.deepcopy(twin))
    assert not is_packed(program)
    assert torch.equal(answer(program, x), expected)
    assert torch.equal(answer(twin, x).detach(), expected), "unpacking a copy took the weight from the original"
    assert is_packed(twin)
    assert all(isinstance(parameter(program[0], name), nn.Parameter) for name in names)


def test_an_entry_can_go_after_others(case):
    network, _, x, names = case
    values = packed_weight(*_owner(network[0], names[0]))
    fewer = torch.arange(len(values)) % 2 == 0
    expected = values.detach()[fewer].clone()
    pack(network, f"0.{names[0]}", fewer)
    assert torch.equal(packed_weight(*_owner(network[0], names[0])).detach(), expected)
    assert int((parameter(network[0], names[0]) != 0).sum()) == len(expected)
    answer(network, x).sum().backward()


def _owner(layer, name):
    path, _, short = name.rpartition(".")
    return layer.get_submodule(path), short


def test_a_shared_weight_is_packed_once():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    network = nn.Sequential(first, second)
    pack(network, "0.weight", torch.eye(4, dtype=torch.bool))
    assert len(list(network.parameters())) == 3
    twin = copy.deepcopy(network)
    assert packed_weight(twin[0], "weight") is packed_weight(twin[1], "weight")
    pack(twin, "1.weight", torch.tensor([True, False, True, False]))
    assert torch.equal(twin[0].weight, twin[1].weight)
    program = unpack(twin)
    assert program[0].weight is program[1].weight


def test_compressed_rows_predict_the_same_and_train_as_before():
    torch.manual_seed(0)
    layer = nn.Linear(64, 48)
    compress(layer)
    network, x = nn.Sequential(layer), torch.randn(2, 5, 64)
    pack(network, "0.weight", torch.rand(48, 64) < 0.1)
    trained = network(x)
    with torch.no_grad():
        for _ in range(2):
            torch.testing.assert_close(network(x), trained)
        torch.testing.assert_close(network(x[0, 0]), trained[0, 0])
    trained.sum().backward()
    with torch.no_grad():
        for value in network.parameters():
            value += 0.1
        moved = network(x)
    torch.testing.assert_close(moved, network(x).detach())
    assert isinstance(copy.deepcopy(network)[0], CompressedLinear)
    assert type(unpack(copy.deepcopy(network))[0]) is nn.Linear


def test_a_mask_of_another_network_is_refused():
    network = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(UserError, match=r"got 0\.weight of shape \(3, 2\); expected shape \(2, 3\)"):
        pack(network, "0.weight", torch.ones(3, 2, dtype=torch.bool))
    with pytest.raises(UserError, match="no such weight"):
        pack(network, "0.wait", torch.ones(3, 2, dtype=torch.bool))
    with pytest.raises(UserError, match=r"'1\.weight'"):
        pack(network, "1.weight", torch.ones(3, 2, dtype=torch.bool))
    assert not is_packed(network)


def test_a_packed_time_scale_keeps_its_learning_rate_and_is_not_decayed():
    layer = DiagonalStateSpace(4, state=4, channels=1)
    before = {(len(g["params"]), g["lr"], g["weight_decay"]) for g in optimiser_groups(layer, 1.0, 0.5)}
    pack(layer, "log_dt", torch.tensor([True, False, True, True]))
    groups = optimiser_groups(layer, 1.0, 0.5)
    assert {(len(g["params"]), g["lr"], g["weight_decay"]) for g in groups} == before
    assert all(isinstance(p, nn.Parameter) for group in groups for p in group["params"])
