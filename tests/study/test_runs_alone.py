"""A run folder is data, not code, and complete: it predicts without data, and names in it are registered names."""

import json
import random
import shutil
import sys
from pathlib import Path

import h5py
import matplotlib as mpl
import numpy as np
import pytest
import torch
import xarray

from sciml.core import registry, rng
from sciml.core.errors import DataError, UnknownNameError, UnsupportedError, UserError
from sciml.report import write_run, write_study
from sciml.study import (
    RunRequest,
    apply_tool,
    evaluate_run,
    export_run,
    load_run,
    predict_run,
    read_config,
    run,
    run_study,
)
from sciml.testing import PROBLEMS

FIXTURES = PROBLEMS
RUNS = {
    "forecast": ("periodic_advection", "persistence", ()),
    "trajectories": ("plane_rotation", "linear_ode", ()),
    "series": ("plane_rotation", "gru", ("train.steps=1",)),
    "classification": ("three_spots", "resnet", ("train.steps=1",)),
    "density": ("three_spots", "kde", ("task.shape='gaussian'", "task.grid=12")),
    "collocation": ("short_rod", "pinn", ("train.steps=2", "model.width=4", "train.ema=0.9")),
    "paths": ("two_noises", "neural_sde", ("train.steps=1", "train.batch_size=4", "task.examined=8")),
}
"""The cheapest run of every task: problem, solver, settings."""
IGNORED = {
    "forecast": "speed not read: the last frame is repeated whatever they are",
    "series": "frequency not read: a series is completed from its observations alone",
}
"""What these solvers say that they do not read of the file."""
PATHS = ("shared/spiral/", "./shared/spiral", "../run/shared/spiral", "shared.spiral", "spiral/")
"""What a path to a problem folder, or to a module, may look like where a name belongs."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of a finished run by task, made when it is first asked for."""
    made = {}

    def get(task):
        if task not in made:
            problem, solver, settings = RUNS[task]
            request = RunRequest(
                problem=FIXTURES / problem,
                solver=solver,
                settings=(*settings, "baselines=[]"),
                out=tmp_path_factory.mktemp(task),
            )
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("home")))
                made[task] = run(request).folder
        return made[task]

    return get


@pytest.fixture
def elsewhere(runs, tmp_path, monkeypatch):
    """A copy of a run where there is no data and none can be made: ``elsewhere(task)``."""

    def copy(task):
        monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
        folder = Path(shutil.copytree(runs(task), tmp_path / "run"))
        kind = type(load_run(folder, problem=FIXTURES / RUNS[task][0]).task)
        monkeypatch.setattr(kind, "prepare", lambda *arguments, **named: pytest.fail("data was made"))
        return folder, FIXTURES / RUNS[task][0]

    return copy


@pytest.mark.parametrize("task", sorted(RUNS))
def test_a_copied_run_predicts_and_exports_without_data(elsewhere, tmp_path, task):
    folder, problem = elsewhere(task)
    answer = predict_run(folder, folder / "example.nc", problem=problem)
    assert answer.attrs.get("ignored") == IGNORED.get(task)
    assert set(answer["status"].values.tolist()) <= {0, 1, 2, 3}
    assert all(np.isfinite(answer[name]).all() for name in answer.data_vars)
    try:
        exported = export_run(folder, ("torch",), problem=problem)
        assert [entry.state for entry in exported] == ["ok"], exported
    except UnsupportedError as error:
        assert "more than one pass" in str(error) or "export" in str(error)  # noqa: PT017 (either is right)
    child = apply_tool("cost", folder, settings=("patience=0",), problem=problem, out=tmp_path / "child")
    assert child.record.lineage[-1].cost.file_size > 0
    assert not list(tmp_path.glob("home/**/*.nc"))


def test_evaluation_makes_the_data_again_and_gives_the_same_numbers(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    evaluation = evaluate_run(runs("forecast"), problem=FIXTURES / "periodic_advection")
    timed = {key for key in evaluation.metrics if "seconds" in key}
    assert {k: v for k, v in evaluation.metrics.items() if k not in timed} == {
        k: v for k, v in evaluation.recorded.items() if k not in timed
    }


@pytest.mark.parametrize(("version", "words"), [(1, "an older version"), (None, "an older"), (99, "a newer version")])
def test_another_layout_is_refused_in_words(runs, tmp_path, version, words):
    folder = Path(shutil.copytree(runs("forecast"), tmp_path / "run"))
    config = json.loads((folder / "config.json").read_text())
    assert config.pop("version") == 2
    (folder / "config.json").write_text(json.dumps(config if version is None else config | {"version": version}))
    for use in (read_config, load_run, evaluate_run, export_run):
        with pytest.raises(DataError, match=rf"was written by {words}.*expected version 2"):
            use(folder)


@pytest.mark.parametrize("bad", ["2", 2.5, None, True, [2]])
def test_a_version_that_is_none_is_refused(runs, tmp_path, bad):
    folder = Path(shutil.copytree(runs("forecast"), tmp_path / "run"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"version": bad}))
    with pytest.raises(UserError, match="version"):
        load_run(folder)


