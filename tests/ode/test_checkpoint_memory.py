"""What gradients keep in memory: counted in bytes of live tensors, as the number of steps grows."""

import gc
import weakref

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sciml import ode

QUICK, LONG = (20, 40, 60, 80), pytest.param((100, 200, 500, 1000), marks=pytest.mark.slow)


class Bytes(TorchDispatchMode):
    """The bytes of all storages made inside and still alive, and the most there ever were."""

    def __init__(self):
        super().__init__()
        self.now = self.most = 0
        self.known = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor):
                self.see(value.untyped_storage())
        return result

    def see(self, storage):
        """Count a storage until it is gone."""
        if storage._cdata in self.known:
            return
        size = storage.nbytes()
        self.known.add(storage._cdata)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self.gone, storage._cdata, size)

    def gone(self, key, size):
        """Forget it."""
        self.known.discard(key)
        self.now -= size


class Field(torch.nn.Module):
    """A small network."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 8))

    def forward(self, time, state):
        return self.net(state) + torch.sin(time)[:, None]


def peak(gradient, count, method="rk4"):
    """The most bytes alive while a loss and its gradient are computed with so many steps."""
    field = Field()
    y0 = torch.ones(4, 8, requires_grad=True)
    gc.collect()
    with Bytes() as bytes_:
        solution = ode.solve(field, y0, torch.tensor([0.0, 1.0]), method=method, step=1 / count, gradient=gradient)
        solution.states[:, 1].square().sum().backward()
    assert solution.stats.accepted.tolist() == [count] * 4
    assert all(bool(p.grad.any()) for p in field.parameters())
    return bytes_.most


def test_bytes_are_counted():
    with Bytes() as bytes_:
        kept = torch.zeros(1000)
        assert bytes_.now == bytes_.most == 4000
        view = kept.view(10, 100)
        assert bytes_.now == 4000
        del kept
        assert bytes_.now == 4000
        del view
        assert bytes_.now == 0
        torch.zeros(500)
        assert bytes_.now == 0 and bytes_.most == 4000


@pytest.mark.parametrize("counts", [QUICK, LONG])
def test_a_budget_of_checkpoints_keeps_memory_flat(counts):
    few, many = (peak(ode.Checkpointed(budget=4), count) for count in (counts[0], counts[-1]))
    assert abs(many - few) <= 0.1 * few


@pytest.mark.parametrize("counts", [QUICK, LONG])
def test_the_adjoint_keeps_memory_flat(counts):
    few, many = (peak(ode.Adjoint(), count) for count in (counts[0], counts[-1]))
    assert abs(many - few) <= 0.05 * few


@pytest.mark.slow
def test_without_a_budget_memory_grows_like_the_root_of_the_steps():
    few, many = (peak(ode.Checkpointed(), count) for count in (100, 1000))
    assert few < many < 5 * few


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schedule", "counts"),
    [("graph", QUICK), *(pytest.param(s, LONG.values[0], marks=LONG.marks) for s in ("graph", "stacked"))],
)
def test_remembering_every_step_grows_with_their_number(schedule, counts):
    most = [peak(ode.Discrete(schedule=schedule), count) for count in counts]
    slope, start = np.polyfit(counts, most, 1)
    rest = np.array(most) - (slope * np.array(counts) + start)
    assert slope > 0 and 1 - rest.var() / np.var(most) > 0.99
    assert most[-1] > 0.5 * counts[-1] / counts[0] * most[0]
