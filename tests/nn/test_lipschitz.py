"""Lipschitz layers: exact norms, projections, and bounds that no sample exceeds, random or adversarial."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from sciml.core.errors import ConfigError, UnsupportedError
from sciml.nn.lipschitz import (
    CircularConv,
    ClipGradient,
    ClipNorm,
    Constant,
    GroupSort,
    NormPool,
    OrthogonalLinear,
    Residual,
    Scale,
    gradient_bounds,
    spectral_norm,
)


def seeded(build, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def dense(depth=3, width=16, bias=False):
    layers = [ClipNorm(3.0), Constant(), OrthogonalLinear(6, width), GroupSort()]
    for _ in range(depth - 2):
        layers += [nn.Linear(width, width) if bias else OrthogonalLinear(width, width), GroupSort()]
    return nn.Sequential(*layers, OrthogonalLinear(width, 2), Scale(1.5))


NETWORKS = {
    "dense": (dense, (5,)),
    "deep": (lambda: dense(8), (5,)),
    "biases": (lambda: dense(4, bias=True), (5,)),
    "residual": (
        lambda: nn.Sequential(ClipNorm(2.0), Residual(nn.Sequential(OrthogonalLinear(5, 5), GroupSort())),
                              nn.Tanh(), OrthogonalLinear(5, 2)),
        (5,),
    ),
    "convolutions": (
        lambda: nn.Sequential(ClipNorm(2.0), CircularConv(2, 4, grid=(8, 8)), GroupSort(), NormPool(2),
                              CircularConv(4, 4, grid=(4, 4)), nn.ReLU(), nn.Flatten(), OrthogonalLinear(64, 2)),
        (2, 8, 8),
    ),
}  # fmt: skip


def huber(output, target, delta):
    """|e|²/2 up to delta, delta (|e| - delta/2) beyond."""
    size = (output - target).square().sum(-1).clamp_min(1e-24).sqrt()
    return torch.where(size <= delta, 0.5 * size.square(), delta * (size - 0.5 * delta)).sum()


def sample_gradients(network, x, y, delta):
    """Norms of the gradient of every sample's loss, by parameter."""
    parameters = {name: p.detach() for name, p in network.named_parameters()}

    def loss(parameters, x, y):
        return huber(functional_call(network, parameters, (x[None],)), y[None], delta)

    every = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
    return {name: value.flatten(1).norm(dim=1) for name, value in every.items()}


@pytest.mark.parametrize("key", NETWORKS)
def test_no_sample_exceeds_the_bound(key):
    """Thousands of random samples, short and long, and samples found by climbing the ratio."""
    build, shape = NETWORKS[key]
    generator = torch.Generator().manual_seed(1)
    closest = 0.0
    for seed in range(2):
        network = seeded(build, seed)
        bounds = gradient_bounds(network, loss=0.5)
        x = torch.randn(1500, *shape, generator=generator) * torch.logspace(-1, 2, 1500).reshape(-1, *[1] * len(shape))
        y = 5 * torch.randn(1500, 2, generator=generator)
        norms = sample_gradients(network, x, y, 0.5)
        assert norms.keys() == bounds.keys()
        for name, values in norms.items():
            assert float(values.max()) <= bounds[name] * (1 + 1e-6)
            closest = max(closest, float(values.max()) / bounds[name])
        attack = x[:64].clone().requires_grad_()
        for _ in range(8):
            total = sum((sample_gradients(network, attack, y[:64], 0.5)[name] / bounds[name]).sum() for name in bounds)
            (slope,) = torch.autograd.grad(total, attack)
            attack = attack + 0.3 * slope / slope.flatten(1).norm(dim=1).clamp_min(1e-9).reshape(-1, *[1] * len(shape))
            attack = attack.detach().requires_grad_()
        for name, values in sample_gradients(network, attack.detach(), y[:64], 0.5).items():
            assert float(values.max()) <= bounds[name] * (1 + 1e-6)
    if key in ("dense", "deep"):  # orthogonal layers and sorting keep norms, so the bound is nearly reached
        assert closest > 0.9


