"""Child runs of `search` and `latency`: ordinary runs, resumed as they were decided, refused with the reason."""

import json
import shutil

import pytest
import torch

from sciml.core.errors import ConfigError, DataError, Interrupted, UnsupportedError, UserError
from sciml.study import apply_tool, evaluate_run, export_run, load_run, read_config
from sciml.train import Trainer

QUICK = ("nets=12", "patience=0", "choices={width=[4],waves=[1],levels=[1]}")
TRIALS = ("method=random", "trials=2", "trial_steps=1")


@pytest.fixture(scope="module")
def measured(made, home, tmp_path_factory):
    """A run and its child by the probe `latency`."""
    from sciml.testing import PROBLEMS

    parent = shutil.copytree(made("sinenet"), tmp_path_factory.mktemp("measured") / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(home))
        return parent, apply_tool("latency", parent, settings=QUICK, problem=PROBLEMS / "periodic_advection")


@pytest.fixture
def latency_file(measured, tmp_path):
    """``latency_file(key=value)`` gives the file of the probe with other contents."""

    def write(**changes):
        content = json.loads((measured[1].folder / "latency.json").read_text())
        path = tmp_path / "latency.json"
        path.write_text(json.dumps({**content, **changes}))
        return path

    return write


def children(parent):
    """Folders beside a run."""
    return sorted(path.name for path in parent.parent.iterdir())


def test_the_probe_writes_a_file_that_the_search_reads(measured, latency_file, with_data, problem_of):
    parent, probe = measured
    content = json.loads((probe.folder / "latency.json").read_text())
    assert content["machine"]["torch"] == torch.__version__
    assert content["conditions"]["threads"] == 1
    assert len(content["costs"]) == len(content["nets"]) == 12
    found = probe.record.findings["latency"]
    assert found.metrics["predictor_error"] > 0
    assert found.figures[0].lines["held out"][0], "held-out networks are drawn"
    child = apply_tool(
        "search", parent, settings=(*QUICK, *TRIALS, f"latency={latency_file()}"), problem=problem_of("sinenet")
    )
    kept = json.loads((child.folder / "latency.json").read_text())
    assert kept == content, "nothing was measured again"
    model = load_run(child.folder, problem=problem_of("sinenet")).recipe.model
    assert (model.width, model.waves, model.levels, len(model.operators)) == (4, 1, 1, 2)
    assert len(child.record.findings["search"].tables[0].rows) == 2
    assert child.record.findings["search"].figures[0].title == "Error against cost"
    assert not (child.folder / "trials").exists()
    assert not (child.folder / "kept").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"machine": {"processor": "Another One 9000", "torch": torch.__version__}}, "processor Another One 9000"),
        ({"machine": {"processor": "x", "torch": "1.0"}}, "torch 1.0"),
        ({"conditions": {"device": "cpu", "threads": 2, "dtype": "float32", "batch": 1, "grid": [8]}}, "threads 2"),
        ({"conditions": {"device": "cpu", "threads": 1, "dtype": "float64", "batch": 1, "grid": [8]}}, "float64"),
        ({"conditions": {"device": "cpu", "threads": 1, "dtype": "float32", "batch": 32, "grid": [8]}}, "batch 32"),
        ({"space": "0" * 16}, "search space"),
        ({"quantity": "energy"}, "quantity energy"),
    ],
)
def test_files_of_something_else_are_refused(changes, words, measured, latency_file, with_data, problem_of):
    settings, before = (*QUICK, *TRIALS, f"latency={latency_file(**changes)}"), children(measured[0])
    with pytest.raises(UserError, match=words) as refusal:
        apply_tool("search", measured[0], settings=settings, problem=problem_of("sinenet"))
    assert "sciml tool latency" in str(refusal.value)
    assert children(measured[0]) == before


