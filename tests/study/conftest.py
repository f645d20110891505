"""A U-Net baseline that fits the fixture problem and trains in no time."""

import pytest

from sciml.core.config import override
from sciml.train import find_solver


@pytest.fixture(scope="session")
def small_unet():
    """While it lasts, the U-Net's recipe has one level and two steps."""
    solver = find_solver("unet")
    recipe = override(solver.recipe("tiny"), ["model.levels=2", "train.steps=2"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(solver), "recipe", lambda self, preset: recipe)
        yield recipe
