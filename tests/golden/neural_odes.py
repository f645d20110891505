"""Outputs of every module built on a learned equation, for fixed weights and inputs.

``python tests/golden/neural_odes.py`` writes them anew; doing so changes results for users and needs a line in the
changelog. Weights and inputs come from a sine, not from a generator; equations are solved so tightly that numbers do
not depend on the steps, stochastic ones with fixed steps and a fixed seed.
"""

import json
from pathlib import Path

import torch

from sciml.data import Statistics
from sciml.models import DiffuseConfig, Dynamics, Flow, IntegrateConfig, LatentODE, NeuralSDE, ODENet, SDENet

FILE = Path(__file__).with_suffix(".json")
STATISTICS = Statistics(*(torch.tensor(v).double() for v in ([0.3, -0.2], [1.5, 0.7], [1.0], [2.0])))
MEAN, STD = STATISTICS.field_mean.mean(), STATISTICS.field_std.square().mean().sqrt()
TIMES = torch.tensor([0.0, 0.4, 1.1], dtype=torch.float64)
TIGHT = IntegrateConfig(rtol=1e-10, atol=1e-10)
FIXED = DiffuseConfig(step=0.1)


def wave(shape, phase):
    """Numbers of order one that any machine makes alike."""
    count = torch.Size(shape).numel()
    return torch.sin(12.9898 * torch.arange(1, count + 1, dtype=torch.float64) + phase).reshape(shape)


def filled(module):
    """The module with sine weights, in float64, for predictions."""
    module = module.double().eval()
    with torch.no_grad():
        for i, parameter in enumerate(module.parameters()):
            fan_in = max(1, parameter.numel() // parameter.shape[0])
            parameter.copy_(wave(parameter.shape, i) / fan_in**0.5 + 0.5 * (parameter.ndim == 1))
    return module


def dynamics():
    module = filled(Dynamics(2, parameters=1, width=5, augment=1, features="cube", units=STATISTICS, integrate=TIGHT))
    return module(wave((3, 2), 0.5), wave((3, 1), 0.1), TIMES)[0]


def ode_net(kind):
    module = filled(ODENet((1, 8, 8), 3, kind=kind, width=4, mean=MEAN, std=STD, integrate=TIGHT))
    return module(wave((2, 1, 8, 8), 0.5), tolerance=1e-8)[0]


def latent():
    sizes = {"latent": 3, "units": 4, "blocks": 2, "recognition": 3, "gates": 4, "posterior": 4, "decoder": 3}
    module = filled(LatentODE(2, **sizes, mean=STATISTICS.field_mean, std=STATISTICS.field_std, integrate=TIGHT))
    mask = torch.tensor([[True, False, True], [False, True, False]])
    mean, log_variance = module.encode(TIMES, wave((2, 3, 2), 0.5), mask)
    return torch.cat((mean.flatten(), log_variance.flatten(), module(mean, TIMES)[0].flatten()))


def flow(kind):
    mean, std = STATISTICS.field_mean, STATISTICS.field_std
    module = filled(Flow(2, kind=kind, width=4, hidden=3, mean=mean, std=std, integrate=TIGHT))
    return torch.cat((module(wave((4, 2), 0.5))[0], module.push(wave((4, 2), 0.7)).flatten()))


def neural_sde():
    module = filled(NeuralSDE(2, width=5, integrate=FIXED))
    return module(wave((3, 2), 0.5), TIMES, seed=3)[0]


def sde_net():
    module = filled(SDENet((1, 8, 8), 3, dim=3, width=4, mean=MEAN, std=STD, integrate=FIXED))
    return module(wave((2, 1, 8, 8), 0.5), seed=3, paths=2)[0]


MODELS = {
    "dynamics": dynamics,
    "ode_net mlp": lambda: ode_net("mlp"),
    "ode_net conv": lambda: ode_net("conv"),
    "latent": latent,
    "flow squash": lambda: flow("squash"),
    "flow planar": lambda: flow("planar"),
    "neural_sde": neural_sde,
    "sde_net": sde_net,
}


def output(key):
    """A few numbers that hold the whole output: mean, standard deviation, and a handful of values."""
    with torch.no_grad():
        flat = MODELS[key]().flatten()
    return [float(flat.mean()), float(flat.std()), *flat[:: max(1, flat.numel() // 8)].tolist()]


if __name__ == "__main__":
    FILE.write_text(json.dumps({key: output(key) for key in MODELS}, indent=1) + "\n", encoding="utf-8")
