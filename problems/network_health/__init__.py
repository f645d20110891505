"""Networks early in their training, sound ones and sabotaged ones, to be told apart by what is seen of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core import registry
from sciml.core.capabilities import Classifies

SEEN = "network_signatures"
"""The problem whose numbers are seen here, too."""


@dataclass(frozen=True, kw_only=True)
class NetworkHealth(Classifies):
    """192 networks after 100 steps on the flow through a borehole: 32 as they should be, 32 of each fault.

    What to expect: the training loss alone shows most that something is wrong, not what.
    """

    classes: tuple[str, ...] = ("healthy", "slow", "fast", "large", "shuffled", "dead")

    def samples(self) -> tuple[Tensor, Tensor]:
        """One row of moments per network and what was done to it; trained when they are first asked for."""
        from .ward import networks  # loads the tools, which no other problem needs

        found = networks(self.classes)
        rows = [[member.row[field.name] for field in self.fields] for _, member in found]
        return torch.tensor(rows), torch.tensor([self.classes.index(fault) for fault, _ in found])


PROBLEM = NetworkHealth(
    name="network_health",
    title="Faults of networks, early in training",
    equation="(⟨W⟩, ⟨s⟩, ⟨S⟩, ⟨A⟩, …) ↦ fault",
    fields=registry.problem(SEEN).fields,
    boundary={},
    metrics=("accuracy", "nll"),
    solver="resnet",
    citation="E. La Malfa, G. La Malfa, G. Nicosia, V. Latora, Deep Neural Networks via Complex Network Theory: a "
    "Perspective, IJCAI 2024, arXiv:2404.11172",
)
