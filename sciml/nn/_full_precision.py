"""Where half precision would lose too much."""

import torch
from torch import Tensor


def full_precision(like: Tensor) -> torch.autocast:
    """A context in which operations on the device of `like` keep the precision of their arguments.

    Tensors without memory (device ``meta``), on which shapes are tried, have no autocast to switch off.
    """
    return torch.autocast("cpu" if like.is_meta else like.device.type, enabled=False)
