"""Pruned child runs: they stay pruned when tuned, exported, evaluated and worked on further."""

import json
import shutil

import numpy as np
import pytest
import torch
import xarray

from sciml import show, tool
from sciml.core import rng
from sciml.core.errors import CheckpointError, ConfigError, Interrupted, UnsupportedError, UserError
from sciml.nn import is_packed, packed_weight
from sciml.study import Record, apply_tool, evaluate_run, export_run, load_run, predict_run, read_config
from sciml.tools.prune import prunable
from sciml.train import Trainer

ONCE = ("method=magnitude", "ratio=4", "finetune_steps=2", "patience=0")
QUICK = (
    "steps=60",
    "momentum=0.5",
    "decay=7",
    "weight_decay=85",
    "learning_rate=1e-3",
    "finetune_steps=0",
    "patience=0",
)


def zeros_and_ones(folder, problem):
    """Where every weight of a run is zero, as one vector."""
    module = load_run(folder, problem=problem).module
    return torch.cat([getattr(layer, name).detach().flatten() == 0 for layer, name in packed_layers(module)])


def packed_layers(module):
    return [
        (layer, name)
        for layer in module.modules()
        for name in getattr(layer, "parametrizations", {})
        if packed_weight(layer, name) is not None
    ]


def entries_left(folder, problem):
    return prunable(load_run(folder, problem=problem).module).entries


@pytest.mark.parametrize("method", ["gsm", "gradual", "magnitude", pytest.param("random", marks=pytest.mark.slow)])
def test_every_method_leaves_exactly_the_entries_asked_for(method, copy, with_data, problem_of):
    problem, parent = problem_of("neural_ode"), copy("neural_ode")
    settings = {"gsm": QUICK, "gradual": ("steps=20", "finetune_steps=0", "patience=0")}.get(
        method, ("finetune_steps=0", "patience=0")
    )
    child = tool("prune", parent, settings=(f"method={method}", "entries=17", *settings), problem=problem)
    before, after = child.record.lineage
    assert entries_left(child.folder, problem) == 17
    removed = prunable(load_run(parent, problem=problem).module).entries - 17
    assert after.cost.parameters == before.cost.parameters - removed
    assert after.cost.file_size < before.cost.file_size
    found = child.record.findings["prune"]
    assert (found.metrics["kept"], found.metrics["entries"]) == (17, 17 + removed)
    (table,) = found.tables
    assert sum(row[1] for row in table.rows) == 17
    assert not list(child.folder.rglob("stages")), "what was trained before the cut is left behind"
    page = (child.folder / "report.html").read_text(encoding="utf-8")
    assert table.title in page
    assert (child.folder / "figures" / "prune-1.svg").is_file()
    assert all(str(row[0]) in page for row in table.rows)
    assert str(table.rows[0][0]) in str(show(child.folder))
    with xarray.open_dataset(child.folder / "predictions.h5", group="tools/prune", engine="h5netcdf") as arrays:
        np.testing.assert_allclose(arrays.share_left.values, [row[1] / row[2] for row in table.rows])


@pytest.mark.parametrize(
    ("adaptive", "words"),
    [(False, "the decay outweighs the loss.*method=gradual"), (True, "stronger than the optimiser's steps.*learning_")],
)
def test_a_decay_that_would_take_the_weights_to_keep_as_well_is_refused_before_training(
    adaptive, words, copy, with_data, problem_of
):
    parent = copy("pinn")
    with pytest.raises(UserError, match=words):
        tool("prune", parent, settings=("steps=80", "momentum=0.5", "decay=7", "learning_rate=1e-5",
             f"adaptive={adaptive}"), problem=problem_of("pinn"))  # fmt: skip
    assert not [*parent.parent.glob("*-prune")], "a folder is left behind"


def test_a_pruned_child_lives_without_its_parent_and_stays_pruned(copy, home, problem_of, tmp_path, monkeypatch):
    problem, parent = problem_of("neural_ode"), copy("neural_ode")
    monkeypatch.setenv("SCIML_HOME", str(home))
    child = tool("prune", parent, settings=ONCE, problem=problem)
    shutil.rmtree(parent)
    timed = {key for key in child.metrics if "second" in key}
    examined = evaluate_run(child.folder, problem=problem)
    assert {k: v for k, v in examined.metrics.items() if k not in timed} == {
        k: v for k, v in child.record.metrics["test"].items() if k not in timed
    }
    gone = zeros_and_ones(child.folder, problem)
    tuned = tool("prune", child.folder, settings=("method=magnitude", "ratio=1.001", "finetune_steps=3", "patience=0"),
                 problem=problem)  # fmt: skip
    assert (zeros_and_ones(tuned.folder, problem) | ~gone).all(), "an entry came back"
    assert [row.tool for row in tuned.record.lineage] == ["", "prune", "prune"]
    moved = tmp_path / "moved"
    shutil.move(tuned.folder, moved)
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "empty"))
    predict_run(moved, moved / "example.nc", problem=problem)
    assert not (tmp_path / "empty").exists(), "data was made"


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["sinenet", "fno", "pinn", "pnode"])
def test_other_networks_are_pruned_tuned_and_exported_as_their_parents(solver, made, with_data, problem_of):
    problem = problem_of(solver)
    child = tool("prune", made(solver), settings=ONCE, problem=problem)
    assert is_packed(load_run(child.folder, problem=problem).module)
    states = []
    for folder in (made(solver), child.folder):
        try:
            states.append({entry.format: entry.state for entry in export_run(folder, problem=problem)})
        except UnsupportedError:
            states.append("none")
    assert states[0] == states[1]


