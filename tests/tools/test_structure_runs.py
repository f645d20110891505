"""Child runs of `structure` and `autotune`: alone they load, predict, evaluate and export; they are resumed."""

import json
import shutil

import pytest
import torch

from sciml import show, tool
from sciml.core.errors import ConfigError, Interrupted, UnsupportedError, UserError
from sciml.nn.structured import GaudiMatrix, RectangleMatrix, Structured
from sciml.study import apply_tool, evaluate_run, export_run, load_run, predict_run, read_config
from sciml.tools.cost import count_flops
from sciml.train import Trainer

QUICK = ("fit_steps=2", "families=['block_sparse', 'gblr']")


def answers(folder, problem):
    loaded = load_run(folder, problem=problem)
    return loaded.solver.predict(loaded.module, loaded.example()).mean


def exported(folder, problem):
    """Which formats a run is exported in; none where predicting is no program of fixed operations."""
    try:
        return {entry.format: entry.state for entry in export_run(folder, problem=problem)}
    except UnsupportedError:
        return {}


def untimed(metrics):
    return {key: value for key, value in metrics.items() if "second" not in key}


@pytest.mark.slow
def test_structured_pruned_to_low_rank_and_tuned(copy, home, problem_of, tmp_path, monkeypatch):
    """A chain of three tools, then alone on a machine without data."""
    problem, parent = problem_of("neural_ode"), copy("neural_ode")
    monkeypatch.setenv("SCIML_HOME", str(home))
    first = tool("structure", parent, settings=("flops=0.7", "finetune_steps=1", *QUICK), problem=problem)
    second = apply_tool("low_rank", first.folder, settings=("flops=0.9",), problem=problem)
    third = apply_tool("autotune", second.folder, settings=("patience=0",), problem=problem)
    flops = [row.cost.flops for row in third.record.lineage]
    assert flops[0] > flops[1] > flops[2]
    assert first.record.findings["structure"].metrics["layer_flops"] <= 0.7
    words = (first.folder / "report.html").read_text(encoding="utf-8")
    assert "Layers structured: " in words
    torch.testing.assert_close(answers(third.folder, problem), answers(second.folder, problem), rtol=1e-4, atol=1e-5)
    assert untimed(evaluate_run(first.folder, problem=problem).metrics) == untimed(first.record.metrics["test"])
    for folder in (parent, first.folder, second.folder):
        shutil.rmtree(folder)
    moved = tmp_path / "moved"
    shutil.move(third.folder, moved)
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "empty"))
    predict_run(moved, moved / "example.nc", problem=problem)
    loaded = load_run(moved, problem=problem)
    counted = count_flops(lambda: loaded.solver.predict(loaded.module, loaded.example()))
    assert counted.products == flops[3]
    assert not (tmp_path / "empty").exists(), "data was made"


@pytest.mark.parametrize("solver", ["neural_ode", pytest.param("fno", marks=pytest.mark.slow)])
def test_structured_tuned_pruned_and_exported(solver, copy, with_data, problem_of):
    """One lineage, a row per step with every column; the last child needs no other folder, and exports as the first."""
    problem, parent = problem_of(solver), copy(solver)
    first = apply_tool("structure", parent, settings=("flops=0.7", *QUICK), problem=problem)
    second = apply_tool("autotune", first.folder, settings=("patience=0",), problem=problem)
    settings = ("method=magnitude", "ratio=3", "finetune_steps=2", "patience=0")
    last = tool("prune", second.folder, settings=settings, problem=problem)
    rows = last.record.lineage
    assert [row.tool for row in rows] == ["", "structure", "autotune", "prune"]
    for row in rows:
        cost = row.cost
        assert min(cost.parameters, cost.flops, cost.peak_memory, cost.file_size, cost.latency.seconds) > 0
        assert row.train_seconds > 0
        assert row.metrics.keys() == rows[0].metrics.keys()
    assert rows[3].cost.file_size < rows[1].cost.file_size < rows[0].cost.file_size
    titles = ("What became of every layer", "How long every layer takes", "What is left of every weight")
    for child, title in zip((first, second, last), titles, strict=True):
        assert title in str(show(child.folder))
    assert titles[2] in (last.folder / "report.html").read_text(encoding="utf-8")
    formats = exported(parent, problem)
    for folder in (parent, first.folder, second.folder):
        shutil.rmtree(folder)
    assert exported(last.folder, problem) == formats
    predict_run(last.folder, last.folder / "example.nc", problem=problem)


