"""The pictures as scikit-learn ships them, checked and scaled."""

import hashlib
from functools import lru_cache

import torch
from torch import Tensor

from sciml.core.errors import DataError

LEVELS = 16
"""Largest stored value: points that are inked in a block of 4 x 4."""
SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
"""Of the stored values (uint8, ``1797 8 8``) followed by the labels (uint8)."""


@lru_cache(maxsize=1)
def pictures() -> tuple[Tensor, Tensor]:
    """Pictures ``1797 1 8 8`` in [0, 1] (multiples of 1/16, exact in float32) and labels.

    Raises: DataError if the installed scikit-learn has other numbers than these.
    """
    from sklearn.datasets import load_digits  # imported here: it takes a second, and other problems need none of it

    stored = load_digits()
    values, labels = stored.images.astype("uint8"), stored.target.astype("uint8")
    digest = hashlib.sha256(values.tobytes() + labels.tobytes()).hexdigest()
    if digest != SHA256:
        raise DataError(
            "the digits in the installed scikit-learn differ from those of this problem",
            got=f"SHA-256 {digest[:12]}…, shape {values.shape}",
            expected=f"{SHA256[:12]}…, shape (1797, 8, 8)",
            fix="Reinstall scikit-learn.",
        )
    return torch.from_numpy(values).float()[:, None] / LEVELS, torch.from_numpy(labels).long()
