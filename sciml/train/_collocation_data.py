"""Points at which an equation and its conditions are asked to hold."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class CollocationBatch:
    """Points of one step.

    Arguments:
        points: inside the box, what the batch counts.
        faces: by number of a condition, points of its face.
        observed: where fields were observed; None if none were.
        values: what was observed there, one column per observed field.
    """

    points: Float[Tensor, "batch dim"]
    faces: Mapping[int, Float[Tensor, "face dim"]]
    observed: Float[Tensor, "observation dim"] | None = None
    values: Float[Tensor, "observation field"] | None = None
