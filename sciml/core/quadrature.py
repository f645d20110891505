"""Nodes and weights of integrals over axes of a domain.

Every axis is cut into panels of equal length with four nodes of Gauss and Legendre each, so that smooth integrands
converge as h⁸ and kinks harm one panel only. In a shape the last of its axes is cut where the boundary crosses it,
for each node of the others. The one before is cut where the number of crossings or the length inside jumps (where the
boundary is tangent to the last axis, or runs along it), with x = (a + b)/2 - (b - a)/2 cos πs between the cuts a, b,
for which the square roots at tangents are smooth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.domain import Domain

_PANELS = {1: 32, 2: 8, 3: 3}  # per axis, by the number of axes; one in more
_COARSE, _ROUNDS = 65, 20  # lines on which jumps are looked for, and halvings that find one
_JUMP = 0.2  # of an extent, between neighbouring lines
_SAMPLES = 257  # along a line, to find where it enters and leaves a shape


def quadrature(domain: Domain, over: Sequence[str]) -> tuple[Float[Tensor, "node axis"], Float[Tensor, " node"]]:
    """Nodes in the axes `over`, in the order of the domain, and weights that add up to the length, area or volume.

    Arguments:
        domain: a box, or a shape in it, of whose axes `over` has all or none.
        over: at least one axis.
    """
    names = [name for name in domain.names if name in over]
    shape = domain.shape.axes if domain.shape is not None else ()
    inside = [name for name in names if name in shape]
    nodes, weights = torch.zeros(1, 0, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    order = [name for name in names if name not in inside] + inside
    for name in order:
        axis, last = domain.axis(name), bool(inside) and name == inside[-1]
        ends = [[(axis.lower, axis.upper)]] * len(nodes)
        if last and domain.shape is not None:
            columns = [order.index(letter) for letter in shape if letter != name]
            ends = _crossings(domain, name, nodes[:, columns])
        steps, lengths = _gauss(_PANELS.get(len(names), 1))
        if len(inside) == 2 and name == inside[0]:
            ends = [_pieces(domain, *inside)] * len(nodes)
            steps, lengths = (1 - torch.cos(math.pi * steps)) / 2, lengths * torch.sin(math.pi * steps) * math.pi / 2
        rows, shares = [], []
        for node, weight, intervals in zip(nodes, weights, ends, strict=True):
            for low, high in intervals:
                along = low + (high - low) * steps
                rows.append(torch.cat([node.expand(len(along), -1), along[:, None]], dim=1))
                shares.append(weight * lengths * (high - low))
        nodes, weights = torch.cat(rows), torch.cat(shares)
    return nodes[:, [order.index(name) for name in names]], weights


def _gauss(panels: int) -> tuple[Float[Tensor, " node"], Float[Tensor, " node"]]:
    """Nodes and weights on [0, 1]."""
    x, w = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(4))
    starts = torch.arange(panels, dtype=torch.float64)[:, None] / panels
    return (starts + (x + 1) / (2 * panels)).flatten(), (w / (2 * panels)).repeat(panels)


def _pieces(domain: Domain, name: str, last: str) -> list[tuple[float, float]]:
    """Intervals of the axis before the last one of a shape, between which what is inside along the last one jumps."""
    axis = domain.axis(name)
    allowed = _JUMP * domain.axis(last).extent

    def measure(places: Tensor) -> list[tuple[int, float]]:
        intervals = _crossings(domain, last, places[:, None], halvings=0)
        return [(len(each), sum(high - low for low, high in each)) for each in intervals]

    def jumps(first: tuple[int, float], second: tuple[int, float]) -> bool:
        return first[0] != second[0] or abs(first[1] - second[1]) > allowed

    places = torch.linspace(axis.lower, axis.upper, _COARSE, dtype=torch.float64)
    lines, cuts = measure(places), [axis.lower]
    for i in range(_COARSE - 1):
        if not jumps(lines[i], lines[i + 1]):
            continue
        low, high = float(places[i]), float(places[i + 1])
        for _ in range(_ROUNDS):
            middle = (low + high) / 2
            (there,) = measure(torch.tensor([middle], dtype=torch.float64))
            nearer = there[0] == lines[i][0] and (
                lines[i][0] != lines[i + 1][0] or abs(there[1] - lines[i][1]) < abs(there[1] - lines[i + 1][1])
            )
            low, high = (middle, high) if nearer else (low, middle)
        cuts.append(high)
    ends = [*(c for c in cuts if c < axis.upper), axis.upper]
    return [(a, b) for a, b in pairwise(ends) if b - a > 1e-9 * axis.extent]


def _crossings(
    domain: Domain, name: str, others: Float[Tensor, "line axis"], halvings: int = 45
) -> list[list[tuple[float, float]]]:
    """For lines along one axis of a shape, the intervals that are inside of it; ends after some halvings."""
    shape, axis = domain.shape, domain.axis(name)
    assert shape is not None
    column = shape.axes.index(name)

    def depth(line: Tensor, along: Tensor) -> Tensor:
        rest = others[line]
        return shape.depth(torch.cat([rest[:, :column], along[:, None], rest[:, column:]], dim=1))

    places = torch.linspace(axis.lower, axis.upper, _SAMPLES, dtype=torch.float64)
    lines = torch.arange(len(others)).repeat_interleave(_SAMPLES)
    inside = depth(lines, places.repeat(len(others))).reshape(len(others), _SAMPLES) > 0
    line, step = (inside[:, 1:] != inside[:, :-1]).nonzero(as_tuple=True)
    low, high, first = places[step], places[step + 1], inside[line, step]
    for _ in range(halvings):
        middle = (low + high) / 2
        same = (depth(line, middle) > 0) == first
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    intervals: list[list[tuple[float, float]]] = []
    for i in range(len(others)):
        cuts = low[line == i].tolist()
        ends = [axis.lower] * bool(inside[i, 0]) + cuts + [axis.upper] * bool(inside[i, -1])
        intervals.append(list(zip(ends[::2], ends[1::2], strict=True)))
    return intervals
