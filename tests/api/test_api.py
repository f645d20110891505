"""Every verb of the command line is a function of the package, light to import and of the same words."""

import inspect
import json
import sys

import numpy as np
import pytest
import typer.main

import sciml
from sciml import api
from sciml.cli import app
from sciml.core.errors import DataError, UnknownNameError
from sciml.core.text import Described
from sciml.study import run_study
from sciml.testing import PROBLEMS

ELSEWHERE = {
    "new": "writes files to start from, at the command line only",
    "data": "a module: sciml.data.generate, ...",
}

STUDY = """
title = "Two seeds"
question = "Does a seed change a closed form?"
problem = "periodic_advection"
preset = "tiny"
seeds = [0, 1]
metrics = ["rollout/relative_l2"]

[[variants]]
name = "linear"
label = "linear stencil"
solver = "linear"
"""


def test_every_verb_is_a_function():
    commands = set(typer.main.get_command(app).commands) - set(ELSEWHERE)
    missing = [name for name in commands if not callable(getattr(sciml, name, None))]
    assert not missing
    assert commands <= set(sciml.__all__)
    assert set(dir(sciml)) >= set(sciml.__all__)
    for name in commands:
        assert inspect.getdoc(getattr(api, name)), name
        assert inspect.isfunction(getattr(api, name)), name


def test_names_of_the_package_are_those_that_types_know():
    for module in (sciml, api):
        source = inspect.getsource(module)
        typed = {line.split()[-1] for line in source.splitlines() if line.startswith("    from ")}
        assert typed | {"DEFAULT_PROBLEM", "__version__"} == set(module.__all__) | {"DEFAULT_PROBLEM", "__version__"}
        assert all(getattr(module, name) is not None for name in module.__all__)


def test_a_package_can_be_a_verb_too(tmp_path):
    assert sciml.study.run_study is run_study
    assert callable(sciml.report)
    with pytest.raises(DataError, match="there is no folder"):
        sciml.report(tmp_path / "nothing")


def test_list_says_what_there_is():
    listed = sciml.list()
    assert isinstance(listed, Described)
    assert json.loads(json.dumps(listed, default=str))["support"]["shallow_water"]["sinenet"]["ok"]
    text = repr(listed)
    assert text == str(listed)
    assert all(word in text for word in ("Problems", "shallow_water", "SineNet", "Tools", "low_rank"))


def test_show_takes_names_folders_and_runs(tmp_path):
    problem = sciml.show(PROBLEMS / "periodic_advection")
    assert problem["kind"] == "problem"
    assert "∂a/∂t + c ∂a/∂x = 0" in repr(problem)
    assert sciml.show("sinenet")["recipes"]["paper"]["model"]["waves"] == 8
    with pytest.raises(UnknownNameError, match="Did you mean 'sinenet'"):
        sciml.show("sinnet")
    settings = ["baselines=[]"]
    run = sciml.run(PROBLEMS / "periodic_advection", solver="linear", out=tmp_path, settings=settings)
    shown = sciml.show(run.folder)
    assert shown["kind"] == "run"
    assert shown["record"]["solver"] == "linear"
    assert shown["headline"]["one_step/relative_l2"] == run.metrics["one_step/relative_l2"]
    assert "on the test split" in repr(shown)
    page = sciml.report(run.folder, problem=PROBLEMS / "periodic_advection")
    assert page == run.folder / "report.html"
    assert sciml.report(tmp_path).name == "index.html"


def test_predict_takes_what_would_be_in_a_file(tmp_path):
    """Datasets and data frames are checked as files are, and no error names a file that the user never wrote."""
    pandas = pytest.importorskip("pandas")
    x = np.linspace(0.0, 1.0, 12)
    rows = pandas.DataFrame({"x": x, "y": 3 * x + 1})
    run = sciml.run(data=rows, solver="kernel_ridge_rows", settings=["baselines=[]"], out=tmp_path / "runs",
                    choices={"fields": ("y",)})  # fmt: skip
    asked = pandas.DataFrame({"case": ["b", "a"], "x": [0.25, 0.5]})
    asked.to_csv(tmp_path / "ask.csv", index=False)
    from_file = sciml.predict(run.folder, tmp_path / "ask.csv")
    assert from_file["sample"].values.tolist() == ["b", "a"]
    for inputs in (asked, sciml.example(run.folder).isel(sample=[0, 0]).assign(x=("sample", [0.25, 0.5]))):
        np.testing.assert_array_equal(sciml.predict(run.folder, inputs)["y"], from_file["y"])
    with pytest.raises(sciml.errors.DataError, match=r"^the data frame lacks x"):
        sciml.predict(run.folder, asked.rename(columns={"x": "z"}))
    with pytest.raises(sciml.errors.UserError, match="a file, an xarray dataset or a data frame; got ndarray"):
        sciml.predict(run.folder, x)


def test_data_takes_names():
    folder = PROBLEMS / "periodic_advection"
    dataset = sciml.data.generate(folder)
    assert sciml.data.open_dataset(str(folder)).digest == dataset.digest
    assert sciml.data.info(dataset)["splits"]["train"]["trajectories"] > 0
    checks = sciml.data.verify(folder, "tiny")
    assert all(check.ok for check in checks)
    with pytest.raises(UnknownNameError, match="unknown problem"):
        sciml.data.generate("advection_of_nothing")


def test_a_study_from_python(tmp_path):
    (tmp_path / "two.toml").write_text(STUDY, encoding="utf-8")
    place = PROBLEMS / "periodic_advection"
    done = sciml.study(tmp_path / "two.toml", out=tmp_path / "reports", problem=place, draft=True)
    assert (done.folder / "results.jsonl").is_file()
    assert "linear stencil" in done.page.read_text(encoding="utf-8")


def test_doctor_from_python_works_without_the_rest(monkeypatch):
    """That nothing imports the rest before it is needed says `tests/core/test_registry.py`."""
    monkeypatch.setitem(sys.modules, "sklearn", None)
    states = {check.name: check.state for check in sciml.doctor()}
    assert states["torch"] == "ok"
    assert [name for name, state in states.items() if state == "fail" and name != "free disk"] == []
