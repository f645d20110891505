"""Outputs of the baselines without a grid, for fixed weights and inputs.

``python tests/golden/baselines.py`` writes them anew; doing so changes results for users and needs a line in the
changelog. Weights and inputs come from a sine, not from a generator.
"""

import json
from pathlib import Path

import torch

from sciml.core import registry
from sciml.data import Statistics
from sciml.models import (
    LSSL,
    MLP,
    S4,
    S4D,
    S5,
    CausalCNN,
    GRUSeries,
    KernelRidgeMap,
    Processes,
    RealNVP,
    RecurrentNetwork,
    ResNet,
    SequenceTransformer,
)
from sciml.nn import Units
from sciml.solvers.baselines import (
    BoostedTrees,
    BoostedTreesConfig,
    GaussianProcess,
    GaussianProcessConfig,
    KDEConfig,
    KernelDensity,
    KernelRidge,
    KernelRidgeConfig,
    LaggedRidge,
    LinearODE,
    LinearODEConfig,
    LogSpectrum,
    MeanConfig,
    MLPRegression,
    MLPRegressionConfig,
    RowModule,
)
from sciml.testing import PROBLEMS

FILE = Path(__file__).with_suffix(".json")
STATISTICS = Statistics(*(torch.tensor(v).double() for v in ([0.3, -0.2], [1.5, 0.7], [1.0], [2.0])))
TIMES = torch.tensor([0.0, 0.4, 1.1], dtype=torch.float64)
MASK = torch.tensor([[True, False, False], [False, True, False]])


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


def linear_ode():
    module = filled(LinearODE(LinearODEConfig(), Units(STATISTICS)))
    return module(wave((3, 2), 0.5), wave((3, 1), 0.1), TIMES)


def gru(look_ahead):
    module = filled(GRUSeries(2, hidden=5, width=4, look_ahead=look_ahead, units=Units(STATISTICS)))
    return module(TIMES, wave((2, 3, 2), 0.5), MASK)


def resnet(kind):
    mean, std = STATISTICS.field_mean.mean(), STATISTICS.field_std.square().mean().sqrt()
    module = filled(ResNet((1, 8, 8), 3, kind=kind, width=4, mean=mean, std=std))
    return module(wave((2, 1, 8, 8), 0.5))


def realnvp():
    module = filled(RealNVP(2, couplings=3, width=4, units=Units(STATISTICS)))
    return torch.cat((module(wave((4, 2), 0.5)), module.inverse(wave((4, 2), 0.7)).flatten()))


def kde():
    module = KernelDensity(KDEConfig(centres=6), Units(STATISTICS), 6).double()
    module.set(wave((5, 2), 0.3), 0.4)
    return module(wave((4, 2), 0.5))


def with_buffers(module, *names):
    module = module.double()
    for i, name in enumerate(names):
        buffer = getattr(module, name)
        buffer.copy_(wave(buffer.shape, 0.2 * i) + (name in ("scales", "variance")) * 2)
    return module


def kernel_ridge(polynomial):
    module = KernelRidge(KernelRidgeConfig(samples=4, frames=3), Units(STATISTICS))
    with_buffers(module.double().map, "points", "weights", "mean", "gamma")
    module.map.polynomial.fill_(polynomial)
    return module.frames.at(module(wave((3, 2), 0.5), wave((3, 1), 0.1)), TIMES)


def gaussian_process():
    tank = registry.find_problem(PROBLEMS / "warm_tank")
    module = GaussianProcess(GaussianProcessConfig(samples=4, frames=3, modes=2), Units(STATISTICS), tank)
    with_buffers(module.double().modes, "modes", "mean")
    with_buffers(module.coefficients, "points", "scales", "variance", "dual", "whiten")
    return torch.cat(module(wave((3, 2), 0.5), wave((3, 1), 0.1)))


def boosted_trees():
    problem = registry.find_problem(PROBLEMS / "warm_tank")
    units = Units(Statistics(torch.zeros(3), torch.ones(3), torch.zeros(3), torch.ones(3)))
    module = BoostedTrees(BoostedTreesConfig(trees=3, frames=3, depths=(2,)), units, problem)
    trees = with_buffers(module.double().map, "base", "threshold", "value")
    module.means.copy_(wave(module.means.shape, 0.6))
    trees.feature.copy_(torch.arange(21).view(1, 3, 7) % 3)
    trees.below[..., :3] = torch.tensor([[1, 3, 5], [2, 4, 6]])[:, None, None]
    parameters = wave((6, 3), 0.5)
    return torch.cat((module.chance(parameters, parameters), module(parameters, parameters).flatten()))


