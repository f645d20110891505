"""The one place where the layout on disk becomes the layout of tensors."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Windows of trajectories in physical units, channel first.

    Fields:
        inputs: the context the solver sees, ``batch history channel *space``.
        targets: what follows, ``batch horizon channel *space``.
        parameters: physical parameters in declaration order, ``batch parameter`` (zero columns if there are none).
        stride: stored frames between consecutive states of the window, ``batch``.
    """

    inputs: Float[Tensor, "batch history channel *space"]
    targets: Float[Tensor, "batch horizon channel *space"]
    parameters: Float[Tensor, "batch parameter"]
    stride: Float[Tensor, " batch"]

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        return replace(self, **{name: value.to(device) for name, value in vars(self).items()})

    def rows(self, rows: slice) -> "Batch":
        """A part of the batch (the share of one process or one accumulation step)."""
        return replace(self, **{name: value[rows] for name, value in vars(self).items()})

    def __len__(self) -> int:
        return len(self.inputs)
