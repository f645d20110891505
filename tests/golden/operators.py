"""Outputs of the operator networks and their baselines, for fixed weights and inputs.

``python tests/golden/operators.py`` writes them anew; doing so changes results for users and needs a line in the
changelog. Weights and inputs come from a sine, not from a generator.
"""

import json
from pathlib import Path

import torch

from sciml.models import CNNBranch, DeepONet, MIONet, PeriodicFeatures, PODDeepONet, Vanishing
from sciml.solvers.maps import BasisOperator, PlainNetwork

FILE = Path(__file__).with_suffix(".json")


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


FUNCTIONS, QUERIES, OWN = wave((3, 12), 0.5), wave((4, 2), 0.1).abs(), wave((3, 4, 2), 0.7).abs()


def deeponet(**changes):
    module = filled(DeepONet(**{"sensors": 12, "dims": 2, "fields": 2, "modes": 5, "width": 6, **changes}))
    return torch.stack((module(FUNCTIONS, QUERIES), module(FUNCTIONS, OWN)))


def mionet():
    module = filled(MIONet(sensors=(5, 7), dims=2, fields=2, modes=4, width=6))
    return torch.stack((module(FUNCTIONS, QUERIES), module(FUNCTIONS, OWN)))


def pod():
    module = filled(PODDeepONet(sensors=12, queries=9, fields=2, modes=3, width=6))
    module.fit(wave((6, 9, 2), 0.3))
    return module(FUNCTIONS)


def cnn():
    return deeponet(branch=CNNBranch((3, 4), 10, width=2, hidden=5))


def plain():
    module = filled(PlainNetwork(sensors=12, dims=2, fields=2, width=6, layers=2, nonlinearity="relu"))
    return torch.stack((module(FUNCTIONS, QUERIES), module(FUNCTIONS, OWN)))


def basis(own):
    module = BasisOperator(sensors=12, periodic=(False, True), fields=2, rank=2, terms=2).double()
    functions, queries = wave((30, 12), 0.2), wave((30, 6, 2), 0.4).abs() if own else wave((9, 2), 0.4).abs()
    module.fit(functions, queries, wave((30, 6 if own else 9, 2), 0.9))
    return torch.stack((module(FUNCTIONS, QUERIES), module(FUNCTIONS, OWN)))


MODELS = {
    "deeponet": deeponet,
    "deeponet stacked": lambda: deeponet(stacked=True),
    "deeponet without bias": lambda: deeponet(bias=False),
    "deeponet independent": lambda: deeponet(strategy="independent"),
    "deeponet split_branch": lambda: deeponet(strategy="split_branch"),
    "deeponet split_trunk": lambda: deeponet(strategy="split_trunk"),
    "deeponet periodic": lambda: deeponet(features=PeriodicFeatures((True, False), harmonics=2)),
    "deeponet vanishing": lambda: deeponet(constraint=Vanishing(((0, False), (1, True)))),
    "deeponet cnn": cnn,
    "mionet": mionet,
    "pod_deeponet": pod,
    "plain network": plain,
    "basis aligned": lambda: basis(False),
    "basis unaligned": lambda: basis(True),
}


def output(key):
    """A few numbers that hold the whole output: mean, standard deviation, and a handful of values."""
    with torch.no_grad():
        flat = MODELS[key]().flatten()
    return [float(flat.mean()), float(flat.std()), *flat[:: max(1, flat.numel() // 8)].tolist()]


if __name__ == "__main__":
    FILE.write_text(json.dumps({key: output(key) for key in MODELS}, indent=1) + "\n", encoding="utf-8")
