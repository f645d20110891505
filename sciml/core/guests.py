"""A guest in somebody's program: what a run, or a package that it imports, sets of the process, is put back.

Importing DeepXDE may move torch's default device to a GPU, set default dtypes and seeds, print, and write a file in the
home directory. `deepxde` is the only place where it is imported; the backend is chosen before, and afterwards device,
dtype, random generators and the environment are what they were.
"""

import contextlib
import importlib
import io
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import torch

from sciml.core import rng

_TURN = threading.RLock()
"""Initialisation and dropout draw from torch's global generators, so runs in threads take turns: each gives the numbers
it gives alone."""
_BACKEND = "DDE_BACKEND"
_chosen_device: list[torch.device] = []  # what DeepXDE made torch's default when it was imported


@contextmanager
def deepxde() -> Iterator[Any]:  # Any: the package, which has no types
    """The package, for use inside the ``with`` block only; what it changes in the process is put back after it."""
    device, dtype, generators = torch.get_default_device(), torch.get_default_dtype(), rng.state()
    variable = os.environ.get(_BACKEND)
    os.environ[_BACKEND] = "pytorch"
    package: ModuleType | None = None
    precision = ""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            package = importlib.import_module("deepxde")
        if not _chosen_device:
            _chosen_device.append(torch.get_default_device())
        _set_device(_chosen_device[0])
        precision = package.config.default_float()
        yield package
    finally:
        if package is not None and package.config.default_float() != precision:
            with contextlib.redirect_stdout(io.StringIO()):
                package.config.set_default_float(precision)
        _set_device(device)
        torch.set_default_dtype(dtype)
        rng.restore(generators)
        if variable is None:
            os.environ.pop(_BACKEND, None)
        else:
            os.environ[_BACKEND] = variable


def _set_device(device: torch.device) -> None:
    """Make a device torch's default; a default that is set, even the CPU, costs every later call of torch some time."""
    if torch.get_default_device() != device:
        torch.set_default_device(None if device == torch.device("cpu") else device)


@contextmanager
def as_guest(threads: int | None = None) -> Iterator[None]:
    """Work in float32 on the CPU by default, with gradients, without autocast, and leave the process as it was found.

    Put back are the global generators, number of torch threads, default dtype, default device, grad mode, autocast,
    precision of products of matrices, and what libraries do to filters of warnings and to OpenMP's variables when they
    are first imported.

    Arguments:
        threads: torch threads while it lasts; None for as many as there are.
    """
    with _TURN:
        generators, before = rng.state(), torch.get_num_threads()
        dtype, environment = torch.get_default_dtype(), dict(os.environ)
        precision = torch.get_float32_matmul_precision()
        torch.set_num_threads(threads or before)
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision("highest")
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
            torch.set_float32_matmul_precision(precision)
            torch.set_default_dtype(dtype)
            torch.set_num_threads(before)
            rng.restore(generators)
            _restore(environment)


def _restore(environment: dict[str, str]) -> None:
    """Take back the settings of OpenMP that scikit-learn leaves; other variables may be another thread's."""
    for name in [name for name in os.environ if name.startswith("KMP_") and name not in environment]:
        del os.environ[name]