def mlp_regression():
    module = filled(MLPRegression(MLPRegressionConfig(width=4, layers=2, use_start=True), Units(STATISTICS)))
    return module(wave((3, 2), 0.5), wave((3, 1), 0.1), TIMES)


def rows(kind):
    """Regressions of numbers: two targets of one parameter."""
    maps = {
        "kernel_ridge": lambda: with_buffers(KernelRidgeMap(1, 2, samples=4), "points", "weights", "mean", "gamma"),
        "gaussian_process": lambda: with_buffers(Processes(2, 4, 1), "points", "scales", "variance", "dual"),
        "mlp": lambda: filled(MLP(1, 2, width=4, layers=2)),
    }
    return RowModule(maps[kind](), Units(STATISTICS).double(), MeanConfig())(wave((5, 1), 0.3))


def state_space(kind, **changes):
    """Systems stay near those of the start, since a sine would make unstable ones of them."""
    sizes = {"features": 3, "state": 4, "depth": 2} | ({} if kind is S5 else {"channels": 2})
    module = kind(2, 3, dt_range=(0.1, 0.1), inputs=Units(STATISTICS), **sizes, **changes).double().eval()
    kept = ("matrix", "log_dt", "log_decay", "frequency") + (() if kind is S5 else ("drive",))
    with torch.no_grad():
        for i, (name, parameter) in enumerate(module.named_parameters()):
            near = any(part in name for part in kept)
            parameter.mul_(1 + 0.1 * wave(parameter.shape, i)) if near else parameter.copy_(wave(parameter.shape, i))
    return module(wave((2, 9, 2), 0.5), 1.5)


def sequence_peer(kind, **changes):
    return filled(kind(2, 3, inputs=Units(STATISTICS), **changes))(wave((2, 9, 2), 0.5), 1.5)


def lagged_ridge():
    return filled(LaggedRidge(2, lags=4, inputs=Units(STATISTICS), outputs=Units(STATISTICS), dt=0.1))(
        wave((2, 9, 2), 0.5)
    )


def log_spectrum():
    module = LogSpectrum(
        2, segments=2, bands=3, length=16, inputs=Units(STATISTICS), outputs=Units(STATISTICS), dt=0.1, penalty=1.0,
        classifies=False,
    )  # fmt: skip
    return filled(module)(wave((2, 16, 2), 0.5), 1.5)


MODELS = {
    "linear_ode": linear_ode,
    "gru": lambda: gru(look_ahead=False),
    "gru look_ahead": lambda: gru(look_ahead=True),
    "resnet mlp": lambda: resnet("mlp"),
    "resnet conv": lambda: resnet("conv"),
    "realnvp": realnvp,
    "kde": kde,
    "kernel_ridge radial": lambda: kernel_ridge(False),
    "kernel_ridge polynomial": lambda: kernel_ridge(True),
    "gaussian_process": gaussian_process,
    "boosted_trees": boosted_trees,
    "mlp_regression": mlp_regression,
    "kernel_ridge_rows": lambda: rows("kernel_ridge"),
    "gaussian_process_rows": lambda: rows("gaussian_process"),
    "mlp_rows": lambda: rows("mlp"),
    "lssl": lambda: state_space(LSSL),
    "lssl means post": lambda: state_space(LSSL, mean_inputs=True, norm="post", pooled=True, matrix="legt"),
    "s4": lambda: state_space(S4),
    "s4d": lambda: state_space(S4D),
    "s5": lambda: state_space(S5, start="lin"),
    "lstm": lambda: sequence_peer(RecurrentNetwork, hidden=4),
    "causal_cnn": lambda: sequence_peer(CausalCNN, width=4, depth=2),
    "sequence_gru": lambda: sequence_peer(RecurrentNetwork, cell="gru", hidden=4),
    "transformer": lambda: sequence_peer(SequenceTransformer, head_size=2, heads=2, depth=1),
    "lagged_ridge": lagged_ridge,
    "log_spectrum": log_spectrum,
}


def output(key):
    """A few numbers that hold the whole output: mean, standard deviation, and a handful of values."""
    with torch.no_grad():
        flat = MODELS[key]().flatten()
    return [float(flat.mean()), float(flat.std()), *flat[:: max(1, flat.numel() // 8)].tolist()]


if __name__ == "__main__":
    FILE.write_text(json.dumps({key: output(key) for key in MODELS}, indent=1) + "\n", encoding="utf-8")
