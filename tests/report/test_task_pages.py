"""The pages of tasks without space, of real runs at the smallest size, so that what is stored is what is shown."""

import json
import re
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
import xarray
from PIL import Image
from report_builders import Page
from task_runs import RUNS, task_problem

from sciml.core import registry
from sciml.core.errors import DataError
from sciml.report import write_run
from sciml.study import RECORD, Record, RunRequest, run
from sciml.testing import PROBLEMS

FIGURES = {
    "trajectories": {"phase-typical.svg", "phase-worst.svg", "series-x.svg", "worst-series-x.svg", "work.svg"},
    "series": {"series-x.svg", "series-y.svg", "worst-series-y.svg", "error-growth.svg", "conserved-radius.svg"},
    "classification": {"tolerance-evaluations.svg", "tolerance-difference.svg"},
    "density": {"density-0.png", "log-density-2.png", "points-1.png"},
    "collocation": {"u-0.png", "u-error-0.png", "residual-0.png", "seconds.svg"},
    "paths": {"mean-x.svg", "deviation-y.svg", "paths-x.svg", "paths-plane.svg"},
}
WORDS = {
    "trajectories": ("is given the initial state and predicts the 16 that follow", "function evaluations (NFE)",
                     "Phase portrait", "The worst case", "distance from the origin", "Error against work"),
    "series": ("Dots are the observations Latent ODE was given", "nothing was observed",
               "Interpolation and extrapolation error",
               "RMSE, after the last observation time", "one value", "in a batch of series"),
    "classification": ("test samples", "Confusion matrix", "origin", "of 15", "Tolerance against cost",
                       "10⁻¹", "negative log-likelihood", "operations per sample"),
    "density": ("Kullback–Leibler divergence", "integral of the density", "test points", "truth",
                "Kernel density, drawn", "Three spots, gaussian: "),
    "collocation": ("is given the equation with its boundary and initial conditions", "Error of temperature",
                    "Residual of the equations",
                    "boundary and initial condition residual (RMS)", "Error against time", "Identified parameters",
                    "D = "),
    "paths": ("Mean and standard deviation", "Sample paths", "RMSE of the variance", "from sampling alone",
              "squared error expected of perfect paths"),
}  # fmt: skip
TASKS = list(RUNS)


def _page(folder):
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def _copy(folder, tmp_path):
    copied = tmp_path / "run"
    shutil.copytree(folder, copied, ignore=shutil.ignore_patterns("report.html", "figures"))
    return copied


def _change(folder, group, name, change):
    """Rewrite one variable of a run's predictions."""
    with h5py.File(folder / "predictions.h5", "a") as file:
        values = file[group][name][...]
        file[group][name][...] = change(values)


@pytest.mark.parametrize("task", TASKS)
def test_a_page_says_and_shows_what_its_task_is_about(task, task_folders):
    page, record = _page(task_folders[task]), Record.read(task_folders[task])
    assert record.task == task
    for words in WORDS[task]:
        assert words in page.text
    assert {path.name for path in (task_folders[task] / "figures").iterdir()} >= FIGURES[task] | {"training.svg"}


@pytest.mark.parametrize("task", TASKS)
def test_a_page_is_self_contained_described_and_without_nan(task, task_folders):
    page = _page(task_folders[task])
    assert not page.all("script")
    assert all(reference.startswith(("data:image/", "#")) for reference in page.references)
    assert all(len(values["alt"]) > 20 for values in page.all("img"))
    figures = [values for values in page.all("div") if values.get("role") == "img"]
    assert len(figures) == len(page.all("svg")) > 0
    assert all(len(values["aria-label"]) > 20 for values in figures)
    assert not re.search(r"\bnan\b|\binf\b", page.text, re.IGNORECASE)
    assert (task_folders[task] / "report.html").stat().st_size < 1e6


@pytest.mark.parametrize("task", ["classification", "density"])
def test_a_page_can_be_made_again_and_is_the_same(task, task_folders, tmp_path):
    again = write_run(_copy(task_folders[task], tmp_path), problem=task_problem(task))
    assert again.read_bytes() == (task_folders[task] / "report.html").read_bytes()


@pytest.mark.parametrize("task", TASKS)
def test_a_page_without_predictions_or_problem_has_its_tables(task, task_folders, tmp_path):
    folder = _copy(task_folders[task], tmp_path)
    (folder / "predictions.h5").unlink()
    page = Page(write_run(folder).read_text(encoding="utf-8"))
    assert "stored no" in page.text
    assert "Every metric" in page.text
    assert not page.all("img")


