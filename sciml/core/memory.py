"""How much memory there is, and refusals of what would need more, before it is taken.

Systems promise more memory than they have and end the process that uses it, without a word. So sizes are looked at
first, and a process that is ours may not ask for more than the machine has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from sciml.core.errors import ConfigError, UserError

try:
    import resource
except ImportError:  # no POSIX
    resource = None

_MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_ASKED = re.compile(r"you tried to allocate (\d+) bytes|(?:Unable to allocate|Tried to allocate) ([\d.]+ \w+)")
"""What torch, NumPy and CUDA say."""
_TENSORS = 20_000
"""Tensors of the largest network that is built; more are made one by one for minutes."""
_COPIES = 4
"""Of every weight while a network is trained: itself, its gradient, and the two moments of Adam."""


def check_training_memory(size: float, what: str) -> None:
    """Raise ConfigError if weights of so many bytes cannot be trained on this machine."""
    check_memory(_COPIES * size, f"training {what}", "Make it smaller.")


@lru_cache(maxsize=1)
def machine_memory() -> int:
    """Bytes this process can have at most: of the machine, or of the container it is in."""
    sizes = [1 << 62]
    try:
        text = Path("/proc/meminfo").read_text(encoding="utf-8")
        sizes.append(1024 * int(text.split("MemTotal:")[1].split()[0]))
    except (OSError, IndexError, ValueError):
        sizes.append(1 << 36)  # a guess where nobody tells
    for place in _MEMORY_LIMITS:
        try:
            sizes.append(int(Path(place).read_text(encoding="utf-8")))
        except (OSError, ValueError):  # no such group, or `max`
            continue
    return min(sizes)


def check_memory(size: float, what: str, fix: str = "") -> None:
    """Raise ConfigError if `what` needs more bytes than the machine has."""
    if not size <= machine_memory():
        raise ConfigError(f"{what} needs more memory than there is", got=said(size), expected=f"at most "
                          f"{said(machine_memory())}", fix=fix)  # fmt: skip


def said(size: float) -> str:
    """Bytes in words."""
    if size < 2**20:
        return f"{size:,.0f} bytes"
    return f"{size / 2**20:,.0f} MiB" if size < 2**30 else f"{size / 2**30:,.3g} GiB"


@contextmanager
def limited_memory() -> Iterator[None]:
    """Let this process, which is ours, take no more memory than the machine has: asking for more is an error at once.

    Left alone where a graphics card is in use: its driver reserves addresses without end.
    """
    if resource is None or not hasattr(resource, "RLIMIT_DATA") or Path("/proc/driver/nvidia/version").exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = machine_memory() if soft == resource.RLIM_INFINITY else min(soft, machine_memory())
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def memory_refusal(error: MemoryError | RuntimeError) -> UserError | None:
    """The error that says that memory did not suffice; None where that is not what happened."""
    words = " ".join(str(error).split())
    short = _ASKED.search(words)
    if not (isinstance(error, MemoryError) or short or "out of memory" in words.lower()):
        return None
    asked = next((group for group in short.groups() if group), "") if short else ""
    return UserError("this needs more memory than there is", got=said(int(asked)) if asked.isdigit() else asked or None,
                     expected=f"at most {said(machine_memory())} on this machine",
                     fix="Make the network, the batch or the grid smaller; what was finished is kept.")  # fmt: skip


@contextmanager
def bounded_building(what: str) -> Iterator[None]:
    """While a network is built: tensors too large to be trained, and tens of thousands of them, are a ConfigError.

    Sizes are looked at before the memory is taken. Raises: ConfigError that begins with `what`.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class _Bounded(TorchDispatchMode):
        taken, count = 0.0, 0

        def __torch_dispatch__(
            self,
            func: torch._ops.OpOverload,
            types: Sequence[type],
            args: Sequence[object] = (),
            kwargs: Mapping[str, object] | None = None,
        ) -> object:
            options = kwargs or {}
            shape = args[0] if args and func.namespace == "aten" else None
            if isinstance(shape, list | tuple) and shape and all(isinstance(n, int) for n in shape):
                self._count([int(n) for n in shape if isinstance(n, int)], options.get("dtype"))
            return func(*args, **options)

        def _count(self, shape: list[int], dtype: object) -> None:
            kept = dtype if isinstance(dtype, torch.dtype) else torch.get_default_dtype()
            size = float(math.prod(shape)) * kept.itemsize
            check_training_memory(size, what)
            self.count += 1
            if self.count > _TENSORS:
                raise ConfigError(f"{what} consists of too many parts", got=f"more than {_TENSORS:,} tensors",
                                  fix="Make it less deep.")  # fmt: skip

    try:
        with _Bounded():
            yield
    except RuntimeError as error:
        if "overflow" not in str(error):  # of the count of bytes, which torch finds before it asks us
            raise
        raise ConfigError(f"{what} needs more memory than there is", got="more bytes than can be counted",
                          expected=f"at most {said(machine_memory())}", fix="Make it smaller.") from None  # fmt: skip
