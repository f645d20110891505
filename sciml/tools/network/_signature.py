"""A network as a short row of numbers, for comparing networks of different width and depth."""

from collections.abc import Mapping

import torch
from torch import Tensor

from sciml.tools.network._activity import Neurons
from sciml.tools.network._links import Wiring
from sciml.tools.network._strength import node_strengths


def signature(wiring: Wiring, neurons: Mapping[str, Neurons]) -> dict[str, dict[str, float]]:
    """Moments of what is known of the first, the middle and the last but one layer, by kind and name.

    Mean, standard deviation (the fluctuation, of strengths), skewness and excess kurtosis over the vertices of a layer:
    ``links`` of its weights times √fan-in, ``nodes`` of s / √links, ``neurons`` of S, A, of how much A varies over the
    data and of the flat share. Nothing is invariant under rescaling a neuron's links in and out; compare networks of
    the same initialisation.
    """
    names = [name for name in wiring.links if name in neurons]
    hidden = names[:-1] or names
    nodes = {layer.name: layer.normalised for layer in node_strengths(wiring)}
    kinds: dict[str, dict[str, float]] = {"links": {}, "nodes": {}, "neurons": {}}
    for place, name in (("first", hidden[0]), ("middle", hidden[len(hidden) // 2]), ("last", hidden[-1])):
        link, layer = wiring.links[name], neurons[name]
        kinds["links"] |= _moments(f"{place}/weights", link.weights * link.fan_in**0.5)
        kinds["nodes"] |= _moments(f"{place}/strength", nodes[name])
        for what in ("strength", "activation", "activation_spread", "flat"):
            kinds["neurons"] |= _moments(f"{place}/{what}", getattr(layer, what))
    return kinds


def _moments(name: str, values: Tensor) -> dict[str, float]:
    """Of all entries; not finite ones make the moments so."""
    flat = values.detach().double().flatten()
    mean, std = flat.mean(), flat.std(unbiased=False)
    scaled = (flat - mean) / std if std > 0 else torch.zeros_like(flat)
    excess = scaled.pow(4).mean() - 3 if std > 0 else torch.zeros(())
    moments = {"mean": mean, "std": std, "skewness": scaled.pow(3).mean(), "kurtosis": excess}
    return {f"{name}/{moment}": float(value) for moment, value in moments.items()}
