"""Peak memory of one call, and the size of a module's weights on disk."""

from collections.abc import Callable

import safetensors.torch
import torch
from torch import nn
from torch._C._autograd import _disable_profiler_legacy, _enable_profiler_legacy
from torch._C._profiler import ProfilerConfig, ProfilerState, _ExperimentalConfig


def peak_memory(call: Callable[[], object], device: torch.device | str = "cpu") -> int:
    """Bytes allocated at the height of `call`, which is made once, beyond what was allocated before it.

    On a CPU these are the allocations of torch, its kernels' workspaces included, but not of libraries it calls; on a
    GPU those of torch's caching allocator, whose peak statistics of the process are reset.
    """
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    # The allocator's own records: a dispatch mode sees no workspaces, which double the memory of a convolution, and
    # the public profiler takes seconds to start, writes to the terminal and loses the order of events.
    _enable_profiler_legacy(ProfilerConfig(ProfilerState.CPU, False, True, False, False, False, _ExperimentalConfig()))
    try:
        call()
    finally:
        records = _disable_profiler_legacy()
    held = peak = 0
    for thread in records:
        for record in thread:
            if record.kind() == "memory_alloc":
                held += record.cpu_memory_usage()
                peak = max(peak, held)
    return peak


def file_size(module: nn.Module) -> int:
    """Bytes of a module's parameters and buffers as a safetensors file; what layers share is there once."""
    tensors = {id(value): (name, value) for name, value in module.state_dict(keep_vars=True).items()}
    return len(safetensors.torch.save({name: value.detach().clone() for name, value in tensors.values()}))
