"""The command line on a problem without space: an ordinary differential equation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray

import sciml as package
from sciml.core import registry
from sciml.core.errors import UserError
from sciml.tasks import out_of_range
from sciml.tasks.trajectories import Start


def test_data_verbs(sciml, rotation):
    assert sciml("data", "generate", rotation).code == 0
    checks = sciml("data", "verify", rotation, "--json").json
    assert all(check["ok"] for check in checks)
    assert sciml("data", "info", rotation, "--json").json["trajectories"]["grid"] == {}
    assert sciml("data", "export", rotation, "--format", "netcdf", "--out", "out").code == 0
    with xarray.open_dataset("out/test.nc", engine="h5netcdf") as data:
        assert data["x"].dims == ("sample", "time")


def test_a_linear_equation_is_learnt_evaluated_and_applied(sciml, rotation):
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
    exported = sciml("export", folder, "--problem", rotation, "--format", "torch", "--json").json
    assert [entry["state"] for entry in exported] == ["ok"]


def test_solvers_of_fields_are_refused_with_the_reason(refused, rotation):
    message = refused("run", rotation, "--solver", "sinenet")
    assert "does not apply to problem 'plane_rotation': it is 0-D; this network is for 1 to 3 spatial axes" in message


def test_solvers_of_points_are_refused_in_space_with_the_reason(refused, advection):
    assert "it has 2 spatial axes" in refused("run", advection, "--solver", "linear_ode")


def test_parameters_outside_of_their_range_are_refused_unless_asked_for(sciml, rotation, refused):
    folder = sciml("run", rotation, "--solver", "linear_ode", "--json").json["folder"]
    low, high = (getattr(registry.find_problem(rotation).parameters[0], end) for end in ("low", "high"))
    start = {"x": ("sample", [1.0, 1.0, 1.0]), "y": ("sample", [0.0, 0.0, 0.0])}
    bold = xarray.Dataset(start | {"frequency": ("sample", [low, 1.1 * high, 2 * high])})
    bold.to_netcdf("bold.nc", engine="h5netcdf")
    arguments = ("predict", folder, "--input", "bold.nc", "--problem", rotation)
    message = refused(*arguments)
    assert "parameter 'frequency' is outside the range" in message
    assert f"got {1.1 * high:.6g}" in message and "(sample 1 and 1 more)" in message
    assert f"expected [{low:g}, {high:g}]" in message and "--extrapolate" in message
    assert not Path("prediction.nc").exists()
    allowed = sciml(*arguments, "--extrapolate", "--json")
    assert allowed.code == 0 and allowed.json["sizes"]["sample"] == 3
    assert allowed.err.startswith("warning: parameter 'frequency' is outside")
    with xarray.open_dataset("prediction.nc", engine="h5netcdf") as predicted:
        assert "frequency" in predicted.attrs["extrapolated"]
    with pytest.raises(UserError, match="extrapolate=True in Python"):
        package.predict(folder, "bold.nc", problem=rotation)
    with pytest.warns(UserWarning, match="nothing says how wrong"):
        package.predict(folder, "bold.nc", problem=rotation, extrapolate=True)
    edges = xarray.Dataset(start | {"frequency": ("sample", [low, high, high])})
    edges.to_netcdf("edges.nc", engine="h5netcdf")  # the ends of a range are inside
    assert "extrapolated" not in package.predict(folder, "edges.nc", problem=rotation).attrs


def test_what_is_not_physically_possible_is_refused_whatever_is_asked_for(rotation):
    problem = registry.find_problem(rotation)
    walled = replace(problem, parameters=(replace(problem.parameters[0], least=0.0, most=2.0),))
    start = Start(torch.zeros(2, 2), torch.tensor([[1.8], [-1.0]]), torch.arange(2.0))
    with pytest.raises(UserError, match=r"'frequency' is not physically possible; got -1 s-1 \(sample 1\)"):
        out_of_range(walled, start)
    assert len(out_of_range(problem, start)) == 1
