"""What a user gets wrong, or finds broken: one paragraph, exit code 2, no traceback, nothing lost."""

import json
import os
import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import xarray
from safetensors.torch import save_file

from sciml.testing import PROBLEMS

OWN = ("--problem", PROBLEMS / "periodic_advection")
"""The fixture problem is not registered, so a verb that loads a run must be told where it is."""

WRONG = {
    "problem": (["shalow_water"], "names, such as shallow_water"),
    "path": (["../nothing"], "no problem folder at this path; got '../nothing'"),
    "separators": (["a/b"], "no problem folder at this path; got 'a/b'"),
    "solver": (["ADVECTION", "--solver", "sinnet"], "names, such as sinenet"),
    "preset": (
        ["ADVECTION", "--preset", "tinny"],
        "unknown preset 'tinny'; expected one of: paper, small, tiny. Did you",
    ),
    "case": (["ADVECTION", "--preset", "Tiny"], "Did you mean 'tiny'?"),
    "card": (["ADVECTION", "--preset", "small"], "unknown preset 'small'; expected one of: tiny."),
    "key": (["ADVECTION", "--set", "train.step=3"], "unknown setting 'train.step'; expected one of: model.waves, "),
    "nearest": (["ADVECTION", "--set", "widht=3"], "Did you mean 'model.width'?"),
    "assignment": (["ADVECTION", "--set", "steps"], "a setting is not an assignment; got 'steps'; expected key=value."),
    "type": (["ADVECTION", "--set", "train.steps=many"], "train.steps: Input should be a valid integer"),
    "range": (
        ["ADVECTION", "--set", "train.batch_size=0"],
        "train.batch_size: Input should be greater than or equal to 1",
    ),
    "nan": (["ADVECTION", "--set", "train.learning_rate=nan"], "train.learning_rate: Input should be a finite number"),
    "device": (["ADVECTION", "--device", "gpu"], "device 'gpu' cannot be used here: this kind of device"),
    "meta": (["ADVECTION", "--device", "meta"], "expected auto, cpu, cuda or cuda:N"),
    "cuda": (["ADVECTION", "--device", "cuda:99"], "device 'cuda:99' cannot be used here: "),
    "baseline": (["ADVECTION", "--set", 'baselines=["unett"]'], "unknown solver 'unett'"),
    "itself": (["ADVECTION", "--set", 'baselines=["sinenet"]'], "baselines must be other solvers, each once"),
    "grid": (
        ["ADVECTION"],
        "axis x of the grid cannot be halved 3 times; got 12 points; expected a multiple of 2^3 = 8.",
    ),
    "size": (["ADVECTION", "--set", "model.levels=2", "--parameters", "5"], "cannot be built with about 5 parameters"),
    "history": (["ADVECTION", "--set", "task.history=9"], "the trajectories are too short for this history and stride"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_run_says_what_is_wrong_and_leaves_nothing(refused, advection, tmp_path, arguments, words):
    assert words in refused("run", *(advection if entry == "ADVECTION" else entry for entry in arguments))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["run", "--frob"], ["run", "--seed", "-1"], ["predict", "x"], ["data", "export", "x"]]
)
def test_usage_errors_exit_2_too(sciml, arguments):
    answer = sciml(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert "Usage: sciml" in answer.err


VERBS = {
    "evaluate": (["evaluate", "nowhere"], "there is no folder nowhere"),
    "evaluate a file": (["evaluate", "file"], "file is neither a run folder nor a packed run"),
    "predict": (["predict", "nowhere", "-i", "x.nc"], "nowhere is not a run folder: it has no config.json"),
    "export": (["export", "nowhere"], "nowhere is not a run folder"),
    "export format": (
        ["export", "RUN", "--format", "onx"],
        "unknown export format 'onx'; expected one of: onnx, torch.",
    ),
    "report": (["report", "nowhere"], "there is no folder nowhere"),
    "show": (["show", "sinnet"], "unknown name 'sinnet'"),
    "data": (["data", "generate", "nothing"], "unknown problem 'nothing'"),
    "data info": (["data", "info", "ADVECTION"], "is not complete in"),
    "data export": (["data", "export", "ADVECTION", "-f", "weel", "-o", "out"], "is not complete in"),
    "data preset": (["data", "verify", "ADVECTION", "-p", "large"], "unknown preset 'large'"),
    "study": (["study", "no.toml"], "no such file: no.toml"),
    "new": (["new", "problem", "../x"], "the problem name '../x' cannot be a folder name; expected lower snake case"),
    "new case": (["new", "problem", "Heat"], "the problem name 'Heat' cannot be a folder name"),
    "new in a file": (["new", "problem", "heat", "-o", "file"], "cannot be a folder because a file is in the way"),
    "run in a file": (["run", "ADVECTION", "--set", "model.levels=2", "-o", "file"], "because a file is in the way"),
}


@pytest.mark.parametrize(("arguments", "words"), VERBS.values(), ids=VERBS)
def test_other_verbs_say_what_is_wrong(refused, advection, finished, tmp_path, arguments, words):
    (tmp_path / "file").touch()
    named = {"ADVECTION": advection, "RUN": finished}
    assert words in refused(*(named.get(entry, entry) for entry in arguments))


def test_an_existing_folder_is_not_overwritten(sciml, refused, tmp_path):
    assert sciml("new", "problem", "heat_2d").code == 0
    (tmp_path / "heat_2d" / "equations.py").write_text("mine")
    assert "heat_2d exists already. Choose another name; nothing was changed." in refused("new", "problem", "heat_2d")
    assert (tmp_path / "heat_2d" / "equations.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("1 / 0", "got ZeroDivisionError: division by zero (line 2 of __init__.py)"),
        ("raise SystemExit(0)", "got SystemExit: 0 (line 2 of __init__.py)"),
        ("from .missing import X", "got ModuleNotFoundError"),
        ("x = (", "got SyntaxError"),
        ("PROBLEM = 1", "does not export its problem; got PROBLEM = 1"),
    ],
)
def test_a_problem_folder_that_breaks_on_import(refused, tmp_path, code, words):
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / "__init__.py").write_text(f"\n{code}\n")
    for verb in (["run"], ["show"], ["data", "generate"]):
        assert words in refused(*verb, "./hostile")


