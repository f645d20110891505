"""Which layer is ill: dead, saturated, blown up."""

import statistics
from collections.abc import Mapping
from typing import Literal, NamedTuple

from sciml.tools.network._activity import Neurons

Verdict = Literal["healthy", "dead", "saturated", "blown up", "not finite"]

MOST_DEAD, MOST_SATURATED = 0.5, 0.5
"""Shares of the neurons of a layer above which it is called so."""
BLOWN_UP = 100.0
"""How much larger than those of the median layer, and than 1, pre-activations are in a layer that is blown up."""


class Health(NamedTuple):
    """The state of one layer.

    Fields:
        verdict: in a word.
        dead, saturated: shares of its neurons.
        size: root mean square of its pre-activations.
    """

    verdict: Verdict
    dead: float
    saturated: float
    size: float


def diagnose(neurons: Mapping[str, Neurons]) -> dict[str, Health]:
    """A verdict on every layer; thresholds are rules of thumb, not tests of whether the network answers well."""
    finite = [layer.size for layer in neurons.values() if layer.finite]
    typical = max(1.0, statistics.median(finite)) if finite else 1.0
    return {
        name: Health(_verdict(layer, typical), layer.dead, layer.saturated, layer.size)
        for name, layer in neurons.items()
    }


def _verdict(layer: Neurons, typical: float) -> Verdict:
    if not layer.finite:
        return "not finite"
    if layer.size > BLOWN_UP * typical:
        return "blown up"
    if layer.dead > MOST_DEAD:
        return "dead"
    if layer.saturated > MOST_SATURATED:
        return "saturated"
    return "healthy"
