"""Baselines of forecasts: sizes that can be matched, and persistence."""

import pytest
import torch

from sciml.solvers.baselines import FNOConfig, FNOSolver, Persistence, UNetConfig, UNetSolver
from sciml.train import count_parameters, match_parameters


def test_unet_width_sets_the_size_finely(grid, problem, context):
    seen = context(grid(16, 16))
    for target in (20_000, 50_000, 100_000):
        model = match_parameters(UNetSolver(), problem, UNetConfig(levels=2), seen, target)
        network = UNetSolver().network(problem, model, seen)
        assert count_parameters(network) == pytest.approx(target, rel=0.05)


def test_fno_size_is_matched(grid, problem, context):
    seen = context(grid(16, 16))
    model = match_parameters(FNOSolver(), problem, FNOConfig(modes=4), seen, 60_000)
    network = FNOSolver().network(problem, model, seen)
    assert count_parameters(network) == pytest.approx(60_000, rel=0.05)


def test_persistence_repeats_the_last_frame():
    u = torch.randn(3, 2, 1, 5)
    result = Persistence(fields=1, history=2, dims=1)(u.flatten(1, 2))
    assert torch.equal(result, u[:, -1])
    assert result.data_ptr() != u[:, -1].data_ptr()
