"""Evaluations of learned equations: summed over steps, over paths, and over the parts of a resumed training."""

import math

import pytest
import torch
from torch import nn

from sciml.core.errors import Interrupted
from sciml.models import IntegrateConfig, ODEBlock, SDENet
from sciml.train import TrainConfig, Trainer


class Decay(nn.Module):
    """dz/dt = -a z, one call per evaluation."""

    def __init__(self):
        super().__init__()
        self.rate, self.called = nn.Parameter(torch.ones(())), 0

    def forward(self, time, state):
        self.called += 1
        return -self.rate * state


class Rows:
    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def rows(self, rows):
        return Rows(self.x[rows])

    def to(self, device):
        return self


class Examples:
    def __len__(self):
        return 8

    def batch(self, indices, generator):
        return Rows(torch.ones(len(indices), 1) + indices[:, None])


def _trainer(folder, steps, block, validate=lambda module: 0.0):
    def loss(module, batch, along=1.0):
        states, _ = module(batch.x, torch.tensor([0.0, 1.0]))
        return (states[:, -1] - math.exp(-2)).square().mean()

    config = TrainConfig(steps=steps, batch_size=4, evaluate_every=1)
    return Trainer(block, loss, Examples(), validate, config, folder=folder, seed=0, identity={})


def _block():
    return ODEBlock(Decay(), integrate=IntegrateConfig(method="rk4", step=0.25))


def test_calls_of_all_steps_are_counted_and_those_of_validation_are_not(tmp_path):
    block, called = _block(), []

    def validate(module):
        before = module.field.called
        module(torch.ones(3, 1), torch.tensor([0.0, 1.0]))
        called.append(module.field.called - before)
        return 0.0

    result = _trainer(tmp_path, 3, block, validate).fit()
    assert called == [17, 17, 17]  # four steps of rk4, and the first slope
    assert result.calls == 3 * 17
    assert block.calls == 6 * 17


def test_a_resumed_training_counts_all_of_its_parts(tmp_path):
    straight = _trainer(tmp_path / "a", 4, _block())
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    expected = straight.fit().calls
    stopped = _trainer(tmp_path / "b", 4, _block())
    stopped.validate = lambda module: stopped.stop() or 0.0
    with pytest.raises(Interrupted):
        stopped.fit()
    assert _trainer(tmp_path / "b", 4, _block()).fit(resume=True).calls == expected


def test_nothing_is_counted_where_nothing_is_integrated(tmp_path):
    module = nn.Linear(1, 1)
    config = TrainConfig(steps=1, batch_size=4, evaluate_every=1)

    def loss(module, batch, along=1.0):
        return module(batch.x).square().mean()

    result = Trainer(module, loss, Examples(), lambda m: 0.0, config, folder=tmp_path, seed=0, identity={}).fit()
    assert result.calls is None


def test_all_paths_of_a_sample_are_counted():
    """Ten paths per picture cost ten times the evaluations of one."""
    from sciml.solvers.neural_ode import SDENetSolver
    from sciml.tasks.classification import Pictures

    torch.manual_seed(0)
    module = SDENet((4, 4), 3, dim=4, width=4, paths=10)
    rows = []
    module.block.drift.register_forward_hook(lambda layer, args, result: rows.append(len(result)))
    prediction = SDENetSolver().predict(module, Pictures(torch.randn(3, 4, 4)))
    assert float(prediction.stats["evaluations"].sum()) == sum(rows)
