"""One process or several: the few things that differ under ``torchrun``."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sciml.core.errors import ConfigError


class Group(NamedTuple):
    """This process among its peers."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")
    """Where tensors that are sent to the others lie: NCCL takes those of a GPU only, gloo those of the CPU."""

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def share(self, batch_size: int) -> slice:
        """This process's rows of a global batch."""
        if batch_size % self.size:
            raise ConfigError(
                "the batch cannot be shared evenly", got=f"train.batch_size={batch_size} on {self.size} processes",
                expected=f"a multiple of {self.size}",
            )  # fmt: skip
        rows = batch_size // self.size
        return slice(self.rank * rows, (self.rank + 1) * rows)

    def any(self, flag: bool) -> bool:
        """Whether `flag` is set on any process."""
        if self.size == 1:
            return flag
        total = torch.tensor(float(flag), device=self.device)
        torch.distributed.all_reduce(total)
        return bool(total)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a scalar over the processes."""
        if self.size == 1:
            return value
        total = value.detach().to(self.device, copy=True)
        torch.distributed.all_reduce(total)
        return (total / self.size).to(value.device)

    def broadcast(self, value: float) -> float:
        """The leader's value, on every process."""
        if self.size == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self.device)
        torch.distributed.broadcast(shared, 0)
        return float(shared)

    def share_path(self, make: Callable[[], Path]) -> Path:
        """The path the leader makes, on every process."""
        if self.size == 1:
            return make()
        shared = [str(make()) if self.leads else ""]
        torch.distributed.broadcast_object_list(shared, 0, device=self.device)
        return Path(shared[0])

    def wait(self) -> None:
        """Meet the other processes."""
        if self.size > 1:
            torch.distributed.barrier(device_ids=[self.device.index] if self.device.type == "cuda" else None)


class Objective(nn.Module):
    """The loss as a module, so that `DistributedDataParallel` sees one forward pass per batch."""

    def __init__(
        self,
        module: nn.Module,
        loss: Callable[[nn.Module, Any, float], Tensor],  # Any: the batch of some task
    ) -> None:
        super().__init__()
        self.module = module
        self._loss = loss

    def forward(self, batch: Any, along: float = 1.0) -> Tensor:  # Any: a batch of the task
        """The mean loss over the samples of `batch` when the share `along` of the training is done."""
        return self._loss(self.module, batch, along)


def wrap(objective: Objective, group: Group) -> nn.Module:
    """Average gradients over the processes if there are several."""
    return DistributedDataParallel(objective) if group.size > 1 else objective


def local_device(device: torch.device) -> torch.device:
    """The device of this process: under ``torchrun`` each one on a machine takes the GPU of its own number.

    Where there are more processes than GPUs they share them in turn, which gloo serves, and NCCL refuses.

    Arguments:
        device: what was asked for; ``cuda`` without a number, or a number that all would take.

    Raises: ConfigError for a ``LOCAL_RANK`` that is no number.
    """
    if device.type != "cuda" or "LOCAL_RANK" not in os.environ or _stated("WORLD_SIZE", 1) == 1:
        return device
    return torch.device("cuda", _stated("LOCAL_RANK", 0) % max(1, torch.cuda.device_count()))


def _stated(name: str, default: int) -> int:
    """A count that ``torchrun`` leaves in the environment. Raises ConfigError for a text that is none."""
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise ConfigError(f"{name} is no number of a process", got=repr(text), fix="Start with torchrun.")
    return int(text)


@contextmanager
def process_group(device: torch.device) -> Iterator[Group]:
    """Join the processes that ``torchrun`` started, or be alone.

    Arguments:
        device: of this process, as `local_device` says. CPUs speak by gloo; GPUs by NCCL, but for processes that share
            one, which NCCL does not serve, by gloo.

    Raises: ConfigError where the environment speaks of several processes and does not say how they meet.
    """
    size = _stated("WORLD_SIZE", 1)
    if size <= 1 or torch.distributed.is_initialized():
        yield current_group()
        return
    alone = _stated("LOCAL_WORLD_SIZE", size) <= torch.cuda.device_count()
    before = None
    if device.type == "cuda":
        before = torch.cuda.current_device()
        torch.cuda.set_device(device)
    try:
        if device.type == "cuda" and alone:
            torch.distributed.init_process_group("nccl", device_id=device)
        else:
            torch.distributed.init_process_group("gloo")
    except (ValueError, torch.distributed.DistError) as error:  # torch's own words name the variable that is missing
        raise ConfigError(
            f"the {size} processes that WORLD_SIZE speaks of cannot be joined: {str(error).splitlines()[0]}",
            got=", ".join(f"{name}={os.environ.get(name)}" for name in ("RANK", "MASTER_ADDR", "MASTER_PORT")),
            fix="Start with torchrun, or unset WORLD_SIZE.",
        ) from None
    try:
        yield current_group()
    finally:
        torch.distributed.destroy_process_group()
        if before is not None:
            torch.cuda.set_device(before)


def current_group() -> Group:
    """The group this process has joined; a group of one before it has."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return Group()
    sends_from_gpu = torch.distributed.get_backend() == "nccl"
    device = torch.device("cuda", torch.cuda.current_device()) if sends_from_gpu else torch.device("cpu")
    return Group(torch.distributed.get_rank(), torch.distributed.get_world_size(), device)
