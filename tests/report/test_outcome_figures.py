"""Pages of problems with outcomes and quantities of their own: what is drawn is what was predicted."""

import re
import shutil

import h5py
import numpy as np
import pytest
import xarray
from report_builders import Page

from sciml.core import registry
from sciml.report import read_run, write_run
from sciml.study import RunRequest, run
from sciml.testing import PROBLEMS
from sciml.train import find_task

TANK = PROBLEMS / "warm_tank"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Kernel ridge on the tank."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("home")))
        settings = ["baselines=[]", "model.folds=2", "model.gammas=[0.1]", "model.alphas=[0.01]"]
        return run(
            RunRequest(problem=TANK, solver="kernel_ridge", settings=settings, out=tmp_path_factory.mktemp("tank"))
        ).folder


def changed(folder, tmp_path, changes):
    """A copy of a run with other predictions: ``{"solvers/kernel_ridge/chance": function}``."""
    copy = shutil.copytree(folder, tmp_path / "run", ignore=shutil.ignore_patterns("report.html", "figures"))
    with h5py.File(copy / "predictions.h5", "a") as file:
        for path, change in changes.items():
            file[path][...] = change(file[path][...])
    return copy


def page_of(folder):
    return Page(write_run(folder, problem=registry.find_problem(TANK)).read_text(encoding="utf-8"))


def names(folder):
    return {path.name for path in (folder / "figures").iterdir()}


def test_the_page_speaks_in_the_terms_of_the_problem(folder):
    page = page_of(folder)
    assert {"quantity-peak_temperature.svg", "outcomes-kernel_ridge.svg"} <= names(folder)
    assert "Outcome map: runaway" in page.text
    assert "Highest temperature" in page.text
    assert "place x" in (folder / "figures" / "outcomes-kernel_ridge.svg").read_text()
    parameters = re.search(r"The typical case: (.*), the median", page.text)[1]
    assert "energy" in parameters and "chance" not in parameters and "summary" not in parameters


def test_misses_are_counted_both_ways_and_shown(folder, tmp_path):
    with xarray.open_dataset(folder / "predictions.h5", group="truth", engine="h5netcdf") as truth:
        happened = truth["chance"].values > 0.5
    first, second, last = int(happened.argmax()), int((~happened).argmax()), len(happened) - 1
    wrong = happened.astype(float)
    wrong[[first, second]] = 1 - wrong[[first, second]]
    spoilt = changed(folder, tmp_path, {"solvers/kernel_ridge/chance": lambda values: wrong})
    expected = f"Outcome wrong in 2 of {len(happened)} test cases: 1 with runaway, 1 without."
    assert outcome_words(spoilt) == expected
    assert expected in page_of(spoilt).text
    assert {f"missed-{sample}-series-temperature.svg" for sample in (first, second)} <= names(spoilt)
    assert f"missed-{last}-series-temperature.svg" not in names(spoilt)
    missed = (spoilt / "figures" / "outcomes-kernel_ridge.svg").read_text()
    assert "Kernel ridge misses 2 of" in page_of(spoilt).text and ">missed<" in missed


def test_outcomes_that_are_all_right_have_no_marks_of_misses(folder, tmp_path):
    with xarray.open_dataset(folder / "predictions.h5", group="truth", engine="h5netcdf") as truth:
        chance = truth["chance"].values
    right = changed(folder, tmp_path, {"solvers/kernel_ridge/chance": lambda values: chance})
    page = page_of(right)
    assert "Outcome (runaway or not) right in all" in page.text
    assert "Misclassified outcomes" not in page.text
    assert ">missed<" not in (right / "figures" / "outcomes-kernel_ridge.svg").read_text()


def test_predictions_that_are_not_finite_are_missed_and_left_out_of_the_figures(folder, tmp_path):
    nothing = {
        f"solvers/kernel_ridge/{name}": lambda values: np.full_like(values, np.nan)
        for name in ("chance", "chance_map", "summary_runaway_time", "summary_peak_temperature")
    }
    broken = changed(folder, tmp_path, nothing)
    assert re.match(r"Outcome wrong in (\d+) of \1 test cases", outcome_words(broken))
    page_of(broken)
    assert "quantity-peak_temperature.svg" not in names(broken)
    assert "outcomes-kernel_ridge.svg" in names(broken)


def test_a_quantity_that_only_one_side_has_is_said(folder, tmp_path):
    with xarray.open_dataset(folder / "predictions.h5", group="truth", engine="h5netcdf") as truth:
        true = truth["summary_runaway_time"].values
    absent = int(np.isnan(true).sum())
    assert 0 < absent < len(true)
    path = "solvers/kernel_ridge/summary_runaway_time"
    page = page_of(changed(folder, tmp_path, {path: lambda values: np.nan_to_num(true, nan=1.0) + 0.5}))
    assert f"over {len(true) - absent} test cases. {absent} more have it in the prediction only." in page.text
    shown = re.search(r"Time at which T passes 2.*?Mean absolute error ([\d.]+)", page.text, re.DOTALL)
    assert float(shown[1]) == pytest.approx(0.5)


def outcome_words(folder):
    """What the view of the task says of outcomes."""
    view = read_run(folder, registry.find_problem(TANK))
    return find_task("trajectories").view.show(view).values["outcome_words"]