CARDS = {
    "negative grid": ({"grid = [16, 12]": "grid = [16, -12]"}, "grid.1: Input should be greater than or equal to 1"),
    "no trajectories": ({"train = 10": "train = 0"}, "trajectories.train: Input should be greater than or equal to 1"),
    "negative frames": ({"frames = 8": "frames = -8"}, "frames: Input should be greater than or equal to 2"),
    "no time": ({"dt = 0.05": "dt = 0"}, "dt: Input should be greater than 0"),
    "misspelt": ({"shard_size": "shardsize"}, "unknown key 'shardsize', did you mean 'shard_size'?"),
    "not TOML": ({"[presets.tiny.trajectories]": "[presets.tiny"}, "is not valid TOML"),
}


@pytest.mark.parametrize(("changes", "words"), CARDS.values(), ids=CARDS)
def test_a_faulty_card_is_named_with_its_key(refused, variant, changes, words):
    folder = variant("faulty", changes)
    message = refused("data", "generate", folder)
    assert words in message
    assert str(folder / "dataset.toml") in message


STUDIES = {
    "unknown key": ('seeed = 1\nproblem = "shallow_water"', "unknown key 'seeed'"),
    "missing": ("", "problem: Field required"),
    "problem": ('problem = "shalow_water"', "unknown problem 'shalow_water'"),
    "seeds": ('problem = "shallow_water"\nseeds = [1, 1]', "two seeds are the same"),
    "clock": ('problem = "shallow_water"\nbudgets = ["time"]', "the budget 'time' needs `clock`"),
    "solver": (
        'problem = "shallow_water"\n[[variants]]\nname = "b"\nlabel = "b"\nsolver = "unett"',
        "unknown solver 'unett'",
    ),
    "setting": (
        'problem = "shallow_water"\n[[variants]]\nname = "b"\nlabel = ""\nsolver = "unet"\nsettings = ["model.leve=1"]',
        "unknown setting 'model.leve'",
    ),
    "claim": (
        'problem = "shallow_water"\n[[claims]]\ntext = "t"\nmetric = "m"\nbetter = "a"\nworse = "z"',
        "'z' is not the name of a variant",
    ),
    "claim's budget": (
        'problem = "shallow_water"\n[[claims]]\ntext = "t"\nmetric = "m"\nbetter = "a"\nworse = "b"\nbudget = "time"\n'
        '[[variants]]\nname = "b"\nlabel = "b"\nsolver = "linear"',
        "a claim is about the budget 'time'",
    ),
}