@pytest.mark.parametrize("task", TASKS)
def test_predictions_in_another_layout_are_refused_by_name(task, task_folders, tmp_path):
    folder = _copy(task_folders[task], tmp_path)
    key = Record.read(folder).solver
    with xarray.open_dataset(folder / "predictions.h5", group="truth", engine="h5netcdf") as data:
        truth = data.load()
    wrong = xarray.Dataset({"grid_log_density": ("sample", np.zeros(3))})
    truth.to_netcdf(folder / "predictions.h5", group="truth", engine="h5netcdf", mode="w")
    wrong.to_netcdf(folder / "predictions.h5", group=f"solvers/{key}", engine="h5netcdf", mode="a")
    with pytest.raises(DataError, match=r"predictions\.h5 does not hold predictions in the layout of a run"):
        write_run(folder, problem=task_problem(task))


def test_a_task_without_a_view_has_a_page_of_tables(task_folders, tmp_path):
    folder = _copy(task_folders["paths"], tmp_path)
    record = json.loads((folder / RECORD).read_text())
    (folder / RECORD).write_text(json.dumps(record | {"task": "something_new"}))
    page = Page(write_run(folder, problem=task_problem("paths")).read_text(encoding="utf-8"))
    assert "operations per answer" in page.text
    assert "Training" in page.text
    assert "Sample paths" not in page.text


def test_points_of_a_sweep_are_in_its_table_and_not_among_the_metrics(task_folders):
    page, metrics = _page(task_folders["classification"]), Record.read(task_folders["classification"]).metrics["test"]
    assert "tolerance_1e-1/error" in metrics
    assert "tolerance_1e-1/error" not in page.text
    assert page.text.count("10⁻³") >= 1


def test_the_confusions_and_the_mistakes_are_those_of_the_predictions(task_folders, tmp_path):
    folder = _copy(task_folders["classification"], tmp_path)
    with xarray.open_dataset(folder / "predictions.h5", group="truth", engine="h5netcdf") as data:
        labels = data["label"].to_numpy()
    predicted = labels.copy()
    origin = np.flatnonzero(labels == 0)
    predicted[origin[0]] = 2
    sure = np.full((len(labels), 3), 0.1, np.float32)
    sure[np.arange(len(labels)), predicted] = 0.8
    _change(folder, "solvers/ode_net", "predicted", lambda _: predicted)
    _change(folder, "solvers/ode_net", "probability", lambda _: sure)
    page = Page(write_run(folder, problem=task_problem("classification")).read_text(encoding="utf-8"))
    assert f"ODE-Net is wrong about 1 of {len(labels)} test samples" in page.text
    assert "origin taken for top 80 %" in page.text
    wrong = [values for values in page.all("td") if values.get("class") == "wrong"]
    assert len(wrong) == 1
    assert wrong[0]["style"] == f"--share: {1 / len(origin):.2f}"
    _change(folder, "solvers/ode_net", "predicted", lambda _: labels)
    page = Page(write_run(folder, problem=task_problem("classification")).read_text(encoding="utf-8"))
    assert f"is right about all {len(labels)} test samples" in page.text


def test_a_classifier_that_breaks_down_is_wrong_and_not_an_error_of_the_page(task_folders, tmp_path):
    folder = _copy(task_folders["classification"], tmp_path)
    _change(folder, "solvers/ode_net", "predicted", lambda values: np.full_like(values, -1))
    _change(folder, "solvers/ode_net", "probability", lambda values: np.full_like(values, np.nan))
    text = Page(write_run(folder, problem=task_problem("classification")).read_text(encoding="utf-8")).text
    assert "without an answer" in text


