"""What `predict` writes: failures in words and exit codes, CF attributes, no empty questions."""

import h5py
import numpy as np
import pytest
import xarray

from sciml import data
from sciml.core.status import in_words
from sciml.study import make_request, run
from sciml.testing import PROBLEMS


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    options = {"solver": "linear", "settings": ["baselines=[]", "task.speed=false"]}
    return run(make_request(PROBLEMS / "periodic_advection", options | {"out": tmp_path_factory.mktemp("runs")})).folder


@pytest.fixture
def question(finished):
    with xarray.open_dataset(finished / "example.nc", engine="h5netcdf", decode_times=False) as opened:
        return opened.load()


def ask(sciml, finished, question, tmp_path):
    (tmp_path / "in.nc").write_bytes(data.netcdf_bytes(question))
    problem = PROBLEMS / "periodic_advection"
    return sciml("predict", finished, "--input", "in.nc", "--output", "out.nc", "--problem", problem)


def test_failures_are_counted_in_words_and_all_of_them_end_with_3(sciml, finished, question, tmp_path):
    fields = [name for name in question.data_vars if "y" in question[name].dims]
    both = xarray.concat([question, question], dim="sample", data_vars="minimal")
    both[fields[0]][1] = np.float32(3e38) * np.sign(both[fields[0]][1])
    some = ask(sciml, finished, both, tmp_path)
    assert some.code == 0
    assert "1 of 2 samples failed: 1 diverged" in some.err
    with xarray.open_dataset(tmp_path / "out.nc", engine="h5netcdf", decode_times=False) as answer:
        assert answer["status"].values.tolist() == [0, 1]
        assert answer.attrs["failures"] == "1 of 2 samples failed: 1 diverged"
    every = ask(sciml, finished, both.isel(sample=[1]), tmp_path)
    assert every.code == 3
    assert "1 of 1 samples failed: 1 diverged" in every.err
    assert "wrote out.nc" in every.out
    assert in_words({"ok": 3}) == ""
    assert in_words({"ok": 3, "no_event": 2, "diverged": 1}) == "3 of 6 samples failed: 2 no event, 1 diverged"


def test_no_sample_is_no_question(sciml, finished, question, tmp_path):
    answer = ask(sciml, finished, question.isel(sample=slice(0, 0)), tmp_path)
    assert answer.code == 2
    assert "holds no samples" in answer.complaint


@pytest.mark.parametrize("name", ["out.nc", "./out.nc", "link.nc"])
def test_the_file_that_is_read_is_not_written_over(sciml, finished, question, tmp_path, name):
    before = data.netcdf_bytes(question)
    (tmp_path / "out.nc").write_bytes(before)
    (tmp_path / "link.nc").hardlink_to(tmp_path / "out.nc")
    problem = PROBLEMS / "periodic_advection"
    answer = sciml("predict", finished, "-i", name, "-o", "out.nc", "--problem", problem)
    assert answer.code == 2
    assert "out.nc is the file that is read" in answer.complaint
    assert (tmp_path / "out.nc").read_bytes() == before


@pytest.mark.parametrize("name", ["example.nc", "predictions.h5", "out.nc"])
def test_coordinates_have_units_and_no_fill_value(sciml, finished, question, tmp_path, name):
    if name == "out.nc":
        assert ask(sciml, finished, question.assign_coords(sample=[7]), tmp_path).code == 0
    path = (tmp_path if name == "out.nc" else finished) / name
    with h5py.File(path) as file:
        assert file.attrs["Conventions"] == "CF-1.11"
        nodes = {}
        file.visititems(lambda key, node: nodes.update({key: node}) if isinstance(node, h5py.Dataset) else None)
        for key, node in nodes.items():
            assert "_FillValue" not in node.attrs, key  # nothing is missing here
            if node.dtype.kind == "f" and "cases" not in key and not _bare_dimension(node):
                assert "units" in node.attrs, key
        for node in (node for key, node in nodes.items() if key.endswith("status")):
            assert list(node.attrs["flag_values"]) == list(range(6))
            assert node.attrs["flag_meanings"].split()[:2] == ["ok", "diverged"]
        if name == "out.nc":
            assert file["sample"][:].tolist() == [7]


def _bare_dimension(node):
    """Whether a node is a dimension without coordinates, as netCDF-4 writes it."""
    return b"not a netCDF variable" in node.attrs.get("NAME", b"")


def test_gaps_have_a_fill_value_and_coordinates_none(tmp_path):
    content = xarray.Dataset(
        {"a": ("x", np.array([1.0, np.nan])), "b": ("x", [1.0, 2.0])}, {"x": ("x", [0.0, 1.0], {"units": "m"})}
    )
    (tmp_path / "f.nc").write_bytes(data.netcdf_bytes(content))
    with h5py.File(tmp_path / "f.nc") as file:
        assert np.isnan(file["a"].attrs["_FillValue"])
        assert "_FillValue" not in file["b"].attrs
        assert "_FillValue" not in file["x"].attrs
    assert "_FillValue" not in content["a"].encoding  # what was given is left as it was


def test_an_unknown_backend_of_matplotlib_is_no_matter(sciml, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    assert sciml("list", "--json").code == 0
    import os

    assert os.environ["MPLBACKEND"] == "agg"
