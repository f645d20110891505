"""A study that asks one question of several problems."""

import json

import pytest

from sciml.core.errors import ConfigError, UnknownNameError
from sciml.report import write_study
from sciml.study import run_study

FILE = """
title = "Standing still"
question = "Does it err less on one flow than on the other?"
problem = "reaction_diffusion"
preset = "tiny"
seeds = [0]
settings = ["task.speed=false"]
metrics = ["one_step/relative_l2"]

[[variants]]
name = "fronts"
label = "Persistence, fronts"
solver = "persistence"

[[variants]]
name = "chaos"
label = "Persistence, chaos"
solver = "persistence"
problem = "kuramoto_sivashinsky_1d"

[[claims]]
text = "Fronts move more slowly"
metric = "one_step/relative_l2"
better = "fronts"
worse = "chaos"
"""


def test_variants_are_trained_on_their_own_problems(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(FILE)
    out = run_study(path, out=tmp_path / "out")
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert {line["variant"] for line in lines} == {"fronts", "chaos"}
    assert len({line["dataset"] for line in lines}) == 2
    folders = {config.parent.parent.name for config in (out / "runs").rglob("config.json")}
    assert folders == {"reaction_diffusion", "kuramoto_sivashinsky_1d"}
    page = write_study(out).read_text()
    assert "reaction_diffusion, kuramoto_sivashinsky_1d" in page


def test_an_unknown_problem_of_a_variant_is_refused_before_any_run(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(FILE.replace("kuramoto_sivashinsky_1d", "kuramoto"))
    with pytest.raises(UnknownNameError, match="kuramoto_sivashinsky_1d"):
        run_study(path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_variant_made_by_tools_has_the_problem_of_the_other(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(FILE.replace('solver = "persistence"\nproblem', 'of = "fronts"\ntools = [{tool="prune"}]\nproblem'))
    with pytest.raises(ConfigError, match="no solver, problem or settings"):
        run_study(path, out=tmp_path / "out")