@pytest.mark.parametrize(("text", "words"), STUDIES.values(), ids=STUDIES)
def test_a_faulty_study_is_refused_before_anything_runs(refused, tmp_path, text, words):
    head = 'title = "t"\nquestion = "q"\npreset = "tiny"\n'
    variant = '\n[[variants]]\nname = "a"\nlabel = "a"\nsolver = "linear"\n'
    (tmp_path / "s.toml").write_text(head + text + variant)
    assert words in refused("study", "s.toml")
    assert not (tmp_path / "reports").exists()


@pytest.fixture
def given(tmp_path):
    """Context frames that fit, as a dataset to spoil and save."""
    dims = ("sample", "time", "y", "x")
    fields = {name: (dims, np.ones((2, 2, 16, 12), dtype="f4")) for name in "ab"}
    return xarray.Dataset({**fields, "speed": ("sample", np.full(2, 0.5))})


SPOILT = {
    "field": (lambda d: d.drop_vars("b"), "lacks b; got variables a, speed; expected a, b, speed."),
    "parameter": (lambda d: d.drop_vars("speed"), "lacks speed; got variables a, b; expected a, b, speed."),
    "grid": (lambda d: d.isel(x=slice(5)), "field 'a' in x.nc has the wrong shape; got sample 2, time 2, y 16, x 5;"),
    "dims": (lambda d: d.rename(x="lon"), "expected sample (any number), time 2 or more, y 16, x 12."),
    "frames": (lambda d: d.isel(time=[0]), "got sample 2, time 1, y 16, x 12"),
    "nan": (lambda d: d.assign(a=d["a"] * np.nan), "'a' in x.nc holds values that are not finite"),
    "nan parameter": (
        lambda d: d.assign(speed=d["speed"] * np.nan),
        "'speed' in x.nc holds values that are not finite",
    ),
    "parameter shape": (
        lambda d: d.assign(speed=("k", [1.0, 2, 3])),
        "parameter 'speed' in x.nc has the wrong shape; got k 3",
    ),
    "words": (lambda d: d.assign(speed=("sample", ["a", "b"])), "'speed' in x.nc does not hold real numbers"),
    "spacing": (
        lambda d: d.assign_coords(time=[0.0, 1.0]),
        "another time step than the training data",
    ),
}


@pytest.mark.parametrize(("spoil", "words"), SPOILT.values(), ids=SPOILT)
def test_predict_refuses_what_does_not_fit(refused, finished, given, tmp_path, spoil, words):
    spoil(given).to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    assert words in refused("predict", finished, *OWN, "-i", "x.nc")
    assert not (tmp_path / "prediction.nc").exists()


