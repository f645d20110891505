import random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from sciml.core import rng

keys = st.lists(st.one_of(st.text(max_size=5), st.integers(0, 100)), max_size=3)


@given(st.integers(0, 2**62), keys)
def test_child_seeds_are_stable_and_in_range(seed, path):
    child = rng.derive(seed, *path)
    assert child == rng.derive(seed, *path)
    assert 0 <= child < 2**63


def test_a_known_child_seed():
    """Datasets are keyed by these numbers: a change here changes every dataset."""
    assert rng.derive(0, "shallow_water", "train", 17) == 5017465017966359485
    assert len({rng.derive(0, "a", 1), rng.derive(0, "a", "1"), rng.derive(0, "a1"), rng.derive(1, "a", 1)}) == 4


@given(st.integers(0, 1000), keys, keys)
def test_different_paths_give_different_seeds(seed, a, b):
    assert (a == b) == (rng.derive(seed, *a) == rng.derive(seed, *b))


def test_generators_with_the_same_path_draw_the_same():
    draws = [torch.randn(4, generator=rng.generator(3, "x")) for _ in range(2)]
    assert torch.equal(*draws)
    assert not torch.equal(draws[0], torch.randn(4, generator=rng.generator(3, "y")))


def test_state_restores_every_global_generator():
    rng.seed_everything(5)
    saved = rng.state()
    first = (random.random(), np.random.rand(), torch.rand(1).item())
    rng.restore(saved)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == first


def test_state_survives_a_weights_only_file(tmp_path):
    rng.seed_everything(5)
    random.gauss(0, 1)  # leaves a cached second value
    torch.save(rng.state(), tmp_path / "rng.pt")
    expected = (random.gauss(0, 1), np.random.randn(), torch.randn(1).item())
    rng.restore(torch.load(tmp_path / "rng.pt", weights_only=True))
    assert (random.gauss(0, 1), np.random.randn(), torch.randn(1).item()) == expected