def test_what_cannot_be_is_refused_before_work_starts(measured, latency_file, copy, with_data, problem_of):
    parent, problem, before = measured[0], problem_of("sinenet"), children(measured[0])
    known = (*QUICK, *TRIALS, f"latency={latency_file()}")
    for settings, kind, words in (
        ((*known, "target_latency_ms=1e-6"), UserError, "below the smallest network"),
        ((*known, "target_latency_ms=1e6"), UserError, "above the largest network"),
        ((*TRIALS, "choices={width=[5]}"), UnsupportedError, "no valid network"),
        ((*TRIALS, "choices={wdth=[4]}"), UserError, "width"),
        ((*TRIALS, "latency=/none.json"), DataError, "no such file"),
        ((*TRIALS, "cost=flops", "target_latency_ms=3"), ConfigError, "latency alone"),
        ((*QUICK, "cost=energy", *TRIALS), UnsupportedError, "energy counters"),
    ):
        with pytest.raises(kind, match=words):
            apply_tool("search", parent, settings=settings, problem=problem)
    assert children(parent) == before
    with pytest.raises(UnsupportedError, match="offers no space"):
        apply_tool("search", copy("fno"), problem=problem_of("fno"))
    weightless = copy("sinenet")
    (weightless / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"model\.safetensors"):
        apply_tool("search", weightless, settings=TRIALS, problem=problem)


@pytest.mark.parametrize("cost", ["flops", pytest.param("memory", marks=pytest.mark.slow)])
def test_other_costs_are_learned_in_the_same_way(cost, measured, with_data, problem_of):
    child = apply_tool("search", measured[0], settings=(*QUICK, *TRIALS, f"cost={cost}"), problem=problem_of("sinenet"))
    found = child.record.findings["search"].metrics
    assert found["repeat_error"] == 0
    assert found["cost"] == pytest.approx(found["cost_predicted"], rel=0.5)
    assert json.loads((child.folder / "latency.json").read_text())["quantity"] == cost


@pytest.mark.slow
def test_a_stopped_search_goes_on_as_it_was_decided(copy, with_data, problem_of, monkeypatch):
    """Measured costs, the shares of the supernet and the network taken are those from before the stop."""
    parent, problem = copy("sinenet"), problem_of("sinenet")
    settings = (*QUICK, "steps=4", "penalty=0.5")
    take, taken = Trainer.take_step, []

    def stop_in_the_child(self):
        taken.append(1)
        if len(taken) == 5:
            self.stop()
        return take(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "take_step", stop_in_the_child)
        with pytest.raises(Interrupted):
            apply_tool("search", parent, settings=settings, problem=problem)
    (folder,) = parent.parent.glob("*-search")
    begun = read_config(folder).recipe
    kept = {path.name: path.read_text() for path in (folder / "kept").iterdir()}
    child = apply_tool("search", parent, settings=settings, problem=problem, resume=True)
    assert child.folder == folder
    assert read_config(folder).recipe == begun
    assert (folder / "latency.json").read_text() in kept.values()


@pytest.mark.slow
def test_searched_then_structured_then_pruned_then_exported(copy, with_data, problem_of):
    """A chain on one lineage: what a search finds is an ordinary run for the next tools."""
    problem, parent = problem_of("sinenet"), copy("sinenet")
    searched = apply_tool(
        "search", parent, settings=("nets=16", "patience=0", "steps=4", "choices={waves=[1]}"), problem=problem
    )
    structured = apply_tool(
        "structure",
        searched.folder,
        settings=("flops=0.95", "families=['block_diagonal']", "finetune_steps=1"),
        problem=problem,
    )
    pruned = apply_tool(
        "prune", structured.folder, settings=("method=magnitude", "ratio=2", "finetune_steps=1"), problem=problem
    )
    assert [row.tool for row in pruned.record.lineage] == ["", "search", "structure", "prune"]
    assert pruned.record.parameters < structured.record.parameters
    assert evaluate_run(pruned.folder, problem=problem).metrics.keys() == pruned.record.metrics["test"].keys()
    for folder in (parent, searched.folder, structured.folder):
        shutil.rmtree(folder)
    (program,) = export_run(pruned.folder, ("torch",), problem=problem)
    assert program.state == "ok", program.detail
