"""Datasets without axes: the tiny preset is made, passes every check, and splits into what the card says."""

import pytest
import torch

from sciml import data
from sciml.core import registry

FAST = ("damped_oscillators", "two_mode_oscillator")
SLOW = ("combustor_ignition", "lotka_volterra", "spiral", "stirred_ignition", "van_der_pol")


@pytest.mark.parametrize("name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_the_tiny_preset_is_made_and_passes_every_check(name):
    problem = registry.find_problem(name)
    dataset = data.generate(problem, "tiny")
    failed = [check for check in data.verify(problem, "tiny") if not check.ok]
    assert not failed
    card = dataset.card
    for split in ("train", "valid", "test"):
        count = getattr(card.trajectories, split)
        states = dataset.split(split).states
        assert states.shape == (count, card.frames, len(problem.fields))
        assert states.dtype == torch.float32
        assert dataset.split(split).parameters.shape == (count, len(problem.parameters))