@pytest.mark.parametrize("content", [b"", b"text", b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_predict_refuses_files_that_are_no_netcdf(refused, finished, tmp_path, content):
    (tmp_path / "x.nc").write_bytes(content)
    assert "x.nc is not a readable NetCDF-4 file" in refused("predict", finished, *OWN, "-i", "x.nc")
    assert "there is no file none.nc" in refused("predict", finished, *OWN, "-i", "none.nc")


def test_predict_does_not_write_over_a_folder(refused, finished, given, tmp_path):
    given.to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    (tmp_path / "out.nc").mkdir()
    assert "out.nc is a folder, not a file" in refused("predict", finished, *OWN, "-i", "x.nc", "-o", "out.nc")


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


HARM = {
    "weights gone": ("model.safetensors", None, "there are no weights at"),
    "weights junk": ("model.safetensors", b"junk", "is not a readable safetensors file"),
    "weights a pickle": ("model.safetensors", pickle.dumps({"a": 1}), "is not a readable safetensors file"),
    "config gone": ("config.json", None, "is not a run folder: it has no config.json"),
    "config junk": ("config.json", b"{", "config.json is not valid JSON"),
    "config foreign": ("config.json", b"{}", "does not describe a valid RunConfig"),
    "config deep": ("config.json", b"[" * 100_000, "config.json is not valid JSON"),
    "record gone": ("record.json", None, "is not a finished run: it has no record.json"),
    "record cut": ("record.json", b'{"title": "Si', "record.json is not valid JSON"),
    "record foreign": ("record.json", b"[1, 2]", "record.json does not describe a valid Record"),
    "record binary": ("record.json", b"\xff\xfe\x00", "record.json is not valid JSON"),
}


@pytest.mark.parametrize(("file", "content", "words"), HARM.values(), ids=HARM)
def test_a_damaged_run_is_reported(refused, copy, file, content, words):
    (copy / file).unlink()
    if content is not None:
        (copy / file).write_bytes(content)
    assert words in refused("evaluate", copy, *OWN)


def test_weights_of_another_solver_are_refused(refused, copy):
    save_file({"network.stencil.weight": torch.zeros(2, 4, 5, 5)}, copy / "model.safetensors")
    assert "belong to another module" in refused("evaluate", copy, *OWN)


def test_a_path_written_in_a_run_is_not_imported_unasked(refused, copy, tmp_path):
    """A run folder may be somebody else's: its config must not make us execute a file."""
    hostile = tmp_path / "periodic_advection"
    hostile.mkdir()
    (hostile / "__init__.py").write_text("import pathlib; pathlib.Path(__file__).with_name('executed').touch()")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "problem_path": str(hostile)}))
    for verb in (["evaluate", copy], ["export", copy], ["predict", copy, "-i", "x.nc"]):
        assert f"Name its folder if you trust it, with --problem {hostile}" in refused(*verb)
    assert not (hostile / "executed").exists()


def test_a_run_is_not_loaded_with_another_problem(refused, copy, variant):
    assert "describes another problem; got other" in refused("evaluate", copy, "--problem", variant("other", {}))


def test_data_that_changed_since_the_run_is_noticed(refused, copy, advection, tmp_path):
    moved = shutil.copytree(advection, tmp_path / "periodic_advection")
    card = moved / "dataset.toml"
    card.write_text(card.read_text().replace("seed = 0", "seed = 1"))
    message = refused("evaluate", copy, "--problem", moved)
    assert "the data of" in message
    assert "has changed since it ran" in message


