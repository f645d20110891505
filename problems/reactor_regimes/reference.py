"""Draws operating points and finds their steady states."""

import functools

import torch
from torch import Tensor

from sciml.core import rng

from . import equations

EACH = 900
"""Points of every regime: over the whole box two of them are rare."""
_DRAWN = 40_000
RANGES = {"damkoehler": (0.01, 0.3), "adiabatic_rise": (8.0, 22.0), "cooling": (0.5, 4.0), "activation": (15.0, 40.0)}
"""Of Da (drawn evenly on a logarithmic scale), B, β and γ."""
_POINTS = 500  # conversions that are looked at; folds closer than that count as none


@functools.cache
def samples() -> tuple[Tensor, Tensor]:
    """Operating points ``3600 4`` and their regimes, computed once per process, always the same."""
    points = draw(_DRAWN)
    labels = regimes(points.double())
    chosen = [(labels == label).nonzero().flatten()[:EACH] for label in range(len(equations.CLASSES))]
    rows = torch.cat(chosen).sort().values
    return points[rows], labels[rows]


def draw(count: int) -> Tensor:
    """ln Da, B, β and γ, float32: a function of the count alone."""
    shares = torch.rand(count, 4, generator=rng.generator(0, "reactor_regimes"), dtype=torch.float64)
    low, high = torch.tensor(list(RANGES.values()), dtype=torch.float64).T
    low[0], high[0] = low[0].log(), high[0].log()
    return (low + (high - low) * shares).float()


def regimes(points: Tensor) -> Tensor:
    """Index of the class of every point.

    Steady states are where Da(x) passes the point's Da. A turn of it is a fold: between two folds there are three
    steady states. A single one is stable, or surrounded by a limit cycle.
    """
    logarithm, others = points[:, :1], tuple(points[:, i : i + 1] for i in range(1, 4))
    inner = torch.linspace(0, 1, _POINTS + 2, dtype=points.dtype)[1:-1]
    end = torch.logspace(-7, -3, 40, dtype=points.dtype)
    x = torch.cat((end, inner, 1 - end.flip(0)))  # a burning reactor is closer to full conversion than even points are
    excess = equations.needed_damkoehler(x, *others).log() - logarithm
    passes = (excess[:, 1:] > 0) != (excess[:, :-1] > 0)
    place = passes.int().argmax(1)
    low, high = (excess.gather(1, (place + step)[:, None])[:, 0] for step in (0, 1))
    first = x[place] + (x[place + 1] - x[place]) * low / (low - high)
    stable = equations.is_stable(first[:, None], *others)[:, 0]
    single = torch.where(stable, (first > equations.CONVERSION).long(), 3)
    return torch.where(passes.sum(1) > 1, 2, single)
