"""HDF5 goes from value to value of variable length by lengths that stand in the file: damaged ones must not hang it."""

import h5py
import numpy as np
import pytest
import xarray

from sciml.core.errors import DataError
from sciml.data import hdf5_file, load_netcdf
from sciml.data.importing import ImportChoices, import_files


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "a.nc"
    x, time = np.linspace(0, 1, 8), np.arange(5.0)
    u = xarray.DataArray(np.ones((4, 5, 8)), {"time": time, "x": x}, ("sample", "time", "x"), "u")
    u.to_netcdf(path, engine="h5netcdf")
    return path


def with_length(path, length, number):
    """The file, with another length of the first object, and number, in its first collection."""
    content = bytearray(path.read_bytes())
    place = content.index(b"GCOL") + 16
    content[place : place + 2] = number.to_bytes(2, "little")
    content[place + 8 : place + 16] = (length % 2**64).to_bytes(8, "little")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("length", "number"), [(0, 0), (2**40, 0), (2**40, 1), (-24, 1), (-16, 1), (-8, 0)])
def test_lengths_that_lead_nowhere_are_refused(labelled, length, number):
    broken = with_length(labelled, length, number)
    for read in (hdf5_file, load_netcdf, lambda path: import_files([path], ImportChoices())):
        with pytest.raises(DataError, match="values of variable length cannot be followed; got an object of"):
            read(broken)


def test_sound_files_are_read(labelled, tmp_path):
    texts = ["x" * size for size in range(3000)]
    path = tmp_path / "texts.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("removed", data=texts, dtype=h5py.string_dtype())
        file["removed"][5] = "longer than before" * 99
        del file["removed"]
        file.create_dataset("texts", data=texts, dtype=h5py.string_dtype())
        file["letters"] = np.frombuffer(b"GCOL" + bytes(60) + b"GCOL\1\0\0\0" + b"\xff" * 24, np.uint8)
    with hdf5_file(path) as file:
        assert file["texts"].asstr()[2999] == texts[-1]
    assert load_netcdf(labelled).sizes == {"sample": 4, "time": 5, "x": 8}