class Hostile:
    def __reduce__(self):
        return (open, ("hacked", "w"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(pickle.dumps(Hostile())), "holds Python objects, not only weights"),
        (lambda path: torch.save({"step": Hostile()}, path), "holds Python objects, not only weights"),
        (lambda path: os.truncate(path, path.stat().st_size // 2), "is not a readable checkpoint"),
        (lambda path: torch.save({"weight": torch.zeros(2)}, path), "is not a checkpoint of this program's format"),
    ],
)
def test_a_checkpoint_that_cannot_be_trusted_is_not_resumed_from(
    refused, advection, quick, copy, tmp_path, spoil, words
):
    """The run folder as an interrupt leaves it, then its checkpoint is replaced."""
    place = tmp_path / "runs" / "periodic_advection" / "sinenet-tiny-s0"
    shutil.copytree(copy, place)
    (place / "record.json").unlink()
    spoil(place / "checkpoint.pt")
    before = (place / "checkpoint.pt").read_bytes()
    again = ("run", advection, *quick, "--resume")
    assert words in refused(*again)
    assert (place / "checkpoint.pt").read_bytes() == before
    assert not (tmp_path / "hacked").exists()


def test_a_run_is_not_resumed_with_other_settings(sciml, refused, advection, quick, copy, tmp_path):
    for unfinished in (False, True):
        place = tmp_path / "runs" / "periodic_advection" / "sinenet-tiny-s0"
        shutil.copytree(copy, place, dirs_exist_ok=True)
        if unfinished:
            (place / "record.json").unlink()
        before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
        message = refused("run", advection, *quick, "--set", "train.steps=5", "--resume")
        assert "was started with other settings; got train.steps=5; expected train.steps=4." in message
        assert "Leave out --resume" in message
        assert {path: path.read_bytes() for path in before} == before


def damage(path, how):
    if how == "truncated":
        os.truncate(path, path.stat().st_size // 2)
    elif how == "foreign":
        with h5py.File(path, "w") as file:
            file["other"] = 1
    else:
        path.write_bytes(b"not data")


@pytest.mark.parametrize("how", ["truncated", "foreign", "text"])
def test_a_damaged_shard_is_kept_aside_and_made_again(sciml, refused, advection, tmp_path, how):
    folder = Path(sciml("data", "generate", advection, "--json").json["trajectories"]["folder"])
    shard = folder / "train-0001.nc"
    whole = shard.read_bytes()
    damage(shard, how)
    broken = shard.read_bytes()
    assert sciml("data", "verify", advection).code == 2
    answer = sciml("data", "generate", advection)
    assert answer.code == 0
    assert "train-0001.nc" in answer.err
    assert "was set aside as train-0001.nc.bad-0 and is made again" in answer.err
    assert shard.read_bytes() == whole
    assert shard.with_name("train-0001.nc.bad-0").read_bytes() == broken


def test_numbers_that_break_down_exit_3_and_keep_the_checkpoint(sciml, advection, quick, tmp_path):
    settings = ("--set", "train.learning_rate=1e30", "--set", "train.checkpoint_every=1", "--set", "train.warmup=1")
    answer = sciml("run", advection, *quick, *settings)
    assert answer.code == 3
    assert answer.complaint.startswith(
        "training broke down at step 2: prediction of field a, b is not finite. The check"
    )
    assert "The checkpoint of step 1 is kept in runs/periodic_advection/sinenet-tiny-s0." in answer.complaint
    place = tmp_path / "runs" / "periodic_advection" / "sinenet-tiny-s0"
    saved = torch.load(place / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 1
    assert not (place / "record.json").exists()
    answer = sciml("run", advection, *quick, "--set", "train.learning_rate=1e30")
    assert answer.code == 3
    assert "checkpoint" not in answer.complaint  # there was none yet


def test_data_that_is_all_broken_says_so(sciml, variant, quick):
    """A reference solver that returns NaN is a count, then a clear refusal to train on nothing."""
    folder = variant(
        "broken", {"return Trajectory(states,": "states[:, 1:] = torch.nan\n        return Trajectory(states,"}
    )
    answer = sciml("run", folder, *quick)
    assert answer.code == 2
    assert "no trajectory of the training split of broken tiny succeeded; got 10 failed ones" in answer.complaint


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of what xarray and SciPy leave open
def test_a_full_disk_loses_nothing_and_can_be_resumed(sciml, advection, quick, small_disk, monkeypatch, tmp_path):
    disk = small_disk("size=300k")
    run = ("run", advection, *quick, "--set", "train.checkpoint_every=1", "--out", disk / "runs", "--resume")
    answer = sciml(*run)
    assert answer.code == 2
    assert "no space left on the device that holds" in answer.complaint
    assert "the same command resumes" in answer.complaint
    place = disk / "runs" / "periodic_advection" / "sinenet-tiny-s0"
    assert not (place / "record.json").exists()
    assert not [path for path in place.rglob("*") if path.name.startswith(".tmp")]
    small_disk("size=64m")
    assert sciml(*run).code == 0
    assert sciml("run", advection, *quick, "--set", "train.checkpoint_every=1").code == 0
    beside = tmp_path / "runs" / "periodic_advection" / "sinenet-tiny-s0"
    assert (place / "model.safetensors").read_bytes() == (beside / "model.safetensors").read_bytes()


def test_read_only_places_are_named(sciml, refused, advection, finished, given, small_disk, monkeypatch, tmp_path):
    disk = small_disk("size=1m")
    small_disk("ro")
    given.to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    message = refused("run", advection, "--set", "model.levels=2", "--out", disk / "runs")
    assert f"cannot write to {disk / 'runs'}" in message
    assert "--out (runs) at a folder you own" in message
    assert "cannot write to" in refused("predict", finished, *OWN, "-i", "x.nc", "-o", disk / "p.nc")
    assert "cannot write to" in refused("new", "problem", "heat", "-o", disk)
    monkeypatch.setenv("SCIML_HOME", str(disk))
    assert "Give write permission, or point SCIML_HOME (data)" in refused("data", "generate", advection)
