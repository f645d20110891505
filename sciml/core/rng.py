"""Randomness as an argument: child seeds derived by name, generators made from them.

Child seeds are a hash of (seed, keys), so that they do not depend on worker, order or platform:
``derive(0, "train", 17)`` is the same number in every process of every run.
"""

import hashlib
import random
from typing import Any, cast

import numpy as np
import torch


def derive(seed: int, *keys: str | int) -> int:
    """A child seed in [0, 2^63) from a seed and a path of names or indices."""
    text = "\x1f".join([str(int(seed)), *(f"{type(key).__name__}:{key}" for key in keys)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *keys: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator seeded with ``derive(seed, *keys)``."""
    return torch.Generator(device=device).manual_seed(derive(seed, *keys))


def seed_everything(seed: int) -> None:
    """Seed the global python, numpy and torch generators; called once, by the entry point of a run."""
    random.seed(derive(seed, "python"))
    np.random.seed(derive(seed, "numpy") % 2**32)
    torch.manual_seed(derive(seed, "torch"))


def state() -> dict[str, Any]:  # Any: each library's own
    """The global generators' states as plain tensors and numbers (loadable with ``weights_only=True``)."""
    kind, keys, position, has_gauss, cached = cast(tuple[str, np.ndarray, int, int, float], np.random.get_state())
    version, words, gauss = random.getstate()
    return {
        "python": [version, list(words), gauss],
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore(saved: dict[str, Any]) -> None:  # Any: of `state`
    """Put back what `state` returned."""
    version, words, gauss = saved["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, position, has_gauss, cached = saved["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(saved["torch"])
    if saved["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(saved["cuda"])
