"""Trained networks, to be told apart by what is seen of their links and neurons."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import Classifies
from sciml.core.problem import Field

ARCHITECTURES = ("dense", "autoencoder", "convolutional", "residual")
ACTIVATIONS = ("tanh", "relu", "gelu")

_SEEN = {
    "links_{}_weights": "weights times the root of their number, {} layer",
    "nodes_{}_strength": "strength of nodes over the root of their links, {} layer",
    "neurons_{}_strength": "mean pre-activation of neurons, {} layer",
    "neurons_{}_activation": "mean activation of neurons, {} layer",
    "neurons_{}_activation_spread": "deviation of activations over the data, {} layer",
    "neurons_{}_flat": "share of the data on which neurons are flat, {} layer",
}
_MOMENTS = {"mean": "mean", "std": "standard deviation", "skewness": "skewness", "kurtosis": "excess kurtosis"}


@dataclass(frozen=True, kw_only=True)
class NetworkSignatures(Classifies):
    """192 small networks that denoise waves: four architectures, each with three activations, 16 of either.

    What to expect: weights alone give the architecture away, neurons the activation, too.
    """

    classes: tuple[str, ...] = tuple(f"{a}_{b}" for a in ARCHITECTURES for b in ACTIVATIONS)

    def samples(self) -> tuple[Tensor, Tensor]:
        """One row of moments per network and its kind; the networks are trained when they are first asked for."""
        from .zoo import networks  # loads the tools, which no other problem needs

        found = networks()
        rows = [[member.row[field.name] for field in self.fields] for _, _, member in found]
        labels = [self.classes.index(f"{architecture}_{nonlinearity}") for architecture, nonlinearity, _ in found]
        return torch.tensor(rows), torch.tensor(labels)


def _fields() -> tuple[Field, ...]:
    moments = [
        Field(f"{name.format(place)}_{moment}", "asinh m", "1", f"{words} of {seen.format(place)}")
        for name, seen in _SEEN.items()
        for place in ("first", "middle", "last")
        for moment, words in _MOMENTS.items()
    ]
    return (*moments, Field("training_loss", "ln L", "1", "logarithm of the training loss"))


PROBLEM = NetworkSignatures(
    name="network_signatures",
    title="Architecture and activation of networks",
    equation="(⟨W⟩, ⟨s⟩, ⟨S⟩, ⟨A⟩, …) ↦ (architecture, φ)",
    fields=_fields(),
    boundary={},
    metrics=("accuracy", "nll"),
    solver="resnet",
    citation="E. La Malfa, G. La Malfa, G. Nicosia, V. Latora, Deep Neural Networks via Complex Network Theory: a "
    "Perspective, IJCAI 2024, arXiv:2404.11172",
)
