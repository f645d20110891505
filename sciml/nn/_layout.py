"""Between the tensors of a forecast and the image-like tensors of a network."""

import torch
from jaxtyping import Float
from torch import Tensor


def fold_time(states: Float[Tensor, "batch history channel y x"]) -> Float[Tensor, "batch features y x"]:
    """History and channels as one feature axis, time first, stored channels last (faster convolutions on a CPU)."""
    return states.flatten(1, 2).contiguous(memory_format=torch.channels_last)


def unfold_time(features: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch 1 channel y x"]:
    """One predicted frame."""
    return features.contiguous().unsqueeze(1)
