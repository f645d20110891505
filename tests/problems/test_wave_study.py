"""The study of waves at the sizes of its paper preset: what it would make and train, without making it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sciml.core import registry
from sciml.core.config import override
from sciml.core.errors import ConfigError, UnknownNameError
from sciml.data import PresetCard, read_card
from sciml.study import read_study
from sciml.train import find_solver

FILE = Path(__file__).parents[2] / "problems/navier_stokes_smoke/studies/smoke_waves.toml"


def test_at_preset_paper_it_is_planned_at_sizes_of_its_own():
    study, problem = read_study(FILE).at("paper"), registry.find_problem("navier_stokes_smoke")
    assert study.parameters == 2_120_000
    waves = []
    for variant in study.variants:
        solver = find_solver(variant.solver)
        recipe = override(solver.recipe(study.preset), [*study.settings, *variant.settings])
        table = read_card(problem).table(recipe.task.data, PresetCard)
        assert table.grid == (64, 64)
        assert (table.trajectories.train, table.trajectories.valid, table.trajectories.test) == (256, 32, 32)
        assert (recipe.model.width, recipe.model.levels) == (16, 4)
        assert (recipe.train.steps, recipe.train.batch_size) == (10_000, 16)
        solver.check_preset(problem, study.preset, recipe.model, recipe.task)  # answers on that grid
        waves.append(recipe.model.waves)
    assert waves == [1, 2, 4, 8]


def test_the_preset_of_the_data_is_the_runs_unless_another_is_asked_for():
    problem, solver = registry.find_problem("navier_stokes_smoke"), find_solver("sinenet")
    recipe = solver.recipe("tiny")
    assert recipe.task.data is None
    frames = {name: read_card(problem).table(name, PresetCard).frames for name in ("tiny", "waves")}
    history = frames["tiny"] + 1  # more than a trajectory of `tiny` holds, and not more than one of `waves`
    assert history < frames["waves"]
    with pytest.raises(ConfigError, match="too short"):
        solver.check_preset(problem, "tiny", recipe.model, recipe.task.model_copy(update={"history": history}))
    solver.check_preset(
        problem, "tiny", recipe.model, recipe.task.model_copy(update={"history": history, "data": "waves"})
    )


def test_a_preset_that_the_card_lacks_is_refused_before_data_is_made():
    problem, solver = registry.find_problem("navier_stokes_smoke"), find_solver("sinenet")
    recipe = solver.recipe("tiny")
    with pytest.raises(UnknownNameError, match="wave"):
        solver.check_preset(problem, "tiny", recipe.model, recipe.task.model_copy(update={"data": "wave"}))
