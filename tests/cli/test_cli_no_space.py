"""The command line on a problem without space: an ordinary differential equation."""

import numpy as np
import xarray


def test_data_verbs(sciml, rotation):
    assert sciml("data", "generate", rotation).code == 0
    checks = sciml("data", "verify", rotation, "--json").json
    assert all(check["ok"] for check in checks)
    assert sciml("data", "info", rotation, "--json").json["grid"] == {}
    assert sciml("data", "export", rotation, "--format", "netcdf", "--out", "out").code == 0
    with xarray.open_dataset("out/test.nc", engine="h5netcdf") as data:
        assert data["x"].dims == ("sample", "time")


def test_a_linear_equation_is_learnt_evaluated_and_applied(sciml, rotation, refused):
    finished = sciml("run", rotation, "--solver", "linear_ode", "--json").json
    folder, test = finished["folder"], finished["record"]["metrics"]["test"]
    assert 0 < test["rollout/relative_l2"] < 2  # one matrix cannot turn at every frequency
    assert test["prediction/seconds"] > 0
    examined = sciml("evaluate", folder, "--problem", rotation, "--json").json
    assert examined["metrics"]["rollout/mae_share"] == test["rollout/mae_share"]
    variables = {"x": ("sample", [1.0]), "y": ("sample", [0.0]), "frequency": 1.0}
    xarray.Dataset(variables, {"time": np.linspace(0, 1, 5)}).to_netcdf("in.nc", engine="h5netcdf")
    answer = sciml("predict", folder, "--input", "in.nc", "--output", "out.nc", "--problem", rotation, "--json")
    assert answer.json["sizes"] == {"sample": 1, "time": 5}
    with xarray.open_dataset("out.nc", engine="h5netcdf") as predicted:
        assert float(predicted["x"][0, 0]) == 1.0
        assert predicted["y"].attrs["units"] == "m"
    assert "predicting for the task 'trajectories' is more than one pass" in refused(
        "export", folder, "--problem", rotation
    )


def test_solvers_of_fields_are_refused_with_the_reason(refused, rotation):
    message = refused("run", rotation, "--solver", "sinenet")
    assert "does not apply to problem 'plane_rotation': it has 0 spatial axes" in message


def test_solvers_of_points_are_refused_in_space_with_the_reason(refused, advection):
    assert "it has 2 spatial axes" in refused("run", advection, "--solver", "linear_ode")
