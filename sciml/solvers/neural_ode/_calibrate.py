"""A look at the training data before training, to learn their scales."""

from typing import TypeVar

import torch

from sciml.core import rng
from sciml.data import Batch
from sciml.train import Examples

B = TypeVar("B", bound=Batch)

_MOST = 512  # examples that are looked at


def spread(examples: Examples[B]) -> B:
    """A batch of training examples spread evenly over all of them, the same whenever it is asked for."""
    chosen = torch.linspace(0, len(examples) - 1, min(len(examples), _MOST)).long()
    return examples.batch(chosen, rng.generator(0, "scales"))
