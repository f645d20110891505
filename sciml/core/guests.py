"""Packages that change the process they are imported into, and what is done about it.

Importing DeepXDE may move torch's default device to a GPU, set default dtypes and seeds, print, and write a file in the
home directory. `deepxde` is the only place where it is imported; the backend is chosen before, and afterwards device,
dtype, random generators and the environment are what they were.
"""

import contextlib
import importlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

from sciml.core import rng

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