@pytest.mark.parametrize("start", ["trained", "scratch"])
def test_blocks_are_learned_and_resumed(start, copy, with_data, problem_of, monkeypatch):
    """The plan of the child is that of the blocks as they came out; what is resumed begins with those before."""
    problem, parent = problem_of("neural_ode"), copy("neural_ode")
    settings = ("finetune_steps=6", "fit_steps=2", "flops=0.8", "settle=0.4")
    settings += ("learn=true", "families=['gblr']") if start == "trained" else ("start=scratch",)
    straight = apply_tool("structure", parent, settings=settings, problem=problem)
    module = load_run(straight.folder, problem=problem).module
    assert any(isinstance(inner, RectangleMatrix) for inner in module.modules())
    assert not any(isinstance(inner, GaudiMatrix) for inner in module.modules())
    step = read_config(straight.folder).lineage[-1]
    kinds = [{form["kind"] for form in plan["layers"].values()} for plan in (step.plan_before, step.plan)]
    assert kinds == [{"gaudi"}, {"rectangles"}]
    assert straight.record.train.best_step >= 3, "weights before the blocks had settled are not kept"
    assert straight.record.findings["structure"].metrics["layer_flops"] <= 0.8
    take, taken = Trainer.take_step, []

    def stop_at_three(self):
        taken.append(1)
        if len(taken) == 3:
            self.stop()
        return take(self)

    shutil.rmtree(straight.folder)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "take_step", stop_at_three)
        with pytest.raises(Interrupted):
            apply_tool("structure", parent, settings=settings, problem=problem)
    resumed = apply_tool("structure", parent, settings=settings, resume=True, problem=problem)
    assert untimed(resumed.metrics) == untimed(straight.metrics)
    assert read_config(resumed.folder).lineage[-1] == step


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["sinenet", "fno"])
@pytest.mark.parametrize("families", ["['block_sparse','gblr']", "['monarch']", "['blast']"])
def test_it_exports_what_the_parent_exports(solver, families, copy, with_data, problem_of):
    problem, parent = problem_of(solver), copy(solver)
    settings = (f"families={families}", "fit_steps=2", "flops=0.8")
    child = apply_tool("structure", parent, settings=settings, problem=problem)
    assert any(isinstance(inner, Structured) for inner in load_run(child.folder, problem=problem).module.modules())
    states = [
        {entry.format: entry.state for entry in export_run(folder, problem=problem)}
        for folder in (parent, child.folder)
    ]
    assert states[0] == states[1]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        (("flops=0.001",), UserError, r"budget cannot be met.*Set flops="),
        (("learn=true",), ConfigError, "blocks are learned in training.*Set finetune_steps"),
        (("learn=true", "families=['monarch']", "finetune_steps=1"), ConfigError, "only blocks of gblr can be learned"),
        (("start=scratch", "families=['monarch']"), ConfigError, "from scratch every layer learns its blocks"),
        (("families=['monrach']",), UserError, "monarch"),
        (("families=[]",), UserError, "families"),
        (("cels=4",), UserError, r"unknown setting 'cels'.*Did you mean 'cells'"),
    ],
)
def test_what_cannot_be_asked_leaves_no_folder(settings, error, words, copy, with_data, problem_of):
    parent = copy("neural_ode")
    with pytest.raises(error, match=words):
        apply_tool("structure", parent, settings=(*settings, "fit_steps=2"), problem=problem_of("neural_ode"))
    assert [path.name for path in parent.parent.iterdir()] == [parent.name]


def test_runs_it_cannot_act_on(made, copy, with_data, problem_of):
    with pytest.raises(UserError, match=r"does not apply to runs of solver 'persistence': it takes no training steps"):
        apply_tool("structure", made("persistence"), problem=problem_of("persistence"))
    with pytest.raises(UserError, match=r"does not apply to runs of solver 'pinn'.*low_rank keeps to those"):
        apply_tool("structure", made("pinn"), problem=problem_of("pinn"))
    with pytest.raises(UserError, match="no layer of this module can be tuned"):
        apply_tool("autotune", made("neural_ode"), problem=problem_of("neural_ode"))
    parent = copy("neural_ode")
    (parent / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"model\.safetensors"):
        apply_tool("structure", parent, problem=problem_of("neural_ode"))


def test_a_plan_that_does_not_fit_is_refused(copy, with_data, problem_of):
    problem, parent = problem_of("neural_ode"), copy("neural_ode")
    settings = ("flops=0.8", "families=['block_sparse']", "fit_steps=2")
    child = apply_tool("structure", parent, settings=settings, problem=problem)
    config = json.loads((child.folder / "config.json").read_text())
    layers = config["lineage"][0]["plan"]["layers"]
    for change, words in (
        ({"kind": "rectangles", "blocks": []}, "is a plan for another module"),
        (
            {"kind": "rectangles", "blocks": [{"rows": [0, 10**9], "columns": [0, 1], "rank": 0}]},
            "plan for another module",
        ),
        ({"kind": "monarch", "blocks": 10**9, "rank": 1}, "plan for another module"),
        ({"kind": "pickle", "code": "import os"}, "kind"),
    ):
        config["lineage"][0]["plan"]["layers"] = dict.fromkeys(layers, change)
        (child.folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(UserError, match=words):
            load_run(child.folder, problem=problem)
