"""What a layer says of its weights that their shape does not."""

from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

WeightMark = Literal["pairs", "vector"]
"""``pairs``: the last axis holds real and imaginary part of one complex number. ``vector``: it has one axis and
multiplies features, so that it is a weight and no bias or scale."""


@runtime_checkable
class MarksWeights(Protocol):
    """A layer with such weights. Parameters that must not be pulled to zero are named by `GroupsParameters`."""

    @property
    def weight_marks(self) -> Mapping[str, WeightMark]:
        """By the names of parameters."""
        ...