def test_the_norm_of_a_circular_convolution_is_that_of_its_matrix():
    for grid in ((7,), (6, 5), (4, 3, 5)):
        layer = seeded(lambda grid=grid: CircularConv(2, 3, grid=grid).double())
        with torch.no_grad():
            layer.weight *= 3.7
        size = 2 * torch.Size(grid).numel()
        matrix = torch.stack([layer(row.reshape(1, 2, *grid)).flatten() for row in torch.eye(size).double()], dim=1)
        assert layer.operator_norm() == pytest.approx(float(torch.linalg.matrix_norm(matrix.detach(), 2)), rel=1e-10)
        layer.project()
        assert layer.operator_norm() == pytest.approx(1.0, abs=1e-12)
        before = layer.weight.detach().clone()
        layer.project()
        torch.testing.assert_close(layer.weight.detach(), before, rtol=1e-12, atol=0)


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (7, 7)])
def test_projection_gives_the_closest_orthogonal_matrix(shape):
    layer = seeded(lambda: OrthogonalLinear(*shape))
    with torch.no_grad():
        layer.weight += 0.3 * torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(2))
    layer.project()
    values = torch.linalg.svdvals(layer.weight.detach().double())
    torch.testing.assert_close(values, torch.ones_like(values), rtol=0, atol=1e-6)
    once = layer.weight.detach().clone()
    layer.project()
    torch.testing.assert_close(layer.weight.detach(), once, rtol=0, atol=1e-6)
    assert spectral_norm(layer.weight) == pytest.approx(1.0, abs=1e-6)


def test_sorting_and_pooling_keep_norms_and_residuals_are_means():
    x = torch.randn(4, 6, 8, 8, generator=torch.Generator().manual_seed(0))
    for layer in (GroupSort(), NormPool(2), NormPool(4)):
        torch.testing.assert_close(layer(x).flatten(1).norm(dim=1), x.flatten(1).norm(dim=1))
    assert GroupSort()(torch.tensor([[1.0, 3.0, 2.0, -1.0, 7.0]])).tolist() == [[3.0, 1.0, 2.0, -1.0, 7.0]]
    torch.testing.assert_close(Residual(Scale(3.0))(x), 2 * x)
    zero = torch.zeros(1, 1, 4, requires_grad=True)
    NormPool(2)(zero).sum().backward()
    assert zero.grad is not None and bool(zero.grad.isfinite().all())
    assert ClipNorm(2.0)(torch.tensor([[3.0, 4.0], [0.3, 0.4]])).flatten().tolist() == pytest.approx(
        [1.2, 1.6, 0.3, 0.4]
    )


def test_a_clipped_gradient_is_that_of_every_sample():
    x = torch.tensor([[10.0, 0.0], [0.1, 0.0]], requires_grad=True)
    (ClipGradient(0.5)(x).square().sum() / 2).backward()  # a mean over two samples: 2x/2
    torch.testing.assert_close(x.grad, torch.tensor([[0.25, 0.0], [0.1, 0.0]]))
    network = nn.Sequential(ClipNorm(1.0), OrthogonalLinear(2, 2), ClipGradient(0.5))
    assert gradient_bounds(network, loss=float("inf"))["1.weight"] == pytest.approx(0.5, rel=1e-4)


def test_a_shared_layer_has_the_sum_of_its_bounds():
    layer = seeded(lambda: OrthogonalLinear(4, 4))
    network = nn.Sequential(ClipNorm(1.0), layer, GroupSort(), layer)
    assert gradient_bounds(network, loss=1.0)["1.weight"] == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.GELU(), "layer '2' has no known Lipschitz constant; got GELU.*method=clip"),
        (nn.BatchNorm1d(4), "layer '2' couples the samples"),
        (nn.Sequential(nn.LayerNorm(4)), r"layer '2\.0' has no known"),
        (type("Twice", (nn.Sequential,), {"forward": lambda self, x: 2 * x})(), "layer '2' has no known"),
    ],
)
def test_layers_without_a_bound_are_named(layer, words):
    with pytest.raises(UnsupportedError, match=words):
        gradient_bounds(nn.Sequential(ClipNorm(1.0), nn.Linear(4, 4), layer), loss=1.0)


def test_what_cannot_be_is_refused():
    with pytest.raises(UnsupportedError, match=r"not bounded; got 0.weight.*ClipNorm"):
        gradient_bounds(nn.Sequential(nn.Linear(4, 4)), loss=1.0)
    with pytest.raises(ConfigError, match=r"odd kernel"):
        CircularConv(1, 1, grid=(8,), kernel=4)
    with pytest.raises(ConfigError, match=r"own grid"):
        CircularConv(1, 1, grid=(8,))(torch.zeros(1, 1, 9))
    with pytest.raises(ConfigError, match=r"do not tile"):
        NormPool(2)(torch.zeros(1, 1, 5))
    with pytest.raises(ConfigError, match=r"positive norm"):
        ClipGradient(0.0)
