"""What a gradient through many steps holds in memory, and what holding less of it costs in time.

Classical Runge-Kutta steps of fixed number through a small network, forward and backward. Memory is the largest number
of bytes that tensors made during the work occupied at one time, counted storage by storage.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torchdiffeq
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks import Row, difference, paired, version
from sciml import ode

BATCH, WIDTH = 64, 64
SPAN = 2.0


class Field(nn.Module):
    """One hidden layer."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(size, WIDTH), nn.Tanh(), nn.Linear(WIDTH, size))

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        """The slope."""
        return self.layers(state)


class PeakMemory(TorchDispatchMode):
    """Counts the bytes of the storages made while it is on, and keeps the largest sum that was alive at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.peak = 0, 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        inputs = {id(t.untyped_storage()) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor) and id(value.untyped_storage()) not in inputs:
                self._watch(value.untyped_storage())
        return result

    def _watch(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, key, size).atexit = False

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def race(quick: bool) -> Iterable[Row]:
    """Rows for 100, 300 and 1000 steps with every way to make a gradient, for a small and a larger state."""
    repeats = 3 if quick else 5
    for size in (16,) if quick else (2, 16):
        for steps in (100, 400) if quick else (100, 300, 1000):
            yield from _against(size, steps, repeats)


def _against(size: int, steps: int, repeats: int) -> Iterator[Row]:
    torch.manual_seed(0)
    field, start = Field(size), torch.randn(BATCH, size)
    discrete = _gradient(field, start, _ours(steps, ode.Discrete()))
    sides = {
        "Checkpointed": _gradient(field, start, _ours(steps, ode.Checkpointed())),
        "Checkpointed, 8 kept": _gradient(field, start, _ours(steps, ode.Checkpointed(budget=8))),
        "Adjoint": _gradient(field, start, _ours(steps, ode.Adjoint())),
    }
    held = memory(discrete)
    for name, side in sides.items():
        yield _row(f"{steps} steps, {size} x {BATCH}, {name}", side, "Discrete", discrete, held, repeats)
    backprop = _gradient(field, start, _torchdiffeq(steps))
    case = f"{steps} steps, {size} x {BATCH}, Discrete"
    yield _row(case, discrete, "torchdiffeq", backprop, memory(backprop), repeats)


def _row(
    case: str, ours: Callable[[], Tensor], peer: str, theirs: Callable[[], Tensor], held: int, repeats: int
) -> Row:
    equal, note = difference(ours(), theirs()), f"{memory(ours) / 1e6:.2f} MB against {held / 1e6:.2f} MB"
    ours_s, peer_s = paired(ours, theirs, repeats=repeats, warmup=0)
    number = version("torchdiffeq" if peer == "torchdiffeq" else "sciml")
    return Row(case=case, ours_s=ours_s, peer=peer, peer_version=number, peer_s=peer_s, equal=equal, note=note)


def memory(work: Callable[[], Any]) -> int:
    """Largest number of bytes held by tensors made during the work."""
    with PeakMemory() as counted:
        work()
    return counted.peak


def _gradient(field: nn.Module, start: Tensor, solve: Callable[[nn.Module, Tensor], Tensor]) -> Callable[[], Tensor]:
    """Gradient of the mean square of the last state, as one vector."""

    def run() -> Tensor:
        grads = torch.autograd.grad(solve(field, start).square().mean(), list(field.parameters()))
        return torch.cat([grad.flatten() for grad in grads])

    return run


def _ours(steps: int, gradient: Any) -> Callable[[nn.Module, Tensor], Tensor]:
    times = torch.tensor([0.0, SPAN])

    def solve(field: nn.Module, start: Tensor) -> Tensor:
        return ode.solve(field, start, times, method="rk4", step=SPAN / steps, gradient=gradient).states[:, -1]

    return solve


def _torchdiffeq(steps: int) -> Callable[[nn.Module, Tensor], Tensor]:
    times = torch.tensor([0.0, SPAN])

    def solve(field: nn.Module, start: Tensor) -> Tensor:
        options = {"step_size": SPAN / steps}
        return torchdiffeq.odeint(field, start, times, method="rk4", options=options)[-1]

    return solve
