"""Child runs: what tools leave behind loads, predicts, evaluates, exports and resumes without the parent's folder."""

import shutil

import pytest
import torch
import xarray

from sciml import tool
from sciml.core.errors import ConfigError, Interrupted, NumericsError, UserError
from sciml.study import Record, apply_tool, evaluate_run, export_run, load_run, predict_run, read_config
from sciml.tools.cost import count_flops
from sciml.train import Trainer

HALVED = ("sinenet", "fno", "pnode", "neural_ode", "pinn")


def answers(folder, problem):
    """The prediction of a run for its own example, as one number per field."""
    loaded = load_run(folder, problem=problem)
    return loaded.solver.predict(loaded.module, loaded.example()).mean


SLOW = ("fno", "pnode")
"""Solvers whose small runs take long to make; the contract tests rewrite them too, in memory."""


@pytest.mark.parametrize("solver", [pytest.param(k, marks=[pytest.mark.slow] if k in SLOW else []) for k in HALVED])
def test_a_run_of_half_the_flops_lives_without_its_parent(solver, made, home, problem_of, tmp_path, monkeypatch):
    problem, parent = problem_of(solver), made(solver)
    monkeypatch.setenv("SCIML_HOME", str(home))
    settings = ("flops=0.5", "finetune_steps=1")
    child = tool("low_rank", parent, settings=settings, problem=problem)
    before, after = child.record.lineage
    assert (before.run, after.run) == (parent.name, child.folder.name)
    assert after.cost.parameters < before.cost.parameters
    assert after.cost.file_size < before.cost.file_size
    assert child.record.findings["low_rank"].metrics["layer_flops"] <= 0.5
    page = (child.folder / "report.html").read_text(encoding="utf-8")
    assert "Before and after" in page
    assert "layers factored" in page
    assert f"sciml tool low_rank {parent.name} --set" in page
    assert "finetune_steps=1" in page
    examined = evaluate_run(child.folder, problem=problem)
    timed = {key for key in examined.metrics if "second" in key}
    assert {k: v for k, v in examined.metrics.items() if k not in timed} == {
        k: v for k, v in child.record.metrics["test"].items() if k not in timed
    }
    predicted = answers(child.folder, problem)

    moved = tmp_path / "elsewhere" / "moved"
    shutil.move(child.folder, moved)
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "empty"))
    assert torch.equal(answers(moved, problem), predicted)
    predict_run(moved, moved / "example.nc", problem=problem)
    loaded = load_run(moved, problem=problem)
    flops = count_flops(lambda: loaded.solver.predict(loaded.module, loaded.example()))
    assert flops.products == after.cost.flops
    assert not (tmp_path / "empty").exists(), "data was made"


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["sinenet", "fno", "pinn", "neural_ode in fixed steps", "pnode in fixed steps"])
def test_it_exports_what_the_parent_exports(solver, made, with_data, problem_of):
    child = tool("low_rank", made(solver), settings=("flops=0.5",), problem=problem_of(solver))
    states = [
        {entry.format: entry.state for entry in export_run(folder, problem=problem_of(solver))}
        for folder in (made(solver), child.folder)
    ]
    assert states[0] == states[1]
    assert states[0]["torch"] == "ok"


def test_a_child_of_a_child_of_a_child(copy, with_data, problem_of, tmp_path, monkeypatch):
    problem, first = problem_of("neural_ode"), copy("neural_ode")
    second = apply_tool("low_rank", first, settings=("flops=0.8",), problem=problem)
    third = apply_tool("low_rank", second.folder, settings=("flops=0.8",), problem=problem)
    shutil.rmtree(first)
    shutil.rmtree(second.folder)
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "empty"))
    fourth = apply_tool("cost", third.folder, settings=("patience=0",), problem=problem)
    assert [row.tool for row in fourth.record.lineage] == ["", "low_rank", "low_rank", "cost"]
    assert [step.tool for step in read_config(fourth.folder).lineage] == ["low_rank", "low_rank", "cost"]
    flops = [row.cost.flops for row in fourth.record.lineage]
    assert flops[0] > flops[1] > flops[2] == flops[3]
    assert fourth.record.metrics == third.record.metrics
    assert fourth.record.lineage[2].cost == fourth.record.lineage[3].cost, "measured once"
    assert set(fourth.record.findings) == {"low_rank", "cost"}
    assert fourth.record.findings["cost"].metrics["flops"] == flops[3]
    assert torch.equal(answers(fourth.folder, problem), answers(third.folder, problem))
    assert not (tmp_path / "empty").exists(), "data was made"


