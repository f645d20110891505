"""Every solver leaves as the docs say, answers alike at two batch sizes, and says what its columns are."""

import json
import re
from pathlib import Path

import onnx
import pytest
import torch

from sciml.core import registry
from sciml.core.errors import UnsupportedError
from sciml.data import netcdf_bytes
from sciml.study import CONFIG, RECORD, RunConfig, export_run
from sciml.tasks.trajectories import Start
from sciml.testing import trial_of
from sciml.train import registered_solvers, save_weights

DOCS = (Path(__file__).parents[2] / "docs" / "runs.md").read_text(encoding="utf-8")
TABLE = re.search(r"\| solver \| torch \| onnx \|[^\n]*\n[^\n]*\n((?:\|.*\n)+)", DOCS)
ROWS = [[cell.strip() for cell in row.split("|")[1:4]] for row in TABLE[1].splitlines()] if TABLE else []
CLAIMED = {key.strip(): states for keys, *states in ROWS for key in keys.split(",")}
"""What the docs say of every solver, by key: the states of both formats, or dashes."""


@pytest.fixture
def made(tmp_path):
    """``made(key)``: a run folder of a solver that was built, stirred and not trained, with its trial."""

    def write(key, **integrate):
        trial = trial_of(key)
        bench, context = trial.bench, trial.bench.context
        recipe = trial.recipe.model_dump(mode="json")
        if integrate:
            recipe["model"]["integrate"] |= integrate
        config = RunConfig(
            problem=bench.problem.name,
            problem_path=None,
            solver=key,
            preset="tiny",
            seed=0,
            recipe=recipe,
            dataset=str(bench.dataset["hash"]),
            context=context.model_dump(mode="json"),
        )
        (tmp_path / CONFIG).write_text(config.model_dump_json(), encoding="utf-8")
        (tmp_path / "example.nc").write_bytes(
            netcdf_bytes(trial.task.write_inputs(bench.example, bench.problem, context))
        )
        save_weights(trial.module, tmp_path / "model.safetensors")
        (tmp_path / RECORD).touch()
        return trial, tmp_path

    return write


def test_the_table_names_every_solver_once():
    named = [key.strip() for keys, *_ in ROWS for key in keys.split(",")]
    assert sorted(named) == sorted(registered_solvers())


def described(folder, trial, formats):
    """Names, units, order and time step, in the file beside the programs and in each of them."""
    words = json.loads((folder / "export" / "about.json").read_text(encoding="utf-8"))
    problem, context = trial.bench.problem, trial.bench.context
    inside = {}
    if "torch" in formats:
        inside = {"about.json": ""}
        torch.export.load(folder / "export" / "model.pt2", extra_files=inside)
        assert json.loads(inside["about.json"]) == words
    if "onnx" in formats:
        properties = {e.key: e.value for e in onnx.load(folder / "export" / "model.onnx").metadata_props}
        assert json.loads(properties["about"]) == words
    assert [(f["name"], f["units"]) for f in words["fields"]] == [(f.name, f.units) for f in problem.fields]
    assert [(p["name"], p["units"]) for p in words["parameters"]] == [(p.name, p.units) for p in problem.parameters]
    assert words["dt"] == getattr(context, "dt", None)
    assert (words["time_units"] is None) == (words["dt"] is None)
    columns = trial.task.columns(problem, context)
    assert [[c["name"] for c in a["columns"]] for a in words["arguments"]] == [
        [c.name for c in columns[i]] for i in range(len(words["arguments"]))
    ]
    return words


def channels(argument):
    """Entries of an argument along its axis of channels."""
    shape = argument["shape"]
    return shape[2] if argument["name"] in ("states", "forcing", "queries", "signals") else shape[1]


@pytest.mark.slow
@pytest.mark.parametrize("key", sorted(CLAIMED))
def test_the_table_of_exports_is_true(made, key):
    """The answers agree, at a batch size that the program was not traced with, or the table says why not."""
    trial, folder = made(key)
    place = registry.folder_of(trial.bench.problem)
    if CLAIMED[key] == ["–", "–"]:
        with pytest.raises(UnsupportedError, match="more than one pass"):
            export_run(folder, problem=place)
        return
    exports = export_run(folder, problem=place)
    assert [entry.state for entry in exports] == CLAIMED[key], [entry.detail for entry in exports]
    words = described(folder, trial, [entry.format for entry in exports if entry.state == "ok"])
    for argument in words["arguments"]:
        if argument["columns"]:
            assert channels(argument) == sum(column["size"] for column in argument["columns"]), argument


@pytest.mark.parametrize("key", ["mionet", "pinn", "resnet"])
def test_an_export_names_the_columns_of_its_arguments(made, key):
    """Which the order of fields and parameters does not tell: functions, coordinates and classes."""
    trial, folder = made(key)
    export_run(folder, ("torch",), problem=registry.folder_of(trial.bench.problem))
    words = described(folder, trial, ["torch"])
    named = [[(c["name"], c["units"], c["size"]) for c in a["columns"]] for a in words["arguments"]]
    expected = {
        "mionet": ([[("u", "kg", 7), ("p", "W", 5)], [("x", "m", 1), ("t", "s", 1)]], ["v", "w"]),
        "pinn": ([[("x", "1", 1), ("t", "1", 1)]], ["u"]),
        "resnet": ([[("x", "m", 1), ("y", "m", 1)]], ["origin", "right", "top"]),
    }
    assert (named, [column["name"] for column in words["answer"]["columns"]]) == expected[key]


@pytest.mark.parametrize("key", ["pnode", "reduced_model"])
def test_steps_chosen_by_their_error_do_not_leave_and_the_refusal_names_the_setting(made, key):
    trial, folder = made(key)
    with pytest.raises(UnsupportedError, match=r"data-dependent steps[\s\S]*model\.integrate\.step"):
        export_run(folder, problem=registry.folder_of(trial.bench.problem))
    assert not (folder / "export").exists()


@pytest.mark.slow
@pytest.mark.parametrize("key", ["pnode", "reduced_model"])
def test_fixed_steps_leave_as_one_loop(made, key):
    trial, folder = made(key, step=0.25 * trial_of(key).bench.context.dt)
    problem, context = trial.bench.problem, trial.bench.context
    start = torch.tensor([[1.0, 0.8, 0.2]])  # cold: what burns is too stiff for so few steps
    asked = Start(start, torch.tensor([[0.4, 0.1, 0.3]]), context.dt * torch.arange(3.0))
    (folder / "example.nc").write_bytes(netcdf_bytes(trial.task.write_inputs(asked, problem, context)))
    exports = export_run(folder, problem=registry.folder_of(problem))
    torch_export, onnx_export = exports
    assert torch_export.state == "ok", torch_export.detail
    assert torch_export.difference < 1e-6
    assert onnx_export.state == "failed"
    assert "takes no other batch size" in onnx_export.detail
    columns = [[c["name"] for c in a["columns"]] for a in described(folder, trial, ["torch"])["arguments"]]
    assert columns == [[field.name for field in problem.fields], [entry.name for entry in problem.parameters]]
