import os
import shutil

import h5py
import numpy as np
import pytest
import torch
import xarray

from sciml.core.errors import DataError
from sciml.core.registry import folder_of
from sciml.data import Shard, generate, load_shard, make_layout, open_dataset, save_shard


def edit(change):
    """A mutation that opens the shard for writing and applies `change`."""

    def mutate(path):
        with h5py.File(path, "r+") as file:
            change(file)

    return mutate


def replace(name, make):
    def change(file):
        old = file[name][...]
        del file[name]
        make(file, old)

    return edit(change)


def flip(path):
    content = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        content[file["b"].id.get_offset() + 1000] ^= 1
    path.write_bytes(content)


def make_folder(path):
    path.unlink()
    path.mkdir()


def external(file, old):
    raw = file.filename + ".raw"
    old.tofile(raw)
    file.create_dataset("a", old.shape, old.dtype, external=[(raw, 0, old.nbytes)])


def link(file, old):
    with h5py.File(file.filename + ".other", "w") as other:
        other["a"] = old
    file["a"] = h5py.ExternalLink(file.filename + ".other", "a")


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "short by one": lambda path: os.truncate(path, path.stat().st_size - 1),
    "text": lambda path: path.write_text("not data\n" * 1000),
    "noise": lambda path: path.write_bytes(path.read_bytes()[:64] + os.urandom(5000)),
    "foreign": lambda path: (path.unlink(), h5py.File(path, "w").close()),
    "folder": make_folder,
    "another shard": lambda path: shutil.copy(path.with_name("train-0000.nc"), path),
    "flipped bit": flip,
    "other digest": edit(lambda file: file.attrs.modify("digest", "0" * 64)),
    "array for digest": edit(lambda file: file.attrs.__setitem__("digest", np.arange(3))),
    "other checksum": edit(lambda file: file.attrs.modify("sha256", "0" * 64)),
    "no checksum": edit(lambda file: file.attrs.__delitem__("sha256")),
    "missing variable": edit(lambda file: file.__delitem__("b")),
    "group for variable": replace("b", lambda file, old: file.create_group("b")),
    "other shape": replace("a", lambda file, old: file.create_dataset("a", data=old[:, :-1])),
    "enormous": replace("a", lambda file, old: file.create_dataset("a", (10**6, 10**6), "<f4", chunks=(1, 1))),
    "other type": replace("a", lambda file, old: file.create_dataset("a", data=old.astype("f8"))),
    "external bytes": replace("a", external),
    "external link": replace("a", link),
    "soft link": replace("a", lambda file, old: file.__setitem__("a", h5py.SoftLink("/b"))),
    "unknown status": edit(lambda file: file["status"].__setitem__(0, 99)),
    "other trajectories": edit(lambda file: file["trajectory"].__setitem__(0, 99)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_shards_are_refused_set_aside_and_made_again(damage, copied, toy, files):
    before = files(copied.folder)
    path = copied.folder / "train-0001.nc"
    damage(path)
    kept = path.read_bytes() if path.is_file() else None
    layout = make_layout(toy, "tiny")
    with pytest.raises(DataError, match=r"train-0001.nc") as error:
        load_shard(layout, layout.pieces("train")[1])
    assert f"sciml data generate {folder_of(toy)} --preset tiny" in str(error.value)
    with pytest.raises(DataError, match=r"train-0001.nc"):
        open_dataset(toy, "tiny").split("train").states  # noqa: B018
    generate(toy, "tiny")
    assert {name: (copied.folder / name).read_bytes() for name in before} == before
    aside = path.with_name(path.name + ".bad-0")
    assert aside.is_dir() if kept is None else aside.read_bytes() == kept


def test_setting_aside_never_overwrites(copied, toy):
    path = copied.folder / "test-0000.nc"
    for number in range(3):
        path.write_text(f"broken {number}")
        generate(toy, "tiny")
    assert [path.with_name(f"{path.name}.bad-{n}").read_text() for n in range(3)] == [
        "broken 0",
        "broken 1",
        "broken 2",
    ]


def test_a_missing_shard_says_what_to_do(copied, toy):
    (copied.folder / "valid-0000.nc").unlink()
    with pytest.raises(DataError, match=r"5 of 6 files \(missing: valid-0000.nc\).*sciml data generate"):
        open_dataset(toy, "tiny")


def test_files_are_netcdf_with_units_and_coordinates(dataset, toy):
    with xarray.open_dataset(dataset.folder / "train-0002.nc", engine="h5netcdf") as data:
        assert data["a"].dims == ("sample", "time", "y", "x")
        assert data["a"].dtype == np.float32
        assert data["a"].attrs["units"] == "kg m-3"
        assert data["a"].attrs["long_name"] == "tracer carried along x"
        assert data["speed"].attrs["units"] == "m s-1"
        assert data["time"].attrs["units"] == "s"
        assert data["x"].attrs["units"] == "m"
        assert data.attrs["Conventions"].startswith("CF-")
        assert data.attrs["licence"] == "CC0-1.0"
        assert data.attrs["digest"] == dataset.digest
        np.testing.assert_array_equal(data["trajectory"], [8, 9])
        np.testing.assert_allclose(data["time"], 0.05 * np.arange(8))
        np.testing.assert_array_equal(data["b"], dataset.split("train").states[8:, :, 1])


def test_saving_what_was_loaded_gives_the_same_bytes(copied, toy):
    layout = make_layout(toy, "tiny")
    for piece in layout.all_pieces():
        path = layout.path(piece)
        before = path.read_bytes()
        save_shard(layout, piece, load_shard(layout, piece))
        assert path.read_bytes() == before


def test_nan_and_extreme_values_survive_a_round_trip(copied, toy):
    layout = make_layout(toy, "tiny")
    piece = layout.pieces("train")[0]
    shard = load_shard(layout, piece)
    states = shard.states.clone()
    states[0, 3:] = torch.nan
    states[1, 0, 0, 0, 0], states[1, 0, 1, 0, 0] = torch.finfo(torch.float32).max, torch.finfo(torch.float32).tiny
    status = torch.tensor([1, 0, 0, 5], dtype=torch.int8)
    save_shard(layout, piece, Shard(states, shard.parameters, status))
    again = load_shard(layout, piece)
    assert torch.equal(again.states.nan_to_num(-1.0), states.nan_to_num(-1.0))
    assert torch.equal(again.status, status)
