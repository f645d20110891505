"""Regression of numbers on parameters: right errors in units, all regressors on one table, files in and out."""

import numpy as np
import pytest
import torch
import xarray

import sciml
from sciml.core import registry
from sciml.core.errors import DataError, UnsupportedError, UserError
from sciml.core.types import Prediction
from sciml.data import netcdf_bytes
from sciml.solvers.baselines import GaussianProcessRowsSolver, MeanRowsSolver
from sciml.study import export_run, load_run
from sciml.tasks.regression import REGRESSION, Point, RegressionConfig
from sciml.train import find_solver, solver_for

BOREHOLE = registry.problem("borehole")
FAMILIES = {"kernel_ridge": 0.1, "gaussian_process": 0.05, "boosted_trees": 0.5, "mlp_regression": 0.5}
"""Largest error in standard deviations with sixty rows."""


@pytest.fixture(scope="module")
def bench():
    return REGRESSION.prepare(BOREHOLE, "tiny", RegressionConfig())


class Offset(MeanRowsSolver):
    """Is wrong by three and a hundred in the two targets, and states standard deviations of one and two hundred."""

    def __init__(self, truth):
        self.truth = truth

    def predict(self, module, inputs):
        mean = self.truth + torch.tensor([3.0, 100.0])
        spread = torch.tensor([1.0, 200.0]).expand_as(mean)
        return Prediction(mean.float(), spread, torch.zeros(len(mean), dtype=torch.int64))


def test_errors_are_what_they_say(bench):
    true = bench.splits["test"].targets
    solver = Offset(true)
    scores = bench.examine(solver, solver.build(BOREHOLE, solver.recipe("tiny").model, bench.context)).metrics
    for kind in ("mae", "rmse", "worst"):
        assert scores[f"{kind}/flow"] == pytest.approx(3.0, rel=1e-4)
        assert scores[f"{kind}/velocity"] == pytest.approx(100.0, rel=1e-4)
    std = true.std(0, correction=0)
    assert scores["rmse_share"] == pytest.approx(float((torch.tensor([3.0, 100.0]) / std).mean()), rel=1e-4)
    assert scores["r2/flow"] == pytest.approx(1 - float(9 / std[0] ** 2), rel=1e-4)
    assert (scores["covered/flow"], scores["covered/velocity"]) == (0.0, 1.0)


def test_the_mean_knows_nothing(bench):
    solver = MeanRowsSolver()
    module = solver.build(BOREHOLE, solver.recipe("tiny").model, bench.context)
    predicted = solver.predict(module, Point(bench.splits["test"].parameters.float())).mean
    torch.testing.assert_close(predicted[0].double(), bench.splits["train"].targets.mean(0), rtol=1e-5, atol=0)
    assert (predicted == predicted[0]).all()
    assert bench.examine(solver, module).metrics["r2/flow"] < 0.05


def test_rows_are_split_once_and_subsets_are_nested(bench):
    tables = [set(map(tuple, rows.parameters.tolist())) for rows in bench.splits.values()]
    assert not tables[0] & tables[1] and not tables[0] & tables[2] and not tables[1] & tables[2]
    few, more = (REGRESSION.prepare(BOREHOLE, "tiny", RegressionConfig(cases=n)).examples for n in (10, 20))
    assert set(map(tuple, few.targets.tolist())) < set(map(tuple, more.targets.tolist()))
    torch.testing.assert_close(bench.context.statistics.field_mean.double(), bench.splits["train"].targets.mean(0))


def test_a_key_means_the_method_on_the_data_there_is():
    tank = registry.problem("spiral")
    for family in FAMILIES:
        relative = solver_for(family, BOREHOLE)
        assert relative.family == family and relative.task is REGRESSION
        assert solver_for(relative.key, BOREHOLE) is relative
        assert find_solver(family).task.key == "trajectories"
    assert solver_for("kernel_ridge", tank).key == "kernel_ridge"  # refused there for its own reason


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def finished(request, tmp_path_factory):
    """A run of every regressor, by the name of its method."""
    return sciml.run("borehole", solver=request.param, settings=['baselines=["mean_rows"]'],
                     out=tmp_path_factory.mktemp("runs"))  # fmt: skip


def test_every_regressor_learns_it_from_sixty_rows(finished):
    family = find_solver(finished.record.solver).family
    assert finished.metrics["rmse_share"] < FAMILIES[family]
    assert finished.record.baselines["mean_rows"].metrics["test"]["rmse_share"] > 0.9
    page = (finished.folder / "report.html").read_text(encoding="utf-8")
    for words in ("Predicted against true", "Errors by target", "velocity in the borehole", "m3 yr-1", "Mean of the"):
        assert words in page


def test_predict_reads_tables_and_netcdf_alike(finished, tmp_path):
    example = xarray.load_dataset(finished.folder / "example.nc", engine="h5netcdf")
    values = {name: float(array[0]) for name, array in example.data_vars.items()}
    header = [f"{name} ({array.attrs['units']})" for name, array in example.data_vars.items()]
    values["well_radius"] *= 100
    header[0] = "well_radius (cm)"
    table = tmp_path / "cases.csv"
    table.write_text("case;" + ";".join(header) + "\nfirst;" + ";".join(map(str, values.values())) + "\n")
    with pytest.warns(UserWarning, match="converted from cm to m"):
        answer = sciml.predict(finished.folder, table)
    expected = sciml.predict(finished.folder, finished.folder / "example.nc")
    assert answer["sample"].values.tolist() == ["first"]
    np.testing.assert_allclose(answer["flow"], expected["flow"], rtol=1e-4)
    assert answer["flow"].attrs["units"] == "m3 yr-1"
    assert ("sigma_flow" in answer) == (finished.record.solver == "gaussian_process_rows")
    table.write_text(table.read_text().replace("length", "lenght"))
    with pytest.raises(DataError, match="lacks length"):
        sciml.predict(finished.folder, table)
    far = tmp_path / "far.nc"
    far.write_bytes(netcdf_bytes(example.assign(length=2 * example["length"])))
    with pytest.raises(UserError, match=r"parameter 'length' is outside the range.*--extrapolate"):
        sciml.predict(finished.folder, far)


def test_it_leaves_as_a_program(finished):
    """In physical units, the same numbers as `predict`, at any number of rows."""
    exported = export_run(finished.folder, ["torch"])
    assert [entry.state for entry in exported] == ["ok"]
    program = torch.export.load(exported[0].path).module()
    rows = REGRESSION.prepare(BOREHOLE, "tiny", RegressionConfig()).splits["test"].parameters[:7].float()
    loaded = load_run(finished.folder)
    torch.testing.assert_close(
        program(rows), loaded.solver.predict(loaded.module, Point(rows)).mean, rtol=1e-5, atol=1e-4
    )


def test_a_gaussian_process_is_calibrated_where_the_function_is_smooth(bench):
    solver = GaussianProcessRowsSolver()
    module = solver.build(BOREHOLE, solver.recipe("tiny").model, bench.context)
    solver.solve_closed_form(module, bench.examples)
    covered = bench.examine(solver, module).metrics["covered/flow"]
    assert 0.8 < covered <= 1.0


def test_a_problem_of_another_kind_is_refused(tmp_path):
    with pytest.raises(UnsupportedError, match="does not map parameters to numbers"):
        sciml.run("spiral", solver="kernel_ridge_rows", out=tmp_path)
