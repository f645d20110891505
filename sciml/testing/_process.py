"""What belongs to the whole process, and which a guest in somebody's program leaves as it was."""

import logging
import os
import random
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch

GENERATOR = "torch generator"
"""The entry of `process_state` that building a module may draw from."""


def process_state() -> Mapping[str, object]:
    """Generators, defaults of torch, style of figures, filters of warnings, environment and folder, to be compared."""
    return {
        # the type checks of the tests draw from it to choose what they look at
        "python generator": None if "beartype" in sys.modules else random.getstate(),
        "numpy generator": tuple(map(str, np.random.get_state(legacy=False)["state"].values())),  # pyright: ignore
        GENERATOR: bytes(torch.get_rng_state().numpy()),
        "default dtype": torch.get_default_dtype(),
        "default device": str(torch.get_default_device()),
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "anomaly detection": torch.is_anomaly_enabled(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "precision of products": torch.get_float32_matmul_precision(),
        "threads": torch.get_num_threads(),
        "print options": str(np.get_printoptions()),
        "floating-point errors": str(np.geterr()),
        "style of figures": dict(mpl.rcParams),
        "filters of warnings": list(warnings.filters),
        "log level": logging.getLogger().level,
        "log handlers": list(logging.getLogger().handlers),
        # torch names its cache when an optimiser is first imported
        "environment": {name: value for name, value in os.environ.items() if not name.startswith("TORCHINDUCTOR_")},
        "folder": str(Path.cwd()),
    }
