"""Jets against sympy and autograd: every derivative up to order four, products, Laplacians, all architectures."""

import itertools

import pytest
import sympy as sp
import torch
from torch import nn

from sciml.core.derivatives import autograd_derivatives
from sciml.core.domain import Coordinate, Domain
from sciml.core.errors import UnsupportedError
from sciml.models import ARCHITECTURES
from sciml.nn import (
    LAPLACIAN,
    CoordinateEmbedding,
    Cosine,
    FactorisedLinear,
    Sine,
    coordinates,
    linear,
    pointwise,
)

AXES = ("x", "t")
BOX = Domain((Coordinate("x", -1.0, 1.0), Coordinate("t", 0.0, 2.0)), time="t")
NAMES = ["".join(c) for n in range(5) for c in itertools.combinations_with_replacement("xt", n)]


def points(count=6, seed=0):
    return BOX.place(torch.rand(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))


def network(name="mlp", *, factorised=False, embedding=None, width=5):
    torch.manual_seed(0)
    first = embedding or CoordinateEmbedding(BOX)
    body = ARCHITECTURES[name](first.size, 2, width=width, layers=2, nonlinearity=nn.Tanh(), factorised=factorised)
    return nn.Sequential(first, body).double()


@pytest.mark.parametrize(
    ("module", "function"),
    [(nn.Tanh(), sp.tanh), (nn.Sigmoid(), lambda a: 1 / (1 + sp.exp(-a))), (Sine(), sp.sin), (Cosine(), sp.cos)],
)
def test_derivatives_up_to_order_four_are_those_of_sympy(module, function):
    x, t = sp.symbols("x t")
    inner = sp.Rational(7, 10) * x - sp.Rational(13, 10) * t + sp.Rational(1, 5)
    layer = nn.Linear(2, 1).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.7, -1.3]], dtype=torch.float64))
        layer.bias.fill_(0.2)
    p = points(3)
    jet = pointwise(module, linear(layer, coordinates(p, AXES, NAMES)))
    twice = pointwise(module, jet * jet)
    for expression, derivatives in ((function(inner), jet), (function(function(inner) ** 2), twice)):
        known = {"": expression}
        for name in NAMES:
            for end in range(1, len(name) + 1):  # each from the one before
                if name[:end] not in known:
                    known[name[:end]] = known[name[: end - 1]].diff(name[end - 1])
            exact = sp.lambdify((x, t), known[name], "math", cse=True)
            torch.testing.assert_close(
                derivatives[name][:, 0].detach(),
                torch.tensor([exact(a, b) for a, b in p.tolist()], dtype=torch.float64),
                rtol=1e-9,
                atol=1e-9,
            )


@pytest.mark.parametrize("factorised", [False, True])
@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_networks_have_the_derivatives_of_autograd(name, factorised):
    module, p = network(name, factorised=factorised), points()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    wanted = ["xxxx", "xxt", "tt"]
    jet = module(coordinates(p, AXES, wanted))
    oracle = autograd_derivatives(module, p, ("u", "v"), AXES)
    for order in ("", "x", "t", "xx", "xt", "tt", "xxt", "xxx", "xxxx"):
        for i, field in enumerate(("u", "v")):
            torch.testing.assert_close(jet[order][:, i], oracle(field, order), rtol=1e-9, atol=1e-9)


def test_a_forward_laplacian_is_the_sum_of_second_derivatives():
    box = Domain(tuple(Coordinate(name, 0.0, 1.0) for name in "xyz"))
    module = network(embedding=CoordinateEmbedding(box, fourier=6))
    p = torch.rand(7, 3, dtype=torch.float64)
    u, g = (module(coordinates(p, "xyz", wanted)) for wanted in ([LAPLACIAN], ["xx", "yy", "zz"]))
    torch.testing.assert_close(u[LAPLACIAN], g["xx"] + g["yy"] + g["zz"])
    product = u * u
    torch.testing.assert_close(product[LAPLACIAN], (g * g)["xx"] + (g * g)["yy"] + (g * g)["zz"])


def test_a_periodic_embedding_is_periodic_in_all_derivatives():
    ring = Domain((Coordinate("x", -1.0, 3.0, periodic=True), Coordinate("t", 0.0, 2.0)), time="t")
    module = network(embedding=CoordinateEmbedding(ring, harmonics=2))
    p = points()
    p[:, 0] = -1.0
    q = p.clone()
    q[:, 0] = 3.0
    one, other = (module(coordinates(at, AXES, ["xxx", "xt"])) for at in (p, q))
    for name in ("", "x", "xx", "xxx", "xt"):
        torch.testing.assert_close(one[name], other[name], rtol=1e-10, atol=1e-10)


def test_factorised_layers_start_as_plain_ones_do():
    torch.manual_seed(3)
    layer = FactorisedLinear(30, 40)
    x = torch.randn(5, 30)
    torch.testing.assert_close(layer(x), nn.functional.linear(x, layer.weight, layer.bias))
    torch.testing.assert_close(layer.weight, layer.scale.exp()[:, None] * layer.direction)
    glorot = (2 / 70) ** 0.5
    assert float(layer.weight.detach().std()) == pytest.approx(glorot, rel=0.1)


def test_a_piratenet_starts_as_a_linear_readout():
    module = network("piratenet")
    net, p = module[1], points()
    features = net.nonlinearity(net.first(module[0](p)))
    torch.testing.assert_close(module(p), net.last(features))


def test_a_modified_mlp_mixes_its_gates():
    """With saturated gates the network is one of them."""
    module = network("modified_mlp")
    net = module[1]
    with torch.no_grad():
        net.hidden[-1].weight.zero_()
        net.hidden[-1].bias.fill_(50.0)
    p = points()
    gate = net.nonlinearity(net.gates[0](module[0](p)))
    torch.testing.assert_close(module(p), net.last(gate))


def test_an_activation_without_a_rule_is_named():
    with pytest.raises(UnsupportedError, match=r"ReLU.*Tanh"):
        pointwise(nn.ReLU(), coordinates(points(), AXES, ["xx"]))


def test_parts_that_vanish_are_zeros():
    jet = coordinates(points(), AXES, ["xx", "t"])
    assert jet["xx"].abs().max() == 0
    assert jet["t"][:, 1].tolist() == [1.0] * 6
    assert ((jet - jet) + 1.0).value.eq(1).all()
