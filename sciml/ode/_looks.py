"""Where event functions are looked at in a step: a few places, and many where these do not show its course."""

from __future__ import annotations

import bisect
import functools
import itertools
import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_FINER = 16  # places for one, where a function is looked at again
_WIDE = 0.01  # parts of a step that are shorter are not divided
_STRANGE = 0.05  # of the largest value: how far cubics through the neighbours may miss
_UNEVEN, _TURN = 0.2, 2.4  # how far and how irregularly places are moved, in distances
_MANY = 8  # changes of sign after which a function is taken to oscillate


class Looks(NamedTuple):
    """Values of event functions in steps.

    Fields:
        places: in [0, 1], increasing, both ends among them.
        rows: which steps.
        values: of the functions there.
    """

    places: Float[Tensor, " place"]
    rows: Int[Tensor, " row"]
    values: Float[Tensor, "place row event"]

    def some(self, which: Bool[Tensor, " row"]) -> Looks:
        """Those of some steps."""
        return Looks(self.places, self.rows[which], self.values[:, which])

    def crossed_or_restless(self) -> Bool[Tensor, " row"]:
        """Steps that are worth another look: three zeros may lie where one is seen."""
        return self.restless() | changed(self.values[:-1], self.values[1:]).any(0).any(1)

    def unresolved(self) -> Bool[Tensor, " row"]:
        """Steps in which there is more than many looks show. Truth values have no course, and are counted only."""
        truth = (self.values.abs() == 1).all(0).all(1)
        often = (changed(self.values[:-1], self.values[1:]).sum(0) >= _MANY).any(1)
        return often | (self.restless() & ~truth)

    def restless(self) -> Bool[Tensor, " row"]:
        """Steps in which a function does more than was seen.

        Cubics through neighbouring places either miss the places between them, or change their sign, or come near zero
        and turn, where no look fell.
        """
        weights, inner = _weights(tuple(self.places.tolist()))
        values = self.values.double().flatten(1)
        made = weights.to(values) @ values
        known, course = made[: len(inner)], made[len(inner) :]
        size = values.abs().amax(0)
        missed = (known - values[inner]).abs().amax(0)
        near, sides = course.abs(), course.sign()
        more = (sides[1:] != sides[:-1]).sum(0) > (values[1:].sign() != values[:-1].sign()).sum(0)
        turns = (near[1:-1] < near[:-2]) & (near[1:-1] <= near[2:]) & (sides[:-2] == sides[2:])
        touches = (turns & (near[1:-1] <= missed)).any(0)
        return ((missed > _STRANGE * size) | more | touches).view(self.values.shape[1:]).any(1)


def changed(before: Float[Tensor, "..."], after: Float[Tensor, "..."]) -> Bool[Tensor, "..."]:
    """Whether the sign changes, to zero too; a start on the zero itself is no change."""
    return ((before < 0) & (after >= 0)) | ((before > 0) & (after <= 0))


def finer(places: Float[Tensor, " place"]) -> Float[Tensor, " finer"]:
    """The same places and many between them."""
    return places.new_tensor(_finer(tuple(places.tolist())))


def _finer(places: tuple[float, ...]) -> tuple[float, ...]:
    """At uneven distances: a wave whose period is that of even ones would look like a slow one."""
    made = [0.0]
    for low, high in itertools.pairwise(places):
        parts = _FINER if high - low > _WIDE else 1
        made += [low + (high - low) * (k + _UNEVEN * math.sin(_TURN * len(made) + k)) / parts for k in range(1, parts)]
        made.append(high)
    return tuple(made)


@functools.lru_cache(maxsize=32)
def _weights(places: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Weights of values for those at inner places, from their neighbours, and at finer ones; and which are inner."""
    last = len(places) - 1
    inner = [k for k in range(1, last) if _WIDE < places[k] < 1 - _WIDE]
    rows = []
    for k in inner:
        others = sorted((m for m in range(last + 1) if m != k), key=lambda m: (abs(m - k), m))[:4]
        rows.append(_cubic(places, sorted(others), places[k]))
    for place in _finer(places):
        first = min(max(bisect.bisect_left(places, place) - 2, 0), max(last - 3, 0))
        rows.append(_cubic(places, range(first, min(first + 4, last + 1)), place))
    return torch.tensor(rows, dtype=torch.float64), torch.tensor(inner)


def _cubic(places: tuple[float, ...], of: range | list[int], at: float) -> list[float]:
    """Weights of Lagrange's polynomial through some of the places, for its value at another."""
    weights = [0.0] * len(places)
    for k in of:
        weight = 1.0
        for m in of:
            if m != k:
                weight *= (at - places[m]) / (places[k] - places[m])
        weights[k] = weight
    return weights
