"""Bad input to tools: one clear sentence each."""

import json
import shutil
from pathlib import Path

import pytest

from sciml import api, tool
from sciml.core import registry
from sciml.core.errors import DataError, UserError
from sciml.study import load_run
from sciml.tools import Tool, find_tool, registered_tools


@pytest.fixture
def thin(thinned, tmp_path):
    """A child run made by `low_rank`, to be spoilt."""
    return Path(shutil.copytree(thinned, tmp_path / "thin"))


def spoil(folder, file, change):
    values = json.loads((folder / file).read_text())
    change(values)
    (folder / file).write_text(json.dumps(values))


def give_every_layer(step, rank):
    step["plan"]["ranks"] = dict.fromkeys(step["plan"]["ranks"], rank)


def test_a_tool_that_does_not_apply_says_why(made, problem_of):
    with pytest.raises(UserError, match="does not apply to runs of solver 'persistence': it takes no training steps"):
        tool("low_rank", made("persistence"), problem=problem_of("persistence"))


def test_unknown_tools_and_settings_name_the_nearest(made, problem_of):
    with pytest.raises(UserError, match=r"unknown tool 'low_rnk'.*Did you mean 'low_rank'\?"):
        tool("low_rnk", made("neural_ode"))
    with pytest.raises(UserError, match=r"unknown setting 'flop'.*Did you mean 'flops'\?"):
        tool("low_rank", made("neural_ode"), settings=("flop=0.5",), problem=problem_of("neural_ode"))
    with pytest.raises(UserError, match=r"flops: Input should be less than or equal to 1, got 2"):
        tool("low_rank", made("neural_ode"), settings=("flops=2",), problem=problem_of("neural_ode"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda step: step.update(tool="smooth"), r"step 1 of the lineage, was taken by a tool that is not installed"),
        (lambda step: step["plan"].update(ranks={"decoder.layers.9": 1}), "is a plan for another module.*no layer"),
        (lambda step: step["plan"].update(ranks={"": 1}), "is a plan for another module"),
        (
            lambda step: step["plan"].update(ranks=dict.fromkeys(step["plan"]["ranks"], 10**9)),
            "plan for another module",
        ),
        (lambda step: step["plan"].update(ranks=dict.fromkeys(step["plan"]["ranks"], 1)), "weights"),
        (lambda step: step["plan"].update(ranks={"x": "many"}), r"step 1 of the lineage, does not.*ranks\.x"),
        (lambda step: step.update(plan=[1]), r"lineage\.0\.plan"),
        (lambda step: step["plan"].update(code="import os"), "unknown key 'code'"),
    ],
    ids=["missing tool", "foreign layer", "whole module", "huge", "other ranks", "types", "no plan", "unknown key"],
)
def test_a_lineage_that_does_not_fit_is_refused(thin, problem_of, change, words):
    spoil(thin, "config.json", lambda config: change(config["lineage"][0]))
    with pytest.raises(UserError, match=words):
        load_run(thin, problem=problem_of("neural_ode"))


def test_a_plan_of_another_network_is_refused(thin, made, with_data, problem_of):
    config = json.loads((made("pinn") / "config.json").read_text())
    plan = json.loads((thin / "config.json").read_text())["lineage"]
    spoil(thin, "config.json", lambda mine: mine.update({**config, "lineage": plan}))
    with pytest.raises(DataError, match="step 1 of the lineage, is a plan for another module"):
        load_run(thin, problem=problem_of("pinn"))


def test_runs_of_newer_programs_unfinished_ones_and_no_runs(copy, problem_of, tmp_path):
    folder, problem = copy("neural_ode"), problem_of("neural_ode")
    with pytest.raises(DataError, match="is not a run folder"):
        tool("cost", tmp_path)
    with pytest.raises(DataError, match="is not a run folder"):
        tool("cost", tmp_path / "nowhere")
    spoil(folder, "record.json", lambda record: record.update(schema="sciml/record/7", novelty=1))
    with pytest.raises(DataError, match="written by a newer version of this program; got schema sciml/record/7"):
        tool("cost", folder, problem=problem)
    spoil(folder, "config.json", lambda config: config.update(version=99))
    with pytest.raises(DataError, match=r"newer version of this program; got version 99"):
        tool("cost", folder, problem=problem)
    (folder / "record.json").unlink()
    spoil(folder, "config.json", lambda config: config.update(version=2))
    with pytest.raises(DataError, match=r"not a finished run.*--resume"):
        tool("cost", folder, problem=problem)


def test_an_entry_point_that_fails_is_named_and_the_rest_works(strangers):
    assert {"cost", "low_rank", "sign_descent", "two_widths"} <= set(registered_tools())
    assert "no licence today" in registry.failures("tools", Tool)["broken_tool"]
    with pytest.raises(UserError, match=r"entry point 'broken_tool' of group sciml\.tools cannot be used.*no licence"):
        find_tool("broken_tool")
    assert "no licence today" in registry.problem_failures()["broken_problem"]
    with pytest.raises(UserError, match=r"entry point 'broken_problem' of group sciml\.problems cannot be used"):
        registry.problem("broken_problem")
    assert "shallow_water" in registry.problem_folders()


def test_the_verb_is_a_function_of_the_package():
    assert tool is api.tool
