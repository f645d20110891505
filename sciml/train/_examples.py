"""What the trainer draws from."""

from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

B_co = TypeVar("B_co", covariant=True)


@runtime_checkable
class Examples(Protocol[B_co]):
    """Numbered samples that collate into a batch."""

    def __len__(self) -> int: ...

    def batch(self, indices: Tensor, generator: torch.Generator) -> B_co:
        """The samples at `indices` as one batch.

        `generator` is for augmentation (noise); it is a function of seed and step, so that a resumed run repeats it.
        """
        ...