def test_mistakes_of_a_classifier_of_pictures_are_pictures_the_right_way_up(task_folders, tmp_path):
    folder = _copy(task_folders["classification"], tmp_path)
    path = folder / "predictions.h5"
    with xarray.open_dataset(path, group="truth", engine="h5netcdf") as data:
        truth = data.load()
    with xarray.open_dataset(path, group="solvers/ode_net", engine="h5netcdf") as data:
        outputs = data.load()
    dark_above = np.zeros((truth.sizes["sample"], 4, 2), np.float32)
    dark_above[:, 0] = 1.0
    pictures = xarray.Dataset({"label": truth["label"], "ink": (("sample", "y", "x"), dark_above)}, truth.coords)
    outputs["predicted"] = (truth["label"] + 1) % 3
    pictures.to_netcdf(path, group="truth", engine="h5netcdf", mode="w")
    outputs.to_netcdf(path, group="solvers/ode_net", engine="h5netcdf", mode="a")
    page = Page(write_run(folder).read_text(encoding="utf-8"))
    assert len(page.all("img")) == 12
    assert "the mistakes it was surest of" in page.text
    with Image.open(folder / "figures" / "mistake-1.png") as image:
        column = np.asarray(image.convert("L"), dtype=int)[:, image.width // 2]
    assert image.height == 2 * image.width
    assert column[0] < 50
    assert column[-1] > 200


def test_a_density_that_is_the_truth_is_painted_like_it(task_folders, tmp_path):
    folder = _copy(task_folders["density"], tmp_path)
    with h5py.File(folder / "predictions.h5") as file:
        truth = file["truth"]["grid_log_density"][...]
    _change(folder, "solvers/cnf", "grid_log_density", lambda _: truth)
    write_run(folder, problem=task_problem("density"))
    home = folder / "figures"
    assert (home / "density-0.png").read_bytes() == (home / "density-1.png").read_bytes()
    assert (home / "density-0.png").read_bytes() != (home / "density-2.png").read_bytes()


def test_no_density_at_all_is_the_low_end_of_the_scale_and_not_finite_is_grey(task_folders, tmp_path):
    folder = _copy(task_folders["density"], tmp_path)

    def broken(values):
        values[0, 0], values[-1, -1] = -np.inf, np.nan
        return values

    _change(folder, "solvers/cnf", "grid_log_density", broken)
    write_run(folder, problem=task_problem("density"))
    for name in ("density-1.png", "log-density-1.png"):
        with Image.open(folder / "figures" / name) as image:
            pixels = np.asarray(image.convert("RGB"), dtype=int)
        assert tuple(pixels[0, -1]) == (150, 150, 150)  # the last row is painted on top
        assert tuple(pixels[-1, 0]) == (0, 34, 78)  # the dark end of cividis


def test_predictions_that_run_away_leave_the_frame_and_are_named(task_folders, tmp_path):
    folder = _copy(task_folders["trajectories"], tmp_path)
    for name in ("x", "relative_l2"):
        _change(folder, "solvers/linear_ode", name, lambda values: 1e9 * (1 + np.abs(values)))
    page = Page(write_run(folder, problem=task_problem("trajectories")).read_text(encoding="utf-8"))
    assert page.text.count("Leaving the frame: Linear ODE.") >= 3
    ticks = (folder / "figures" / "series-x.svg").read_text(encoding="utf-8")
    assert "M<" not in ticks


def test_without_unseen_times_there_is_no_shade_and_one_column(task_folders, tmp_path):
    folder = _copy(task_folders["series"], tmp_path)
    for name in ("x", "y"):
        _change(folder, "truth", f"observed_{name}", lambda values: np.nan_to_num(values))
    page = Page(write_run(folder, problem=task_problem("series")).read_text(encoding="utf-8"))
    assert "nothing observed" not in "".join(page.words)
    heads = [values for values in page.all("div") if values.get("aria-label") == "error by field"]
    assert len(heads) == 1
    assert "after it" not in page.text


def test_paths_that_diverge_still_have_a_page(task_folders, tmp_path):
    folder = _copy(task_folders["paths"], tmp_path)
    for name in ("x", "x_mean", "x_variance", "y", "y_mean", "y_variance"):
        _change(folder, "solvers/neural_sde", name, lambda values: np.full_like(values, np.nan))
    assert "not finite" in Page(write_run(folder, problem=task_problem("paths")).read_text(encoding="utf-8")).text


def test_a_regression_is_not_said_to_learn_dynamics(tmp_path, monkeypatch):
    """And errors in the units of a field say which."""
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    request = RunRequest(
        problem=PROBLEMS / "warm_tank", solver="kernel_ridge", settings=("baselines=[]",), out=tmp_path / "runs"
    )
    folder = run(request).folder
    tank = registry.find_problem(PROBLEMS / "warm_tank")
    kelvin = tuple(replace(field, units="K") if field.name == "temperature" else field for field in tank.fields)
    write_run(folder, problem=replace(tank, fields=kelvin, metrics=("mae/temperature",)))
    text = _page(folder).text
    assert "learns the states of reference trajectories as functions of their parameters" in text
    assert "learns the dynamics" not in text
    assert "and predicts the states of" in text
    assert "mean absolute error of temperature [K]" in text
