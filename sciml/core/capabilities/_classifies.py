"""Labelled samples."""

from abc import abstractmethod

from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.problem import Problem


class Classifies(Problem):
    """Is a set of labelled samples."""

    classes: tuple[str, ...]
    """Names of the classes; a label is an index into them."""

    @abstractmethod
    def samples(self) -> tuple[Float[Tensor, "sample *shape"], Int[Tensor, " sample"]]:
        """All samples and their labels, in a fixed order."""