def test_gauss_newton_trains_the_entries_that_are_left(made, with_data, problem_of):
    problem = problem_of("pinn")
    child = tool("prune", made("pinn"), settings=("method=magnitude", "ratio=2", "finetune_steps=3", "patience=0"),
                 problem=problem)  # fmt: skip
    log = [json.loads(line) for line in (child.folder / "log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < log[0]["loss"]
    assert zeros_and_ones(child.folder, problem).any()


def test_factors_can_be_pruned_and_pruned_layers_say_why_they_cannot_be_factored(thinned, copy, with_data, problem_of):
    problem = problem_of("neural_ode")
    child = tool("prune", thinned, settings=ONCE, problem=problem)
    assert [step.tool for step in read_config(child.folder).lineage] == ["low_rank", "prune"]
    assert any("first.weight" in name for name in read_config(child.folder).lineage[1].plan["masks"])
    pruned = tool("prune", copy("neural_ode"), settings=ONCE, problem=problem)
    with pytest.raises(UserError, match="it is pruned, and factors of its matrix would be full: factor first"):
        tool("low_rank", pruned.folder, problem=problem)


@pytest.mark.parametrize("stage", ["before the cut", "after it"])
def test_an_interrupted_pruning_goes_on(stage, copy, with_data, problem_of, monkeypatch):
    problem, parent = problem_of("neural_ode"), copy("neural_ode")
    settings = ("method=gradual", "steps=6", "finetune_steps=4", "ratio=3", "compressed=false")
    stop_at, take, taken = {"before the cut": 3, "after it": 8}[stage], Trainer.take_step, []

    def stop(self):
        taken.append(1)
        if len(taken) == stop_at:
            self.stop()
        return take(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "take_step", stop)
        with pytest.raises(Interrupted):
            apply_tool("prune", parent, settings=settings, problem=problem)
    straight = apply_tool("prune", parent, settings=settings, problem=problem)
    expected = load_run(straight.folder, problem=problem).module.state_dict()
    shutil.rmtree(straight.folder)
    with pytest.raises((ConfigError, CheckpointError), match="ratio"):
        apply_tool("prune", parent, settings=(*settings[:3], "ratio=4", settings[4]), resume=True, problem=problem)
    resumed = apply_tool("prune", parent, settings=settings, resume=True, problem=problem)
    got = load_run(resumed.folder, problem=problem).module.state_dict()
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[key], got[key]) for key in expected)


def test_a_ticket_begins_where_the_first_run_began(copy, with_data, problem_of, monkeypatch):
    problem, parent = problem_of("neural_ode"), copy("neural_ode")
    begun = {}
    fit = Trainer.fit

    def note(self, resume=False):
        begun["weights"] = {name: value.detach().clone() for name, value in self.module.state_dict().items()}
        begun["steps"] = self.config.steps
        return fit(self, resume)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "fit", note)
        settings = ("method=magnitude", "ratio=4", "rewind=true", "patience=0")
        child = apply_tool("prune", parent, settings=settings, problem=problem)
    loaded = load_run(parent, problem=problem)
    rng.seed_everything(rng.derive(0, "init", loaded.solver.key))
    first = loaded.solver.build(loaded.problem, loaded.recipe.model, loaded.context)
    assert begun["steps"] == loaded.recipe.train.steps
    ticket = load_run(child.folder, problem=problem).module
    for layer, name in packed_layers(ticket):
        path = next(key for key, inner in ticket.named_modules() if inner is layer)
        index = layer.parametrizations[name][0].index
        whole = getattr(first.get_submodule(path), name).detach().flatten()
        assert torch.equal(begun["weights"][f"{path}.parametrizations.{name}.original"], whole[index])


BAD = {
    "ratio=1": "greater than 1",
    "entries=100000": "fewer than the .* prunable entries",
    "keep=['nowhere']": "nowhere",
    "method=sparse": "method",
    "steps=100": r"100 steps cannot decay.*Take about \d+ steps or more",
    "weight_decay=1e-9": "too large to be cut off.*Set weight_decay",
}


@pytest.mark.parametrize("setting", BAD)
def test_what_cannot_succeed_is_refused_and_leaves_nothing(setting, copy, problem_of, with_data):
    parent = copy("neural_ode")
    extra = () if setting.startswith(("steps", "method")) else ("steps=2000",)
    extra += ("learning_rate=1e-3",) if not setting.startswith("method") else ()
    with pytest.raises(UserError, match=BAD[setting]):
        apply_tool("prune", parent, settings=(setting, *extra), problem=problem_of("neural_ode"))
    assert [folder.name for folder in parent.parent.iterdir()] == [parent.name]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("method=magnitude", "steps=10"), "method magnitude does not read .*steps=10"),
        (("method=gradual", "momentum=0.9"), "momentum=0.9"),
        (("method=random", "rewind=true", "finetune_steps=3"), "a rewind does not read .*finetune_steps=3"),
        (("method=random", "ratio=3", "entries=4"), "entries does not read .*ratio=3"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message, copy, problem_of, with_data):
    with pytest.raises(ConfigError, match=message):
        apply_tool("prune", copy("neural_ode"), settings=settings, problem=problem_of("neural_ode"))


def test_a_run_without_weights_is_refused(copy, problem_of):
    with pytest.raises(UnsupportedError, match="takes no training steps"):
        apply_tool("prune", copy("persistence"), problem=problem_of("persistence"))


def test_the_weights_after_the_last_step_are_cut_not_those_of_the_best_score(copy, with_data, problem_of):
    """Validation is best at the beginning, where nothing has decayed."""
    problem, parent = problem_of("neural_ode"), copy("neural_ode")
    child = apply_tool("prune", parent, settings=("entries=17", *QUICK), problem=problem)
    record = Record.read(child.folder)
    assert record.train.best_step == record.train.steps == 60
    assert 0 < record.findings["prune"].metrics["tail"] < 1
