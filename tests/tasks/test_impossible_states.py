"""States that cannot be, and starts that no training example has: refused by name, sample and value."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray

from sciml.core.errors import DataError, InputWarning, UserError
from sciml.core.problem import Field, Parameter, Problem, is_possible, possible_words
from sciml.study import make_request, predict_run, run
from sciml.tasks import check_possible


def _file(**values):
    gas = {"temperature": 900.0, "pressure": 1e5, "ch4": 0.2, "o2": 0.8, **values}
    return xarray.Dataset({name: ("sample", np.array([start, value])) for (name, value), start in
                           zip(gas.items(), (900.0, 1e5, 0.2, 0.8), strict=True)})  # fmt: skip


GAS = Problem(
    name="gas",
    title="gas",
    equation="",
    fields=(
        Field("temperature", "T", "K", "temperature", least=0.0, open=("least",)),
        Field("pressure", "p", "Pa", "pressure", least=0.0, open=("least",)),
        Field("ch4", "Y", "1", "methane", least=0.0, most=1.0, share_of="the gas"),
        Field("o2", "Y", "1", "oxygen", least=0.0, most=1.0, share_of="the gas"),
    ),
    boundary={},
    citation="",
)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ch4": -0.05, "o2": 1.05}, r"'ch4'.*got -0.05 at sample 1; expected \[0, 1\]"),
        ({"o2": -0.5}, r"'o2'.*got -0.5 at sample 1"),
        ({"ch4": 0.6}, r"shares of the gas.*got 1.4 at sample 1; expected ch4 \+ o2 = 1"),
        ({"ch4": 0.0, "o2": 0.0}, r"got 0 at sample 1"),
        ({"temperature": -300.0}, r"'temperature'.*got -300 K at sample 1; expected \(0, inf\) K"),
        ({"temperature": 0.0}, r"'temperature'.*got 0 K"),
        ({"pressure": -2e5}, r"'pressure'.*got -200000 Pa"),
    ],
)
def test_states_that_cannot_be_are_refused(tmp_path, values, words):
    with pytest.raises(DataError, match=words):
        check_possible(tmp_path / "in.nc", _file(**values), GAS)


def test_rounding_and_gaps_are_no_faults(tmp_path):
    check_possible(tmp_path / "in.nc", _file(ch4=-1e-18, o2=1.0), GAS)
    check_possible(tmp_path / "in.nc", _file(temperature=np.nan), GAS)


def test_shares_may_leave_a_rest(tmp_path):
    open_gas = replace(GAS, fields=tuple(replace(field, rest=bool(field.share_of)) for field in GAS.fields))
    check_possible(tmp_path / "in.nc", _file(ch4=0.1), open_gas)
    with pytest.raises(DataError, match=r"more than one; got 1.4 at sample 1; expected ch4 \+ o2 <= 1"):
        check_possible(tmp_path / "in.nc", _file(ch4=0.6), open_gas)


def test_bounds_say_whether_they_are_open():
    duration = Parameter("duration", "t", "s", "duration", 1.0, 2.0, least=0.0, open=("least",))
    assert is_possible(duration, torch.tensor([0.0, 1e-30, -1.0])).tolist() == [False, True, False]
    assert possible_words(duration) == "(0, inf) s"
    closed = Parameter("share", "s", "1", "share", 0.2, 0.8, least=0.0, most=1.0)
    assert is_possible(closed, torch.tensor([0.0, 1.0, 1.1])).tolist() == [True, True, False]
    assert possible_words(closed) == "[0, 1]"
    with pytest.raises(UserError, match="impossible bounds"):
        Field("a", "a", "1", "a", least=1.0, most=0.0)
    with pytest.raises(UserError, match="impossible bounds"):
        Field("a", "a", "1", "a", open=("least",))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    options = {"solver": "linear_ode", "settings": ["baselines=[]", "task.window=20"]}
    return run(make_request("lotka_volterra", options | {"out": tmp_path_factory.mktemp("runs")})).folder


def _asked(finished, tmp_path, **values):
    with xarray.open_dataset(finished / "example.nc", engine="h5netcdf", decode_times=False) as opened:
        source = opened.load()
    for name, (value, units) in values.items():
        source[name] = ("sample", np.array([value]), {"units": units})
    path = tmp_path / "in.nc"
    source.to_netcdf(path, engine="h5netcdf")
    return path


def test_a_start_far_from_all_of_training_is_refused_or_said(finished, tmp_path):
    with pytest.raises(DataError, match=r"'prey'.*got -3 at sample 0; expected \[0, inf\)"):
        predict_run(finished, _asked(finished, tmp_path, prey=(-3.0, "1")))
    path = _asked(finished, tmp_path, prey=(900.0, "1"))
    with pytest.raises(UserError, match=r"'prey' begins far from all.*got 900 \(sample 0\)"):
        predict_run(finished, path)
    with pytest.warns(UserWarning, match="begins far from all"):
        answer = predict_run(finished, path, extrapolate=True)
    assert "prey" in answer.attrs["extrapolated"]
    with pytest.warns(InputWarning, match="% to 1"):
        converted = predict_run(finished, _asked(finished, tmp_path, prey=(150.0, "%")))
    plain = predict_run(finished, _asked(finished, tmp_path, prey=(1.5, "1")))
    np.testing.assert_array_equal(converted["prey"].values, plain["prey"].values)
