"""Outputs of the closures of reduced models and of the right-hand side they enter, for fixed weights and inputs.

``python tests/golden/reduced_models.py`` writes them anew; doing so changes results for users and needs a line in the
changelog. Weights and inputs come from a sine, not from a generator; nothing is integrated.
"""

import json
from pathlib import Path

import torch

from sciml.core import registry
from sciml.data import Statistics
from sciml.solvers.pnode import PNODE, PNODEConfig, SourceConfig
from sciml.testing import PROBLEMS

FILE = Path(__file__).with_suffix(".json")
TANK = PROBLEMS / "warm_tank"
STATISTICS = Statistics(*(torch.tensor(v) for v in ([2.0, 0.4, 0.6], [1.0, 0.2, 0.2], [0.8, 0.5, 0.4], [0.2] * 3)))
FORMS = ("network", "guess", "hypernetwork", "shape")


def wave(shape, phase):
    """Numbers of order one that any machine makes alike."""
    count = torch.Size(shape).numel()
    return torch.sin(12.9898 * torch.arange(1, count + 1, dtype=torch.float64) + phase).reshape(shape)


def output(form):
    """Coefficients, the source at a few times, and the slope of a few states."""
    config = PNODEConfig(width=4, layers=2, source=SourceConfig(form=form, hyper_width=3))
    module = PNODE(config, registry.find_problem(TANK), STATISTICS)
    parameters = torch.tensor([0.8, 0.5, 0.4]) + 0.15 * wave((3, 3), 0.3)
    with torch.no_grad():
        for i, parameter in enumerate(module.parameters()):
            fan_in = max(1, parameter.numel() // parameter.shape[0])
            parameter.copy_(wave(parameter.shape, i) / fan_in**0.5 + 0.5 * (parameter.ndim == 1))
        learned = module.learned(parameters)
        course = module.source("heat", parameters, torch.tensor([0.5, 2.0, 3.0, 4.5], dtype=torch.float64))
        state = 1 + 0.5 * wave((3, 3), 0.7)
        time = torch.tensor([1.5, 2.5, 3.5], dtype=torch.float64)
        slope = module.field(time, state, *module.field.pack(parameters, learned))
    return torch.cat((learned["rate"][0].flatten(), course.flatten(), slope.flatten())).tolist()


if __name__ == "__main__":
    FILE.write_text(json.dumps({form: output(form) for form in FORMS}, indent=1) + "\n", encoding="utf-8")
