"""Layers of two thin factors: equal to the dense layer at full rank, closest to it below."""

import pytest
import torch
from torch import nn

from sciml.core.errors import UserError
from sciml.nn import (
    LAPLACIAN,
    FactorisedLinear,
    LowRankConv,
    LowRankLinear,
    LowRankSpectralConv,
    SpectralConv,
    coordinates,
    discarded_energy,
    linear,
    low_rank_like,
    low_rank_obstacle,
    low_rank_of,
    matrices,
)

LAYERS = {
    "linear": (lambda: nn.Linear(7, 5), (3, 2, 7)),
    "linear_unbiased": (lambda: nn.Linear(4, 6, bias=False), (3, 4)),
    "factorised": (lambda: FactorisedLinear(4, 6), (3, 4)),
    "conv1d": (lambda: nn.Conv1d(3, 4, 5, stride=2, padding=2, padding_mode="reflect"), (2, 3, 11)),
    "conv2d": (lambda: nn.Conv2d(2, 5, (3, 1), padding=(2, 0), dilation=2, bias=False), (2, 2, 7, 6)),
    "conv2d_circular": (lambda: nn.Conv2d(2, 5, 3, padding=1, padding_mode="circular"), (2, 2, 6, 6)),
    "conv2d_same": (lambda: nn.Conv2d(3, 4, 3, padding="same"), (2, 3, 6, 6)),
    "conv3d": (lambda: nn.Conv3d(2, 3, 3, padding=1), (1, 2, 4, 4, 4)),
    "spectral": (lambda: SpectralConv(3, 4, modes=2), (2, 3, 6, 8)),
    "low_rank_linear": (lambda: LowRankLinear(6, 5, rank=3), (2, 6)),
    "low_rank_conv": (lambda: LowRankConv(2, 4, (3, 3), rank=2, stride=2, padding=1), (2, 2, 6, 6)),
    "low_rank_spectral": (lambda: LowRankSpectralConv(3, 4, modes=2, rank=2), (2, 3, 6, 8)),
}


@pytest.fixture(params=LAYERS)
def dense(request):
    torch.manual_seed(0)
    build, shape = LAYERS[request.param]
    return build().double(), torch.randn(*shape, dtype=torch.float64)


def test_full_rank_reproduces_the_layer(dense):
    layer, x = dense
    factored = low_rank_of(layer, matrices(layer).rank)
    torch.testing.assert_close(factored(x), layer(x), rtol=1e-12, atol=1e-12)


def test_a_lower_rank_errs_by_the_singular_values_left_out(dense):
    layer, _ = dense
    values = matrices(layer).values
    sigma, shares = torch.linalg.svdvals(values), discarded_energy(values)
    for rank in range(1, matrices(layer).rank + 1):
        error = (matrices(low_rank_of(layer, rank)).values - values).abs().square().sum()
        left_out = sigma[:, rank:].square().sum()
        torch.testing.assert_close(error, left_out, rtol=1e-9, atol=1e-20)
        torch.testing.assert_close(shares[rank] * sigma.square().sum(), left_out, rtol=1e-9, atol=1e-20)


def test_the_structure_alone_holds_the_weights_of_the_factored_layer(dense):
    layer, x = dense
    state = torch.get_rng_state()
    empty, factored = low_rank_like(layer, 2), low_rank_of(layer, 2)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(not p.any() for p in empty.parameters())
    empty.load_state_dict(factored.state_dict())
    assert torch.equal(empty(x), factored(x))
    assert {name.split(".")[0] for name in factored.state_dict()} == {"first", "second"}


def test_gradients(dense):
    layer, x = dense
    factored = low_rank_of(layer, 2)
    names, values = zip(*factored.named_parameters(), strict=True)
    values = tuple(v.detach().requires_grad_() for v in values)

    def apply(x, *values):
        return torch.func.functional_call(factored, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(apply, (x.requires_grad_(), *values), fast_mode=True)


def test_weight_and_bias_are_those_of_the_one_layer_it_stands_for():
    conv = LowRankConv(2, 4, (3, 3), rank=2, padding=1).double()
    x = torch.randn(1, 2, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(nn.functional.conv2d(x, conv.weight, conv.bias, padding=1), conv(x))
    affine = LowRankLinear(3, 4, rank=2).double()
    x = torch.randn(2, 3, dtype=torch.float64)
    torch.testing.assert_close(nn.functional.linear(x, affine.weight, affine.bias), affine(x))


@pytest.mark.parametrize("kind", ["linear", "conv", "spectral"])
def test_starts_with_the_variance_of_the_dense_layer(kind):
    torch.manual_seed(0)
    dense, thin = {
        "linear": (nn.Linear(96, 128), LowRankLinear(96, 128, rank=32)),
        "conv": (nn.Conv2d(16, 96, 3), LowRankConv(16, 96, (3, 3), rank=32)),
        "spectral": (SpectralConv(32, 32, modes=4), LowRankSpectralConv(32, 32, modes=4, rank=8)),
    }[kind]
    ratio = matrices(thin).values.abs().square().mean() / matrices(dense).values.abs().square().mean()
    assert ratio == pytest.approx(1.0, rel=0.15)


def test_jets_pass_through_the_factors_one_by_one():
    layer = LowRankLinear(2, 5, rank=1).double()
    points = torch.rand(4, 2, dtype=torch.float64)
    tape = []
    jet = linear(layer, coordinates(points, ("x", "t"), ("xx", LAPLACIAN), tape=tape))
    torch.testing.assert_close(jet.value, layer(points))
    torch.testing.assert_close(jet["x"], layer.weight[:, 0].expand(4, 5))
    assert [record.layer for record in tape] == [layer.first, layer.second]


def test_keeps_precision_and_mode():
    factored = low_rank_of(nn.Linear(4, 3).to(torch.bfloat16).eval(), 1)
    assert factored.weight.dtype == torch.bfloat16
    assert not factored.training


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.Conv2d(4, 4, 3, groups=2), "2 groups"),
        (nn.ConvTranspose2d(4, 4, 3), "transposed"),
        (nn.MultiheadAttention(4, 1).out_proj, "NonDynamicallyQuantizableLinear"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), "parametrisation"),
        (nn.LayerNorm(3), "LayerNorm"),
    ],
)
def test_layers_without_a_low_rank_form_say_why(layer, reason):
    assert reason in low_rank_obstacle(layer)
    with pytest.raises(UserError, match=reason):
        low_rank_of(layer, 1)


def test_refuses_ranks_that_do_not_exist():
    with pytest.raises(UserError, match=r"3 x 4 matrix .* got rank 5; expected a rank between 1 and 3"):
        low_rank_like(nn.Linear(4, 3), 5)
    with pytest.raises(UserError, match="got rank 0"):
        LowRankConv(2, 2, (3, 3), rank=0)
    with pytest.raises(UserError, match="one to three axes"):
        LowRankConv(2, 2, (3, 3, 3, 3), rank=1)


def test_a_matrix_of_zeros_loses_nothing():
    assert discarded_energy(torch.zeros(1, 3, 4, dtype=torch.float64)).tolist() == [1.0, 0.0, 0.0, 0.0]
