"""Outputs of every network of coordinates with its ansatz, and of their derivatives, for fixed weights and points.

``python tests/golden/pinns.py`` writes them anew; doing so changes results for users and needs a line in the changelog.
Weights and points come from a sine, not from a generator.
"""

import json
from pathlib import Path

import torch

from sciml.core.domain import Condition, Coordinate, Domain, initial
from sciml.core.statement import Statement
from sciml.solvers.pinn import PINN, EmbedConfig, PINNConfig

FILE = Path(__file__).with_suffix(".json")
WANTED = ("", "x", "t", "xx", "xt", "xxx")


def statement(periodic=False):
    """Heat with values, a slope and a speed at its faces; or on a ring."""
    import sympy as sp

    x, t = sp.symbols("x t")
    u = sp.Function("u")(x, t)
    exact = sp.sin(x) * sp.exp(-t) + x * t
    walls = (
        Condition("u", "x", "lower", exact.subs(x, 0)),
        Condition("u", "x", "lower", exact.diff(x).subs(x, 0), 1),
        Condition("u", "x", "upper", exact.subs(x, 1)),
    )
    start = sp.cos(2 * sp.pi * x) if periodic else exact.subs(t, 0)
    return Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0, periodic=periodic), Coordinate("t", 0.0, 2.0)), time="t"),
        fields=("u",),
        equations=(u.diff(t) - u.diff(x, 2),),
        conditions=(*(() if periodic else walls), *initial("u", start)),
    )


def wave(shape, phase):
    """Numbers of order one that any machine makes alike."""
    count = torch.Size(shape).numel()
    return torch.sin(12.9898 * torch.arange(1, count + 1, dtype=torch.float64) + phase).reshape(shape)


def filled(module):
    """The module with sine weights, features included."""
    with torch.no_grad():
        for i, tensor in enumerate((*module.parameters(), module.embedding.random)):
            tensor.copy_(wave(tensor.shape, i) / max(1, tensor.shape[-1] if tensor.ndim else 1) ** 0.5)
    return module


MODELS = {
    "mlp": ({}, False),
    "sin": ({"activation": "sin"}, False),
    "soft": ({"hard": False}, False),
    "modified_mlp": ({"network": "modified_mlp"}, False),
    "piratenet": ({"network": "piratenet", "layers": 1}, False),
    "factorised": ({"factorised": True}, False),
    "fourier": ({"embedding": EmbedConfig(fourier=6, sigma=2.0)}, False),
    "periodic": ({}, True),
}


def output(key):
    """Field and derivatives at three points, as a flat list."""
    settings, periodic = MODELS[key]
    described = statement(periodic)
    module = filled(PINN(PINNConfig(width=5, **settings), described))
    points = described.domain.place(0.5 + 0.5 * wave((3, 2), 0.3))
    with torch.no_grad():
        jet = module.jet(points, WANTED)
    return torch.cat([jet[name] for name in WANTED]).flatten().tolist()


if __name__ == "__main__":
    FILE.write_text(json.dumps({key: output(key) for key in sorted(MODELS)}, indent=1) + "\n", encoding="utf-8")
