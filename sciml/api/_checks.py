"""What ``sciml doctor`` looks at."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

from sciml.api._failures import failures
from sciml.core import paths, registry
from sciml.core.errors import StorageError

_REQUIRED = ("torch", "numpy", "scipy", "xarray", "h5py", "h5netcdf", "pydantic", "matplotlib", "safetensors")
_LAZY = ("deepxde", "torchdiffeq", "torchsde", "pysr", "pyoperon", "sympy", "scikit-learn", "cantera")
_EXTRAS = {"onnx": "export", "zarr": "zarr", "dask": "cluster", "tensorboard": "track"}


class Check(NamedTuple):
    """One finding: ``ok``, ``missing`` (optional, so some verbs will say no) or ``fail``."""

    name: str
    state: str
    detail: str


def doctor() -> list[Check]:
    """Check this installation: versions, device, cache folder, optional engines; every check, in order."""
    return [*_packages(), _cache(), _disk(), *_torch(), _julia(), _content(), *_entries()]


def _packages() -> Iterator[Check]:
    for name in (*_REQUIRED, *_LAZY):
        version = _version(name)
        yield Check(name, "ok" if version else "fail", version or "not installed: `python -m pip install sciml` again")
    for name, extra in _EXTRAS.items():
        version = _version(name)
        yield Check(name, "ok" if version else "missing", version or f"optional: pip install 'sciml[{extra}]'")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cache() -> Check:
    folder = paths.home()
    try:
        paths.make_folder(folder)
        with paths.storage_errors(folder), tempfile.TemporaryFile(dir=folder):
            return Check("cache folder", "ok", str(folder))
    except StorageError as error:
        return Check("cache folder", "fail", str(error))


def _disk() -> Check:
    folder = paths.home()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    return Check("free disk", "ok" if free > 1 else "fail", f"{free:.1f} GiB where the cache is")


def _torch() -> Iterator[Check]:
    import torch

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    yield Check("device", "ok", device)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    yield Check("threads", "ok", f"{torch.get_num_threads()} torch threads, {os.cpu_count()} cores, load {load:.1f}")


def _julia() -> Check:
    path = shutil.which("julia")
    return Check("julia", "ok" if path else "missing", path or "optional: PySR needs it; pyoperon does not")


def _content() -> Check:
    folders = sorted(registry.problem_folders())
    return Check("problems", "ok" if folders else "fail", ", ".join(folders) or "none: the installation is incomplete")


def _entries() -> Iterator[Check]:
    for failure in failures():
        yield Check(f"{failure.kind} {failure.name}", "fail", failure.reason)