@pytest.mark.parametrize("name", ["low_rank", "sign_descent"])
def test_an_interrupted_training_goes_on(name, copy, with_data, problem_of, strangers, monkeypatch):
    """As if it had never been stopped; meanwhile the folder is no finished run and blocks nothing."""
    problem, parent = problem_of("neural_ode"), copy("neural_ode")
    settings = {"low_rank": ("finetune_steps=4",), "sign_descent": ("steps=4",)}[name]
    take, taken = Trainer.take_step, []

    def stop_at_two(self):
        taken.append(1)
        if len(taken) == 2:
            self.stop()
        return take(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "take_step", stop_at_two)
        with pytest.raises(Interrupted, match="step 2 of 4"):
            apply_tool(name, parent, settings=settings, problem=problem)
    unfinished = parent.parent / f"{parent.name}-{name}"
    with pytest.raises(UserError, match="not a finished run"):
        load_run(unfinished, problem=problem)
    with pytest.raises(UserError, match="not a finished run"):
        apply_tool("cost", unfinished, problem=problem)
    straight = apply_tool(name, parent, settings=settings, problem=problem)
    assert straight.folder.name == f"{unfinished.name}-2"
    shutil.rmtree(straight.folder)
    with pytest.raises(ConfigError, match=r"started with other settings; got .*=5; expected .*=4"):
        apply_tool(name, parent, settings=(settings[0].replace("4", "5"),), resume=True, problem=problem)
    resumed = apply_tool(name, parent, settings=settings, resume=True, problem=problem)
    assert resumed.folder == unfinished
    timed = {key for key in straight.metrics if "second" in key}
    assert {k: v for k, v in resumed.metrics.items() if k not in timed} == {
        k: v for k, v in straight.metrics.items() if k not in timed
    }
    again = apply_tool(name, parent, settings=settings, resume=True, problem=problem)
    assert again.record == resumed.record


def test_a_policy_takes_its_own_steps_after_a_rewrite(thinned, with_data, problem_of, strangers):
    problem = problem_of("neural_ode")
    child = tool("sign_descent", thinned, settings=("steps=1", "size=0.01"), problem=problem)
    before, after = (load_run(folder, problem=problem).module.state_dict() for folder in (thinned, child.folder))
    moved = {round(float((after[key] - before[key]).abs().max()), 6) for key in before}
    assert moved <= {0.0, 0.01}
    assert 0.01 in moved
    config = read_config(child.folder)
    assert config.recipe["train"]["steps"] == 1
    assert config.lineage[1].recipe_before == read_config(thinned).recipe
    assert child.record.train.steps == 1
    assert "sciml tool sign_descent" in (child.folder / "report.html").read_text(encoding="utf-8")


def test_a_search_trains_the_best_recipe(copy, thinned, with_data, problem_of, strangers):
    problem, parent = problem_of("neural_ode"), copy("neural_ode")
    child = apply_tool("two_widths", parent, problem=problem)
    with xarray.open_dataset(child.folder / "predictions.h5", group="tools/two_widths", engine="h5netcdf") as searched:
        scores = searched.score.to_series()
    assert list(scores.index) == [4, 6]
    assert read_config(child.folder).recipe["model"]["width"] == scores.idxmin()
    assert child.record.findings["two_widths"].metrics == {"tried": 2}
    assert not list(child.folder.rglob("trials")), "trials are gone"
    assert load_run(child.folder, problem=problem).recipe.model.width == scores.idxmin()
    probed = apply_tool("cost", child.folder, settings=("patience=0",), problem=problem)
    with xarray.open_dataset(probed.folder / "predictions.h5", group="tools/two_widths", engine="h5netcdf") as searched:
        assert list(searched.score.values) == list(scores)
    with pytest.raises(UserError, match="rewritten by low_rank"):
        apply_tool("two_widths", thinned, problem=problem)
    assert not list(thinned.parent.glob("*two_widths*"))


def test_what_fails_in_planning_or_training_leaves_no_folder(copy, with_data, problem_of, strangers, monkeypatch):
    problem, parent = problem_of("neural_ode"), copy("neural_ode")
    with pytest.raises(UserError, match=r"budget cannot be met.*Set flops=") as refused:
        apply_tool("low_rank", parent, settings=("flops=0.01",), problem=problem)
    assert "at least" in str(refused.value)

    def break_down(self):
        raise NumericsError("broke down")

    monkeypatch.setattr(Trainer, "take_step", break_down)
    for name, settings in (("low_rank", ("finetune_steps=1",)), ("two_widths", ())):
        with pytest.raises(NumericsError):
            apply_tool(name, parent, settings=settings, problem=problem)
    assert [path.name for path in parent.parent.iterdir()] == [parent.name]


def test_the_steps_of_a_solver_must_read_what_a_tool_asks_for(made, with_data, problem_of):
    with pytest.raises(ConfigError, match=r"do not read what the tool asks for; got train\.learning_rate=0\.1"):
        apply_tool(
            "low_rank", made("pinn"), settings=("finetune_steps=1", "learning_rate=0.1"), problem=problem_of("pinn")
        )


def test_a_solver_without_a_network_has_a_cost_too(made, problem_of):
    child = apply_tool("cost", made("persistence"), settings=("patience=0",), problem=problem_of("persistence"))
    assert child.record.findings["cost"].metrics["parameters"] == 0
    assert "One step of one sample on 16 x 12 points" in child.record.findings["cost"].words[0]
    assert Record.read(child.folder) == child.record
