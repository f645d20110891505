"""A guest in somebody's program: what a run sets of the process, it puts back."""

import threading
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

    Put back are the global generators, number of torch threads, default dtype, default device, grad mode and autocast.

    Arguments:
        threads: torch threads while it lasts; None for as many as there are.
    """
    with _TURN:
        generators, before = rng.state(), torch.get_num_threads()
        dtype = torch.get_default_dtype()
        torch.set_num_threads(threads or before)
        torch.set_default_dtype(torch.float32)
        try:
            with ExitStack() as stack:
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