@pytest.fixture
def trap(runs, tmp_path, monkeypatch):
    """A copied run of a problem that is registered here, with a problem folder in it that must never be imported."""
    folder = Path(shutil.copytree(runs("trajectories"), tmp_path / "run"))
    spring = folder / "shared" / "spiral"
    spring.mkdir(parents=True)
    code = f"from pathlib import Path\nPath({str(tmp_path / 'imported')!r}).touch()\n"
    for place in (spring, folder / "spiral"):
        place.mkdir(exist_ok=True)
        (place / "__init__.py").write_text(code)
    (folder / "shared" / "__init__.py").write_text(code)
    known = registry.problem_folders() | {"plane_rotation": FIXTURES / "plane_rotation"}
    monkeypatch.setattr(registry, "problem_folders", lambda: known)
    monkeypatch.chdir(folder)
    change(folder / "config.json", ["problem_path"], None)
    yield folder
    assert not (tmp_path / "imported").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"run", "out"}


def change(path, keys, value):
    """Set an entry of a JSON file."""
    content = json.loads(path.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("keys", [["problem"], ["solver"], ["preset"], ["lineage"]])
def test_names_in_a_config_are_registered_names(trap, keys, name):
    value = [{"tool": name, "plan": {}}] if keys == ["lineage"] else name
    change(trap / "config.json", keys, value)
    for use in (load_run, export_run, lambda folder: load_run(folder).bench(), evaluate_run):
        if keys == ["preset"] and use in (load_run, export_run):
            continue  # a run folder is used without its preset
        with pytest.raises(UnknownNameError, match=r"unknown (problem|solver|preset|tool)"):
            use(trap)
    if keys != ["preset"]:
        with pytest.raises(UnknownNameError):
            predict_run(trap, trap / "example.nc")


def test_a_path_in_a_config_is_for_people(trap):
    change(trap / "config.json", ["problem_path"], str(trap / "shared" / "spiral"))
    with pytest.raises(UserError, match=r"is not a registered one.*--problem"):
        load_run(trap)
    write_run(trap)


@pytest.mark.parametrize("name", PATHS)
def test_names_in_a_record_are_shown_and_never_followed(trap, name):
    for key in ("problem", "solver", "task", "tool", "parent", "preset"):
        change(trap / "record.json", [key], name)
    problem, before = FIXTURES / "plane_rotation", set(sys.modules)
    write_run(trap)
    examined = evaluate_run(trap, problem=problem)
    assert examined.metrics["rollout/relative_l2"] == pytest.approx(examined.recorded["rollout/relative_l2"], rel=1e-4)
    imported = {name for name in set(sys.modules) - before if name.startswith("sciml_problems.")}
    assert all(name.startswith("sciml_problems.plane_rotation") for name in imported), imported


@pytest.mark.parametrize("name", PATHS[:3])
def test_groups_of_predictions_are_never_followed(trap, name):
    with h5py.File(trap / "predictions.h5", "a") as file:
        file.move("solvers/linear_ode", f"solvers/{name.replace('/', '|')}")
        file["solvers/outside"] = h5py.ExternalLink(str(trap / "shared" / "spiral" / "__init__.py"), "/")
    with pytest.raises(UserError):
        write_run(trap)


STUDY = """
title = "t"
question = "q"
problem = "{problem}"
preset = "tiny"
seeds = [0]
metrics = ["rollout/relative_l2"]
[[variants]]
name = "{name}"
label = "l"
solver = "{solver}"
"""
GOOD = {"problem": "plane_rotation", "name": "a", "solver": "linear_ode"}


@pytest.mark.parametrize("value", PATHS)
@pytest.mark.parametrize("key", sorted(GOOD))
def test_names_in_a_study_are_registered_names(trap, tmp_path, key, value):
    (trap / "s.toml").write_text(STUDY.format(**GOOD | {key: value}))
    with pytest.raises(UserError):
        run_study(trap / "s.toml", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    study = json.loads((trap / "config.json").read_text())
    study = {
        "title": "t",
        "question": "q",
        "problem": GOOD["problem"],
        "preset": "tiny",
        "variants": [{"name": GOOD["name"], "label": "l", "solver": GOOD["solver"]}],
    }
    if key == "problem":
        study["problem"] = value
    else:
        study["variants"][0][key] = value
    (trap / "study.json").write_text(json.dumps(study))
    try:
        write_study(trap)
    except UserError as error:
        assert key == "name", error  # noqa: PT017 (a variant's name would be a folder)


def state():
    """What of the process a call may not change."""
    seeds = rng.state()
    return {
        # the type checks of the tests draw from it to choose what they look at
        "python": None if "beartype" in sys.modules else random.getstate(),
        "numpy": str(seeds["numpy"]),
        "torch": seeds["torch"].tolist(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "gradients": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "errors": np.geterr(),
        "matplotlib": {key: str(value) for key, value in mpl.rcParams.items()},
        "xarray": xarray.get_options()["keep_attrs"],
    }


def test_a_call_leaves_the_process_as_it_was(tmp_path):
    problem = FIXTURES / "plane_rotation"
    settings = ("train.steps=2", "baselines=[]")
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    try:
        before = state()
        made = run(RunRequest(problem=problem, solver="gru", settings=settings, out=tmp_path))
        assert state() == before
        evaluate_run(made.folder, problem=problem)
        assert state() == before
        predict_run(made.folder, made.folder / "example.nc", problem=problem)
        assert state() == before
        write_run(made.folder, problem=registry.find_problem(problem))
        assert state() == before
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
