"""A guest in somebody's program: what a run sets of the process, it puts back."""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from sciml.core import rng

_TURN = threading.RLock()
"""Initialisation and dropout draw from torch's global generators, so runs in threads take turns: each gives the numbers
it gives alone."""


@contextmanager
def as_guest(threads: int | None = None) -> Iterator[None]:
    """Work in float32 on the CPU by default, with gradients, without autocast, and leave the process as it was found.

    Put back are the global generators, number of torch threads, default dtype, default device, grad mode, autocast,
    and what libraries do to filters of warnings and to OpenMP's variables when they are first imported.

    Arguments:
        threads: torch threads while it lasts; None for as many as there are.
    """
    with _TURN:
        generators, before = rng.state(), torch.get_num_threads()
        dtype, environment = torch.get_default_dtype(), dict(os.environ)
        torch.set_num_threads(threads or before)
        torch.set_default_dtype(torch.float32)
        try:
            with ExitStack() as stack:
                stack.enter_context(warnings.catch_warnings())
                stack.enter_context(torch.inference_mode(False))
                stack.enter_context(torch.enable_grad())
                for device in ("cpu", "cuda"):
                    if torch.is_autocast_enabled(device):
                        stack.enter_context(torch.autocast(device, enabled=False))
                if torch.get_default_device().type != "cpu":  # the context costs time with every call of torch
                    stack.enter_context(torch.device("cpu"))
                yield
        finally:
            torch.set_default_dtype(dtype)
            torch.set_num_threads(before)
            rng.restore(generators)
            _restore(environment)


def _restore(environment: dict[str, str]) -> None:
    """Take back the settings of OpenMP that scikit-learn leaves; other variables may be another thread's."""
    for name in [name for name in os.environ if name.startswith("KMP_") and name not in environment]:
        del os.environ[name]
