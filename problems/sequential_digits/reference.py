"""The pictures that scikit-learn ships, as rows of 64 values."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.errors import DataError

LEVELS = 16
"""Largest stored value: points that are inked in a block of 4 x 4."""
COUNT, POINTS = 1797, 64


@lru_cache(maxsize=1)
def digits() -> tuple[Float[Tensor, "sample point"], Int[Tensor, " sample"]]:
    """Values in [0, 1], float64, and labels. Raises DataError where the installed scikit-learn has others."""
    from sklearn.datasets import load_digits  # imported here: it takes a second, and other problems need none of it

    values, labels = map(np.asarray, load_digits(return_X_y=True))
    if values.shape != (COUNT, POINTS) or values.max() != LEVELS:
        raise DataError("the digits in the installed scikit-learn differ from those of this problem",
                        got=f"shape {values.shape}", expected=f"({COUNT}, {POINTS})",
                        fix="Reinstall scikit-learn.")  # fmt: skip
    return torch.from_numpy(values).double() / LEVELS, torch.from_numpy(labels).long()
