"""``python -m benchmarks NAME [--quick] [--threads N] [--json FILE] [--figures FOLDER]``: run a race, print it."""

import argparse
import importlib
import json
import os
import pkgutil
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import benchmarks
from benchmarks import Row, version

PACKAGES = ("sciml", "torch", "numpy", "scipy", "xarray", "h5py", "h5netcdf", "torchdiffeq", "torchode")


def names() -> list[str]:
    """The races: public modules of this folder."""
    return sorted(
        module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")
    )


def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def conditions(threads: int) -> dict[str, Any]:
    """Everything besides the code that a time depends on."""
    return {
        "threads": threads,
        "load_before": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "processor": processor(),
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def line(row: Row) -> str:
    """One row of the table."""
    peer = f"{row.peer} {row.peer_version or ''}".strip()
    times = (
        f"{row.ours_s:>10.4g} {'-':>10} {'-':>7}"
        if row.peer_s is None
        else f"{row.ours_s:>10.4g} {row.peer_s:>10.4g} {row.ratio:>7.2f}"
    )
    equal = "-" if row.equal is None else f"{row.equal:.1e}"
    return f"{row.case:<48} {times} {equal:>8}  {peer}{'  | ' + row.note if row.note else ''}"


def main(arguments: list[str] | None = None) -> int:
    """Parse the command, run the race, print rows as they come, write the JSON if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("name", choices=names(), help="the race to run")
    parser.add_argument("--quick", action="store_true", help="fewer cases and repeats")
    parser.add_argument("--threads", type=int, default=1, help="threads of the numerical libraries (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write rows and conditions here")
    parser.add_argument(
        "--figures", type=Path, metavar="FOLDER", help="draw the errors over time, where a race has them"
    )
    parser.add_argument("--draft", action="store_true", help="write the JSON in a checkout with local changes, too")
    options = parser.parse_args(arguments)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(options.threads)  # read by the libraries when the race imports them
    import torch

    from sciml.study import commit

    code = commit()
    if options.json and code and code.endswith("+") and not options.draft:
        parser.error(
            f"the code has local changes on {code[:12]}: commit them so that the JSON can be traced, or --draft"
        )
    torch.set_num_threads(options.threads)
    record = conditions(options.threads) | {"race": options.name, "quick": options.quick, "git": code}
    start = time.perf_counter()
    print(f"{'case':<48} {'ours s':>10} {'peer s':>10} {'ratio':>7} {'differ':>8}  peer")
    rows = []
    for row in importlib.import_module(f"benchmarks.{options.name}").race(options.quick):
        print(line(row), flush=True)
        rows.append(asdict(row) | {"ratio": row.ratio})
        if options.figures and row.trails:
            from benchmarks._trails import write_trails

            write_trails(row, options.figures)
    record |= {
        "seconds": time.perf_counter() - start,
        "load_after": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }
    if options.json:
        options.json.write_text(json.dumps(record | {"rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
