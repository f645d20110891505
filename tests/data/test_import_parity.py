"""What walls' mirrors do to imported fields: said by the user, or by our own exports."""

import shutil

import numpy as np
import pytest
import torch
import xarray

import sciml
from sciml.core import registry
from sciml.core.errors import UnknownNameError, UserError
from sciml.data import export, generate
from sciml.data.importing import ImportChoices, import_files

WALLS = {"boundary": {"y": "wall", "x": "wall"}}


def box(name, **choices):
    dims, random = ("sample", "time", "y", "x"), np.random.default_rng(0)
    variables = {field: (dims, random.standard_normal((5, 4, 8, 8)), {"units": "1"}) for field in "suv"}
    axes = {"y": np.arange(8.0), "x": np.arange(8.0), "time": np.arange(4.0)}
    return sciml.dataset(xarray.Dataset(variables, axes), name=name, **choices)


def test_the_user_says_how_fields_behave_at_walls():
    problem = box("said", **WALLS, odd={"u": "x", "v": "y", "s": "none"})
    assert [(entry.name, entry.odd) for entry in problem.fields] == [("s", ()), ("u", ("x",)), ("v", ("y",))]
    assert [entry.odd for entry in box("unsaid", **WALLS).fields] == [None] * 3
    assert [entry.odd for entry in box("both", **WALLS, odd={"u": "x,y"}).fields] == [None, ("x", "y"), None]


def test_a_parity_lets_networks_mirror_the_fields(tmp_path):
    settings = ["model.padding=mirror", "model.levels=2", "model.waves=1", "model.width=4", "train.steps=1",
                "baselines=[]"]  # fmt: skip
    known = box("known", **WALLS, odd={"u": "x", "v": "y", "s": "none"})
    assert sciml.run(known.name, solver="sinenet", settings=settings, out=tmp_path).record.status == "finished"
    with pytest.raises(UserError, match="parity"):
        sciml.run(box("unknown", **WALLS).name, solver="sinenet", settings=settings, out=tmp_path)


def test_what_cannot_be_is_refused():
    with pytest.raises(UserError, match=r"'u' cannot be odd along 'x'.*axes with walls"):
        box("open", odd={"u": "x"})
    with pytest.raises(UserError, match="cannot be odd along 'z'"):
        box("nowhere", **WALLS, odd={"u": "z"})
    with pytest.raises(UnknownNameError, match="w"):
        box("nobody", **WALLS, odd={"w": "x"})


@pytest.mark.parametrize("form", ["well", "netcdf"])
def test_exports_carry_it(tmp_path, form):
    original = registry.problem("navier_stokes_smoke")
    folder = shutil.copytree(registry.folder_of(original), tmp_path / "navier_stokes_smoke")
    card = registry.card_path(original).read_text()
    tiny = card[card.index("[presets.tiny.trajectories]") :]
    small = tiny.replace("grid = [32, 32]", "grid = [16, 16]", 1).replace("frames = 10", "frames = 2", 1)
    small = small.replace("dt = 2.0", "dt = 0.25", 1)
    small = small.replace("train = 32, valid = 8, test = 8", "train = 1, valid = 1, test = 1", 1)
    (folder / "dataset.toml").write_text(card[: card.index("[presets.tiny.trajectories]")] + small)
    dataset = generate(registry.find_problem(folder), "tiny")
    export(dataset, form, tmp_path / "out")
    back = import_files([tmp_path / "out"], ImportChoices(name="back"), out=tmp_path / "back")
    assert [entry.odd for entry in back.fields] == [entry.odd for entry in original.fields]
    open_box = ImportChoices(name="open", boundary={"x": "open"})
    opened = import_files([tmp_path / "out"], open_box, out=tmp_path / "open")
    assert [entry.odd for entry in opened.fields] == [(), (), ("y",)]  # no mirror, no sign
    assert torch.isfinite(dataset.split("train").states[:]).all()
