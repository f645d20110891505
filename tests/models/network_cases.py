"""Every network that is not of fields: how it is built, how it is called, and the shape that comes out."""

import torch
from torch import nn

from sciml.models import (
    MLP,
    CoordinateMLP,
    Dynamics,
    Flow,
    GRUSeries,
    HyperNetwork,
    LatentODE,
    LipschitzMLP,
    ModifiedMLP,
    NeuralSDE,
    ODENet,
    PirateNet,
    Pulse,
    RealNVP,
    ResNet,
    SDENet,
    SoftTrees,
    SplineFlow,
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
    "lipschitz": (lambda: LipschitzMLP(2, 3, width=4), lambda m: m(POINTS), (5, 3)),
    "soft trees": (lambda: SoftTrees(2, 3, trees=4, kind="list", gate="entmoid"), lambda m: m(POINTS), (5, 3)),
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
    "spline flow": (lambda: SplineFlow(2, couplings=2, bins=4, width=4), lambda m: m(POINTS), (5,)),
    "realnvp": (lambda: RealNVP(2, couplings=2, width=4, nonlinearity="tanh"), lambda m: m(POINTS), (5,)),
    "flow": (lambda: Flow(2, width=4), lambda m: m(POINTS)[0], (5,)),
    "planar flow": (lambda: Flow(2, kind="planar", width=4, hidden=4), lambda m: m(POINTS)[0], (5,)),
    "time network": (lambda: TimeNetwork(2, **SMALL), course, (5,)),
    "hypernetwork": (lambda: HyperNetwork(2, hyper_width=3, **SMALL), course, (5,)),
    "pulse": (lambda: Pulse(2, **SMALL), course, (5,)),
}
