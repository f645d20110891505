"""Equations, statements and waves that the tests of NPDE networks share."""

import math

import numpy as np
import torch

from sciml.models.npde import (
    Advection,
    Constant,
    Diffusion,
    NPDESpec,
    Reaction,
    SpecAxis,
    Trainable,
)

N = 24
RING = SpecAxis(name="x", size=N, upper=2 * math.pi, units="m")
DX = RING.spacing
TRUE = {"D": 0.02, "c": 0.5, "r": 3.0}
TERMS = (
    Diffusion(target="u", coefficient="D"),
    Advection(target="u", axis="x", coefficient="c"),
    Reaction(target="u", formula="u*(1 - u)", coefficient="r"),
)


def spec(terms=TERMS, coefficients=None, **more):
    known = tuple(Constant(name=name, value=value) for name, value in TRUE.items())
    settings = {"axes": (RING,), "dt": 5e-4, "steps": 40, "time_units": "s"} | more
    return NPDESpec(terms=terms, coefficients=known if coefficients is None else coefficients, **settings)


def learned(**more):
    starts = (
        Trainable(name="D", start=0.01, lower=0.0),
        Trainable(name="c", start=0.1),
        Trainable(name="r", start=1.0),
    )
    return spec(coefficients=starts, **more)


def waves(count=4, size=N, seed=0):
    x = torch.arange(size, dtype=torch.float64) * (2 * math.pi / size)
    g = torch.Generator().manual_seed(seed)
    phases = 6 * torch.rand(count, 3, generator=g, dtype=torch.float64)
    return torch.stack([0.5 + sum(0.15 * torch.sin((k + 1) * x + p[k]) / (k + 1) for k in range(3)) for p in phases])[
        :, None
    ]


def roll(u, shift, axis=-1):
    return np.roll(u, shift, axis)


def lap(u, dx=DX, axis=-1):
    return (roll(u, -1, axis) - 2 * u + roll(u, 1, axis)) / dx**2


CLASSICAL = {
    "heat": ((TERMS[0],), lambda u, dt: u + dt * 0.02 * lap(u)),
    "advection-diffusion, upwind": (
        (TERMS[0], Advection(target="u", axis="x", coefficient="c", scheme="upwind")),
        lambda u, dt: u + dt * (0.02 * lap(u) - 0.5 * (u - roll(u, 1)) / DX),
    ),
    "Fisher-KPP": (
        (TERMS[0], TERMS[2]), lambda u, dt: u + dt * (0.02 * lap(u) + 3.0 * u * (1 - u)),
    ),
    "Burgers in flux form": (
        (TERMS[0], Advection(target="u", axis="x", velocity="u", scheme="flux")),
        lambda u, dt: u + dt * (0.02 * lap(u) - (roll(u, -1) ** 2 - roll(u, 1) ** 2) / (4 * DX)),
    ),
}  # fmt: skip


PSI = {"fields": ("psi",), "dtype": "complex", "dt": 1e-2, "coefficients": ()}
KINETIC = Diffusion(target="psi", scale=0.5, imaginary=True)
WELL = Reaction(target="psi", formula="(x - 3)**2*psi", scale=-0.1, imaginary=True)


def packet():
    x = torch.arange(N, dtype=torch.float64) * DX
    return torch.exp(-((x - 3) ** 2) + 2j * x)[None, None]
