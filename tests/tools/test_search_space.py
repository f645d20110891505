"""Spaces of architectures: codes there and back, networks of every choice, and one module that is all of them."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sciml.core.config import Config
from sciml.core.errors import UnknownNameError, UnsupportedError, UserError
from sciml.models import DeepONet, SineNet, UNet
from sciml.nn import OPERATORS, PointwiseBlock, operator_block
from sciml.tools.search import extract, make_supernet
from sciml.train import Places, Slot, Space


class Sizes(Config):
    """Hyper-parameters of nothing in particular."""

    depth: int = 2


def space_of_sizes(**changes):
    slots = (
        Slot("depth", (1, 2, 3)),
        Slot("first", (2, 4)),
        Slot("second", (2, 3, 4), needs=("depth", (2, 3))),
        Slot("third", ("skip", "wide"), needs=("second", (3, 4)), skip="skip"),
    )
    return Space(slots, lambda choices: Sizes(depth=choices["depth"]), **changes)


def architectures(space):
    names = [slot.name for slot in space.slots]
    rows = itertools.product(*(slot.choices for slot in space.slots))
    return {
        tuple(kept.values()): kept for row in rows for kept in [space.canonical(dict(zip(names, row, strict=True)))]
    }


def test_every_architecture_has_a_code_of_its_own():
    space = space_of_sizes()
    assert space.length == 3 + 2 + 3 + 2
    found = list(architectures(space).values())
    codes = [space.encode(choices) for choices in found]
    assert len({tuple(code.tolist()) for code in codes}) == len(found) == 2 * (1 + 2 * (1 + 2 * 2))
    for choices, code in zip(found, codes, strict=True):
        assert space.decode(code) == choices
        assert set(code.unique().tolist()) <= {0.0, 1.0}
        exists = choices["depth"] > 1 and choices["second"] > 2
        assert space.skips(choices) == int(exists and choices["third"] == "skip")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda code: code[:-1], "does not fit"),
        (lambda code: 0.5 * code, "not one choice"),
        (lambda code: code + torch.eye(len(code), dtype=code.dtype)[1], "not one choice"),
        (lambda code: code * (torch.arange(len(code)) > 2), "not chosen"),
        (lambda code: code + torch.eye(len(code), dtype=code.dtype)[6], "does not exist"),
    ],
)
def test_codes_of_no_architecture_are_refused(change, words):
    space = space_of_sizes()
    code = space.encode({"depth": 1, "first": 2, "second": 2, "third": "skip"})
    with pytest.raises(UserError, match=words):
        space.decode(change(code))


def test_choices_that_do_not_exist_are_refused():
    space = space_of_sizes()
    with pytest.raises(UserError, match="no such choice"):
        space.encode({"depth": 7, "first": 2, "second": 2, "third": "skip"})
    with pytest.raises(UnknownNameError, match="depth"):
        space.narrowed({"dept": (1,)})
    with pytest.raises(UnsupportedError, match="no valid network"):
        space.narrowed({"depth": (9,)})
    with pytest.raises(UnsupportedError, match="never fits"):
        space_of_sizes(obstacle=lambda choices: "never fits").sample(torch.Generator())


@given(st.lists(st.floats(-3, 3), min_size=10, max_size=10), st.integers(0, 17))
@settings(max_examples=30, deadline=None)
def test_mixtures_extend_codes(numbers, which):
    """Of zeros and ones a mixture is the code; in between its rows add up to how much a slot exists."""
    space = space_of_sizes()
    shares = [row.softmax(0) for row in space.rows(torch.tensor(numbers, dtype=torch.float64))]
    rows = space.rows(space.mixed(shares))
    assert float(rows[0].sum()) == pytest.approx(1)
    assert float(rows[2].sum()) == pytest.approx(float(shares[0][1:].sum()))
    assert float(rows[3].sum()) == pytest.approx(float(shares[0][1:].sum() * shares[2][1:].sum()))
    choices = list(architectures(space).values())[which]
    hard = [
        nn.functional.one_hot(torch.tensor(s.choices.index(choices[s.name])), len(s.choices)).double()
        for s in space.slots
    ]
    assert torch.equal(space.mixed(hard), space.encode(choices))


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("dims", [1, 2])
def test_operators_keep_the_grid(operator, dims):
    torch.manual_seed(0)
    block = operator_block(operator, 3, 5, modes=("circular",) * dims, size=(8,) * dims)
    x = torch.randn(2, 3, *[8] * dims)
    y = block(x)
    assert y.shape == (2, 5, *[8] * dims)
    torch.testing.assert_close(block(x.roll(3, -1)), y.roll(3, -1), rtol=1e-4, atol=1e-5)
    (y.square().sum() + y[:, :, :3].sum()).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in block.parameters())
    assert isinstance(block, PointwiseBlock) == (operator == "skip")


def test_operators_that_cannot_be_are_refused():
    with pytest.raises(UserError, match="periodic"):
        operator_block("spectral", 3, 5, modes=("zeros",))
    with pytest.raises(UnknownNameError, match="conv5"):
        operator_block("conv55", 3, 5, modes=("zeros",))
    with pytest.raises(UserError, match="two operators per level"):
        UNet(in_channels=1, out_channels=1, levels=2, operators=("conv3",))


def test_named_operators_are_the_default():
    """A U-Net of three-point convolutions is the plain one, to the bit."""
    torch.manual_seed(0)
    plain = UNet(in_channels=1, out_channels=1, width=4, levels=2)
    named = UNet(in_channels=1, out_channels=1, width=4, levels=2, operators=("conv3",) * 4)
    named.load_state_dict(plain.state_dict())
    x = torch.randn(1, 1, 8, 8)
    assert torch.equal(plain(x), named(x))
    mixed = SineNet(
        in_channels=1, out_channels=1, waves=1, levels=1, width=4, size=(8, 8), operators=("spectral", "skip")
    )
    assert mixed(x).shape == x.shape


class Chain(nn.Module):
    """Layers of chosen width, an activation, and up to two blocks that add to their input."""

    def __init__(self, choices):
        super().__init__()
        width = choices["width"]
        self.first, self.second = nn.Linear(3, width), nn.Linear(width, 3)
        self.activation = nn.Tanh() if choices["activation"] == "tanh" else nn.GELU()
        self.blocks = nn.ModuleList(nn.Linear(3, 3, bias=choices["bias"]) for _ in range(choices["blocks"]))
        self.double()

    def forward(self, x):
        x = self.second(self.activation(self.first(x)))
        for block in self.blocks:
            x = x + block(x)
        return x


CHAIN = Space(
    (
        Slot("width", (2, 4, 7)),
        Slot("activation", ("tanh", "gelu")),
        Slot("blocks", (0, 1, 2)),
        Slot("bias", (False, True), needs=("blocks", (1, 2))),
    ),
    lambda choices: Sizes(),
    lambda choices: Places(
        {"activation": ("activation",), "blocks.0": ("blocks", "bias"), "blocks.1": ("blocks", "bias")},
        {"second": "width"},
    ),
)


@pytest.mark.parametrize("choices", architectures(CHAIN).values(), ids=str)
def test_a_supernet_is_every_network_of_its_space(choices):
    """With one-hot gates it answers as the network taken out of it does."""
    torch.manual_seed(0)
    supernet, gates = make_supernet(CHAIN, Chain)
    network = extract(supernet, choices, Chain)
    assert network.first.weight.shape[0] == choices["width"]
    gates.choose(choices)
    x = torch.randn(5, 3, dtype=torch.float64)
    for training in (True, False):
        torch.testing.assert_close(supernet.train(training)(x), network(x), rtol=0, atol=1e-15)


class Chains(nn.Module):
    """Up to three chains, each added to its input."""

    def __init__(self, choices):
        super().__init__()
        self.chains = nn.ModuleList(Chain(choices) for _ in range(choices["chains"]))

    def forward(self, x):
        for chain in self.chains:
            x = x + chain(x)
        return x


def places_of_chains(choices):
    inner = CHAIN.places(choices)
    swaps = {f"chains.{i}": ("chains",) for i in range(3)}
    swaps |= {f"chains.{i}.{path}": slots for i in range(3) for path, slots in inner.swaps.items()}
    return Places(swaps, {f"chains.{i}.second": "width" for i in range(choices["chains"])})


@pytest.mark.parametrize("chains", [1, 3])
def test_slots_act_inside_of_what_other_slots_swap(chains):
    space = Space((Slot("chains", (1, 2, 3)), *CHAIN.slots), CHAIN.model, places_of_chains)
    supernet, gates = make_supernet(space, Chains)
    assert [len(mixed.candidates) for mixed in supernet.chains] == [1, 2, 2], "the same chain for two and for three"
    choices = {"chains": chains, "width": 4, "activation": "gelu", "blocks": 1, "bias": True}
    network = extract(supernet, choices, Chains)
    assert len(network.chains) == chains
    gates.choose(choices)
    x = torch.randn(5, 3, dtype=torch.float64)
    torch.testing.assert_close(supernet.train()(x), network(x), rtol=0, atol=1e-14)


def test_same_submodules_share_their_weights():
    supernet, _ = make_supernet(CHAIN, Chain)
    assert len(supernet.blocks[0].candidates) == 3, "absent, with and without bias"
    assert len(supernet.activation.candidates) == 2
    assert not dict(supernet.activation.named_parameters())


def test_a_space_that_does_not_say_where_it_acts_is_not_mixed():
    with pytest.raises(UnsupportedError, match="method=random"):
        make_supernet(space_of_sizes(), Chain)
    idle = Space((*CHAIN.slots, Slot("colour", ("red", "blue"))), CHAIN.model, CHAIN.places)
    with pytest.raises(UnsupportedError, match="colour"):
        make_supernet(idle, Chain)


def test_widths_of_an_operator_network():
    network = DeepONet(sensors=5, dims=1, branch_layers=3, branch_widths=(4, 6), trunk_widths=(3,), modes=2)
    assert [tuple(layer.weight.shape) for layer in network.branches[0].layers] == [(4, 5), (6, 4), (2, 6)]
    assert tuple(network.trunks[0].layers[0].weight.shape) == (3, 1)
