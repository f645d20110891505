"""Embedding of scalars and the modulation of features by it."""

import pytest
import torch

from sciml.nn import Conv, ConvBlock, Embedding, Modulation, Norm, condition_mode

PERIODIC = ("circular", "circular")


def test_auto_is_adagn_only_where_there_are_parameters():
    assert [condition_mode("auto", n) for n in (0, 1, 3)] == ["none", "adagn", "adagn"]
    assert [condition_mode(choice, 2) for choice in ("none", "add", "adagn")] == ["none", "add", "adagn"]


def test_embedding_is_the_sum_over_scalars_of_their_own_networks():
    embed = Embedding(2, 6).double()
    condition = torch.tensor([[1.0, -0.3], [4.0, 0.8]], dtype=torch.float64)
    expected = torch.zeros(2, 24, dtype=torch.float64)
    for i, mlp in enumerate(embed.mlps):
        for row, scalar in enumerate(condition[:, i]):
            omega = torch.tensor([1e4 ** (-j / 3) for j in range(3)], dtype=torch.float32).double()
            expected[row] += mlp(torch.cat([(scalar * omega).cos(), (scalar * omega).sin()]))
    assert torch.allclose(embed(condition), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [1, 5, 12])
def test_embedding_has_four_times_its_size(size):
    embed = Embedding(3, size)
    assert embed(torch.ones(2, 3)).shape == (2, 4 * size) == (2, embed.size)


@pytest.mark.parametrize("mode", ["add", "adagn"])
def test_modulation_starts_as_identity_and_learns(mode):
    modulate = Modulation(mode, size=3, channels=2)
    h, embedding = torch.randn(4, 2, 5, 5), torch.randn(4, 3)
    assert torch.equal(modulate(h, embedding), h)
    (modulate(h, embedding) ** 2).sum().backward()
    assert modulate.linear.weight.grad.abs().sum() > 0


def test_modulation_formulas():
    h, embedding = torch.randn(2, 3, 4, 4), torch.randn(2, 5)
    add, scale = Modulation("add", size=5, channels=3), Modulation("adagn", size=5, channels=3)
    for layer in (add, scale):
        torch.nn.init.normal_(layer.linear.weight)
    assert torch.allclose(add(h, embedding), h + (embedding @ add.linear.weight.T)[:, :, None, None])
    a, b = (embedding @ scale.linear.weight.T).split(3, dim=1)
    assert torch.allclose(scale(h, embedding), h * (1 + a[:, :, None, None]) + b[:, :, None, None], atol=1e-6)


@pytest.mark.parametrize("condition", ["none", "add", "adagn"])
@pytest.mark.parametrize("shortcut", [False, True])
def test_block_has_the_number_of_parameters_it_says(condition, shortcut):
    block = ConvBlock(3, 5, modes=PERIODIC, condition=condition, embedding=4, shortcut=shortcut)
    conditioning = {"none": 0, "add": 5 * 5, "adagn": 10 * 5}[condition]
    expected = 9 * 3 * 5 + 9 * 25 + 6 * 5 + conditioning + shortcut * (3 + 1) * 5
    assert sum(p.numel() for p in block.parameters()) == expected


def test_block_gradients():
    block = ConvBlock(2, 3, modes=("circular", "zeros"), condition="adagn", embedding=2, shortcut=True).double()
    torch.nn.init.normal_(block.modulation.linear.weight)
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    embedding = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, (x, embedding))


def test_norm_equals_group_normalisation_with_one_group():
    norm = Norm(3)
    torch.nn.init.normal_(norm.norm.weight)
    torch.nn.init.normal_(norm.norm.bias)
    h = torch.randn(2, 3, 4, 5)
    assert torch.equal(norm(h), torch.nn.functional.group_norm(h, 1, norm.norm.weight, norm.norm.bias))


def test_norm_alone_can_be_trained_on_channels_last_features():
    block = ConvBlock(2, 3, modes=PERIODIC)
    for name, parameter in block.named_parameters():
        parameter.requires_grad_("norm" in name)
    x = torch.randn(4, 2, 16, 16).contiguous(memory_format=torch.channels_last)
    (block(x) ** 2).sum().backward()
    frozen = [p.grad for name, p in block.named_parameters() if "norm" in name]
    for parameter in block.parameters():
        parameter.grad = None
        parameter.requires_grad_(True)
    (block(x) ** 2).sum().backward()
    free = [p.grad for name, p in block.named_parameters() if "norm" in name]
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(frozen, free, strict=True))


def test_gradients_per_sample_sum_to_the_gradient_of_the_batch():
    block = ConvBlock(2, 3, modes=PERIODIC).double()
    weights, x = dict(block.named_parameters()), torch.randn(4, 2, 6, 6, dtype=torch.float64)

    def loss(weights, one):
        return (torch.func.functional_call(block, weights, (one[None],)) ** 2).sum()

    rows = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, x)
    whole = torch.autograd.grad((block(x) ** 2).sum(), list(weights.values()))
    assert all(torch.allclose(rows[name].sum(0), g, atol=1e-10) for name, g in zip(weights, whole, strict=True))


def test_convolution_is_seen_by_tools_as_a_plain_convolution():
    assert [type(m) for m in Conv(1, 1, modes=PERIODIC).children()] == [torch.nn.Conv2d]
