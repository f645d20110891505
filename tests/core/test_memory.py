"""Sizes are looked at before memory is taken."""

import resource

import pytest
import torch
from torch import nn

from sciml.core import memory
from sciml.core.errors import ConfigError


def test_the_memory_of_the_machine_is_known():
    assert 2**28 < memory.machine_memory() < 2**62


def test_a_tensor_larger_than_the_memory_is_never_made():
    words = r"training the network needs more memory than there is; got \d"
    with pytest.raises(ConfigError, match=words), memory.bounded_building("the network"):
        nn.Linear(10_000_000, 10_000_000)


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("width", [100_000_000, 3_000_000_000])
def test_more_bytes_than_can_be_counted_are_refused_on_any_device(device, width):
    words = "the network needs more memory than there is"
    with pytest.raises(ConfigError, match=words), torch.device(device), memory.bounded_building("the network"):
        nn.Conv2d(width, width, 3)


def test_a_tensor_that_fits_but_cannot_be_trained_is_never_filled():
    size = memory.machine_memory() // 2
    with pytest.raises(ConfigError, match="training the network needs"), memory.bounded_building("the network"):
        torch.empty(size, dtype=torch.uint8)


def test_parts_without_end_are_refused():
    with (
        pytest.raises(ConfigError, match="the network consists of too many parts"),
        memory.bounded_building("the network"),
    ):
        [nn.Linear(1, 1) for _ in range(30_000)]


def test_what_fits_is_built_as_it_is():
    torch.manual_seed(0)
    plain = nn.Linear(3, 4).weight
    torch.manual_seed(0)
    with memory.bounded_building("the network"):
        assert torch.equal(nn.Linear(3, 4).weight, plain)


def test_a_process_asks_for_no_more_than_there_is_and_its_limit_is_put_back(monkeypatch):
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory.limited_memory():
        limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
        assert limit in (before[0], memory.machine_memory())
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "this needs more memory than there is"),
        (MemoryError("Unable to allocate 7.28 TiB for an array"), "got 7.28 TiB"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8000000000 bytes."),
            "got 7.45 GiB",
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB."), "got 20.00 GiB"),
    ],
)
def test_what_libraries_say_becomes_one_error(error, words):
    assert words in str(memory.memory_refusal(error))


def test_another_fault_is_none_of_memory():
    assert memory.memory_refusal(RuntimeError("shapes do not fit")) is None
