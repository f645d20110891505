"""Every network that is not of fields: built by keywords alone, called, and trained by a plain loop."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from sciml import models
from sciml.core.errors import ConfigError
from sciml.models import (
    MLP,
    CoordinateMLP,
    Dynamics,
    Flow,
    GRUSeries,
    HyperNetwork,
    IntegrateConfig,
    LatentODE,
    ModifiedMLP,
    NeuralSDE,
    ODENet,
    PirateNet,
    Pulse,
    RealNVP,
    ResNet,
    SDENet,
    StackedMLP,
    TimeNetwork,
)
from sciml.nn import Sine

TIMES = torch.tensor([0.0, 0.5, 1.0])
VALUES = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(1))
MASK = torch.tensor([[True, False, True]] * 4)
PICTURES = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(2))
POINTS = torch.randn(5, 2, generator=torch.Generator().manual_seed(3))
NONE = torch.zeros(4, 0)
SMALL = {"width": 5, "layers": 2}


def course(network):
    pieces = network.prepare(POINTS)
    return network(torch.linspace(0.1, 0.9, 5), *pieces)


CASES = {
    "mlp": (lambda: MLP(2, 3, width=4), lambda m: m(POINTS), (5, 3)),
    "coordinates": (lambda: CoordinateMLP(2, 1, nonlinearity=Sine(), **SMALL), lambda m: m(POINTS), (5, 1)),
    "modified": (lambda: ModifiedMLP(2, 1, nonlinearity=nn.Tanh(), **SMALL), lambda m: m(POINTS), (5, 1)),
    "pirate": (lambda: PirateNet(2, 1, nonlinearity=nn.Tanh(), **SMALL), lambda m: m(POINTS), (5, 1)),
    "stacked": (
        lambda: StackedMLP(3, 2, 1, generator=torch.Generator().manual_seed(0), **SMALL),
        lambda m: m(POINTS.double().expand(3, -1, -1)),
        (3, 5, 1),
    ),
    "dynamics": (lambda: Dynamics(2, width=4), lambda m: m(VALUES[:, 0], NONE, TIMES)[0], (4, 3, 2)),
    "told dynamics": (
        lambda: Dynamics(2, parameters=1, width=4, clock=True, augment=1),
        lambda m: m(VALUES[:, 0], torch.ones(4, 1), TIMES)[0],
        (4, 3, 2),
    ),
    "neural sde": (lambda: NeuralSDE(2, width=4), lambda m: m(VALUES[:, 0], TIMES, seed=0)[0], (4, 3, 2)),
    "latent ode": (
        lambda: LatentODE(2, latent=3, units=4, recognition=4, gates=4, posterior=4, sigma=1.0),
        lambda m: m.negative_bound(TIMES, VALUES, MASK, VALUES),
        (),
    ),
    "gru": (lambda: GRUSeries(2, hidden=4, width=3), lambda m: m(TIMES, VALUES, MASK), (4, 3, 2)),
    "resnet": (lambda: ResNet((8, 8), 3, width=4, blocks=2), lambda m: m(PICTURES), (4, 3)),
    "conv resnet": (lambda: ResNet((8, 8), 3, kind="conv", width=4, blocks=1), lambda m: m(PICTURES), (4, 3)),
    "ode net": (lambda: ODENet((8, 8), 3, width=4), lambda m: m(PICTURES)[0], (4, 3)),
    "conv ode net": (lambda: ODENet((8, 8), 3, kind="conv", width=4), lambda m: m(PICTURES)[0], (4, 3)),
    "sde net": (lambda: SDENet((8, 8), 3, dim=3, width=4), lambda m: m(PICTURES, seed=0)[0], (4, 3)),
    "realnvp": (lambda: RealNVP(2, couplings=2, width=4, nonlinearity="tanh"), lambda m: m(POINTS), (5,)),
    "flow": (lambda: Flow(2, width=4), lambda m: m(POINTS)[0], (5,)),
    "planar flow": (lambda: Flow(2, kind="planar", width=4, hidden=4), lambda m: m(POINTS)[0], (5,)),
    "time network": (lambda: TimeNetwork(2, **SMALL), course, (5,)),
    "hypernetwork": (lambda: HyperNetwork(2, hyper_width=3, **SMALL), course, (5,)),
    "pulse": (lambda: Pulse(2, **SMALL), course, (5,)),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_it_is_built_by_keywords_and_every_parameter_learns(name):
    build, call, shape = CASES[name]
    torch.manual_seed(0)
    network = build()
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-2)
    for _ in range(3):  # what starts at zero lets a gradient through from the second step on
        torch.manual_seed(1)
        optimiser.zero_grad()
        out = call(network)
        assert out.shape == shape
        (out.square().mean() + out.mean()).backward()
        optimiser.step()
    silent = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_units_keep_what_the_data_are_like():
    far = 100 + 5 * POINTS
    plain, scaled = (
        Flow(2, width=4, **units) for units in ({}, {"mean": torch.full((2,), 100.0), "std": torch.full((2,), 5.0)})
    )
    scaled.load_state_dict({**plain.state_dict(), "mean": scaled.mean, "std": scaled.std})
    expected = plain(POINTS)[0] - 2 * torch.log(torch.tensor(5.0))
    torch.testing.assert_close(scaled(far)[0], expected, rtol=1e-3, atol=1e-3)


def test_settings_of_an_integration_are_optional():
    loose = Dynamics(2, integrate=IntegrateConfig(rtol=1e-2, atol=1e-2))
    assert loose.block.integrate.rtol == 1e-2
    assert Dynamics(2).block.integrate.rtol == 1e-5
    assert ODENet((4,), 2).block.integrate.rtol == 1e-3


def test_pictures_too_small_are_refused():
    with pytest.raises(ConfigError, match="cannot take these samples"):
        ResNet((4, 4), 2, kind="conv", halvings=3)


def test_every_public_name_is_told_of():
    assert all(getattr(models, name).__doc__ for name in models.__all__ if name not in ("ARCHITECTURES", "Features"))


def test_networks_need_neither_data_nor_tasks_nor_solvers():
    code = (
        "import sys, sciml.models; "
        "print([n for n in sys.modules if n.startswith(('sciml.data', 'sciml.train', 'sciml.solvers', 'sciml.study'))])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
