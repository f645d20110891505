"""Where a result came from: versions, hardware, commit."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

_PACKAGES = ("sciml", "torch", "numpy", "scipy", "xarray", "h5py")


def versions() -> dict[str, str]:
    """Versions of python and of the packages a result depends on."""
    by_package = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            by_package[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            by_package[name] = "unknown"
    return by_package


def hardware(device: torch.device) -> dict[str, Any]:  # Any: JSON
    """Processor, threads, load at this moment, accelerator, and what somebody set of torch that changes last digits."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        **({} if torch.backends.mkldnn.enabled else {"onednn": "off"}),
        **({"deterministic": "on"} if torch.are_deterministic_algorithms_enabled() else {}),
    }


CODE = ("sciml", "problems", "datasets", "benchmarks", "pyproject.toml")
"""What results depend on; a report that is being written does not count as a change."""


def commit() -> str | None:
    """Commit of the checkout this package runs from, with ``+`` if its code has local changes; None outside one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True)
        changes = [*git, "status", "--porcelain", "--", *CODE]
        dirty = subprocess.run(changes, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
