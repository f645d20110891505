"""What predicting costs, measured."""

import threading
import time

import pytest
import torch
from torch import nn

from sciml.nn import MLP
from sciml.tools.cost import Cost, Latency, file_size, measure_cost, measure_latencies, peak_memory


def test_peak_memory_is_the_most_that_lives_at_once():
    x, w = torch.randn(1000, 100), torch.randn(100, 100)
    size = 1000 * 100 * 4

    def call():
        a = x @ w
        b = a + 1
        del a
        return b.relu()

    for _ in range(2):
        assert size * 2 <= peak_memory(call) < size * 2 + 100
    threaded = []
    thread = threading.Thread(target=lambda: threaded.append(peak_memory(call)))
    thread.start()
    thread.join()
    assert threaded == [peak_memory(call)]


def test_memory_freed_meanwhile_and_held_before_does_not_count():
    held = [torch.randn(1000)]

    def call():
        held.clear()
        return torch.zeros(10)

    assert peak_memory(call) <= 64
    assert peak_memory(lambda: None) == 0


def test_a_call_that_fails_leaves_the_records_in_order():
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        peak_memory(fail)
    assert peak_memory(lambda: torch.zeros(100)) == 400


def test_file_size_is_that_of_the_file(tmp_path):
    from safetensors.torch import save_file

    module = nn.BatchNorm1d(7)
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    assert file_size(module) == (tmp_path / "w.safetensors").stat().st_size
    tied = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    tied[1].weight = tied[0].weight
    assert file_size(tied) > 2 * 36


def test_latencies_are_measured_on_one_thread_which_is_undone():
    threads, seen = torch.get_num_threads(), set()
    torch.set_num_threads(2)
    try:
        latencies = measure_latencies(
            {
                "short": lambda: (seen.add(torch.get_num_threads()), time.sleep(0.001)),
                "long": lambda: time.sleep(0.003),
            },
            repeats=5,
            patience=2.0,
        )
        assert torch.get_num_threads() == 2
        with pytest.raises(ZeroDivisionError):
            measure_latencies({"bad": lambda: 1 / 0})
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert seen == {1}
    assert list(latencies) == ["short", "long"]
    assert 2.0 < latencies["long"].seconds / latencies["short"].seconds < 3.5
    assert all(0.001 <= each.seconds < 0.1 and each.spread >= 0 for each in latencies.values())
    assert all(each.repeats == 5 * each.passes and each.reference_seconds > 0 for each in latencies.values())


def test_patience_leaves_three_repeats_in_two_passes(monkeypatch):
    monkeypatch.setattr("sciml.tools.cost._latency.FEWEST", 3)
    calls = []
    latency = measure_latencies({"slow": lambda: (calls.append(1), time.sleep(0.002))}, patience=0.0)["slow"]
    assert (latency.repeats, latency.passes) == (6, 2)
    assert len(calls) == 6 + 3


def test_the_generator_of_the_process_stays():
    state = torch.get_rng_state()
    measure_latencies({"nothing": lambda: None}, repeats=3)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_whole_cost_of_a_module():
    module, x = MLP(4, 2, width=8).double(), torch.randn(16, 4, dtype=torch.float64)
    cost = measure_cost(module, module, x, batch=16, patience=0.0)
    assert cost.parameters == 4 * 8 + 8 + 8 * 2 + 2
    assert cost.flops == 2 * 16 * (4 * 8 + 8 * 2)
    assert cost.transform_flops == 0
    assert cost.peak_memory >= 16 * 8 * 8
    assert cost.file_size == file_size(module)
    conditions = cost.conditions
    assert (conditions.device, conditions.threads, conditions.dtype) == ("cpu", 1, "float64")
    assert (conditions.batch, conditions.grid) == (16, ())
    assert Cost.model_validate_json(cost.model_dump_json()) == cost
    beside = Latency(seconds=1.0, spread=0.0, reference_seconds=1.0, repeats=6, passes=2)
    assert measure_cost(module, module, x, batch=16, latency=beside).latency == beside
