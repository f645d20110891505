"""The imported folder: a problem by name and by path, equal after export and import, made from files beyond memory."""

import os
import subprocess
import sys
from pathlib import Path

import foreign_files
import h5py
import numpy as np
import pytest
import torch

from sciml.core import registry
from sciml.core.errors import DataError, UnknownNameError, UserError
from sciml.core.recorded import RECORDING, Recorded
from sciml.data import ImportChoices, export, import_files, open_dataset, read_card, verify


@pytest.fixture
def imported(empty_home, tmp_path) -> Recorded:
    """Three spatial axes, one parameter, names and units."""
    problem = import_files([foreign_files.box(tmp_path)], ImportChoices(boundary={"y": "wall"}, title="Hot box"))
    assert problem is not None
    return problem


def test_it_is_a_problem_by_name_and_by_path(imported):
    by_name = registry.problem("box")
    assert isinstance(by_name, Recorded)
    assert by_name == imported == registry.find_problem(imported.folder)
    assert registry.folder_of(by_name) == imported.folder
    assert by_name.title == "Hot box"
    assert [(field.name, field.units) for field in by_name.fields] == [("T", "K")]
    assert [(p.name, p.units, p.low, p.high) for p in by_name.parameters] == [("heating", "W", 1.0, 2.0)]
    assert dict(by_name.boundary) == {"z": "open", "y": "wall", "x": "periodic"}
    assert "box" in registry.problems()
    card = read_card(by_name)
    assert card.time_units == "s"
    assert all(check.ok for check in verify(by_name, "small")), [c for c in verify(by_name, "small") if not c.ok]


def test_the_same_file_is_the_same_data_under_any_name(imported, tmp_path):
    again = import_files([tmp_path / "box.nc"], ImportChoices(boundary={"y": "wall"}))
    assert again == imported
    named = import_files([tmp_path / "box.nc"], ImportChoices(boundary={"y": "wall"}, name="other"))
    assert open_dataset(named, "tiny").digest == open_dataset(imported, "tiny").digest
    changed = import_files([tmp_path / "box.nc"], ImportChoices(boundary={"y": "open"}))
    assert changed.name == "box_2"
    assert open_dataset(changed, "tiny").digest != open_dataset(imported, "tiny").digest


def test_a_folder_that_was_changed_is_refused(imported):
    (imported.folder / RECORDING).write_text((imported.folder / RECORDING).read_text().replace('"K"', '"m"'))
    with pytest.raises(DataError, match="has another 'digest' in its header"):
        open_dataset(registry.problem("box"), "tiny").split("train")
    (imported.folder / RECORDING).write_text("{}")
    with pytest.raises(UserError, match="does not describe a valid Recording"):
        registry.problem("box")
    assert "box" in registry.problem_failures()
    imported.folder.rename(imported.folder.with_name("moved"))
    with pytest.raises(UnknownNameError):
        registry.problem("box")


def test_a_name_in_a_file_is_never_a_path(imported):
    with pytest.raises(UnknownNameError):
        registry.problem(str(imported.folder))


@pytest.mark.parametrize("format", ["well", "netcdf", "zarr"])
def test_export_and_import_are_inverse(imported, tmp_path, format):
    first = open_dataset(imported, "tiny")
    export(first, format, tmp_path / "out")
    problem = import_files([tmp_path / "out"], ImportChoices(name="again"))
    again = open_dataset(problem, "tiny")
    assert problem.fields == imported.fields
    assert problem.parameters == imported.parameters
    assert again.card.dt == pytest.approx(first.card.dt, rel=1e-12)
    assert read_card(problem).time_units == "s"
    for one, other in zip(first.grid.axes, again.grid.axes, strict=True):
        assert (one.name, one.size, one.boundary, one.units) == (other.name, other.size, other.boundary, other.units)
        np.testing.assert_allclose([one.lower, one.upper], [other.lower, other.upper], rtol=1e-6, atol=1e-6)
    for split in ("train", "valid", "test"):
        assert torch.equal(first.split(split).states, again.split(split).states)
        np.testing.assert_allclose(first.split(split).parameters, again.split(split).parameters, rtol=1e-6)


def test_a_file_larger_than_memory_is_read_in_pieces(tmp_path):
    """A process that may take 96 MB more than it has imports a file of 105 MB."""
    path = tmp_path / "large.hdf5"
    with h5py.File(path, "w") as file:
        node = file.create_dataset("tensor", (50, 8, 512, 128), "f4")
        for i in range(50):
            node[i] = i + np.sin(np.arange(8 * 512 * 128, dtype="f4")).reshape(8, 512, 128)
        file["x-coordinate"], file["y-coordinate"] = np.arange(512.0), np.arange(128.0)
        file["t-coordinate"] = np.arange(8.0)
    program = """
import resource, sys
from pathlib import Path
from sciml.data import ImportChoices, import_arrays, import_files
import numpy as np
import_arrays({"u": np.random.rand(3, 4, 5), "t": np.arange(4.0), "x": np.arange(5.0)})  # all that is imported late
used = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmData")) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + 96 * 2**20, resource.RLIM_INFINITY))
try:
    np.ones(110 * 2**20, dtype="u1")
except MemoryError:
    print("limited")
print(import_files([Path(sys.argv[1])]).name)
"""
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "SCIML_HOME": str(tmp_path / "home"), "PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, env=environment)
    if "limited" not in done.stdout and done.returncode == 0:
        pytest.skip("this system does not enforce a limit on memory")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["limited", "large"]
