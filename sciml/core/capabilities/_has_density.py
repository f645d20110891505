"""Probability densities."""

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.problem import Problem


class HasDensity(Problem):
    """Offers probability densities that can be sampled, some of them known in closed form."""

    shapes: tuple[str, ...]
    """Names of the densities."""

    @abstractmethod
    def sample(self, shape: str, count: int, generator: torch.Generator) -> Float[Tensor, "sample dim"]:
        """`count` independent draws from the density named `shape`. Raises UnknownNameError for another name."""

    @abstractmethod
    def log_density(self, shape: str, points: Float[Tensor, "point dim"]) -> Float[Tensor, " point"] | None:
        """The true log density at `points`; None where it is not known."""
