"""Damaged files of every kind, cut, flipped, emptied, exchanged, with holes: each ends in an answer or clear words."""

import random
import shutil

import h5py
import numpy as np
import pytest
import torch
import xarray
from safetensors.torch import save_file
from test_cli_hostile import bounded, ending  # noqa: F401 (a fixture)

from sciml.testing import PROBLEMS


def flipped(content, draw):
    """Some bits turned over, most of them in the first kilobytes, where structure lies."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8, 64))):
        place = draw.randrange(min(len(data), draw.choice((64, 4096, len(data)))))
        data[place] ^= 1 << draw.randrange(8)
    return bytes(data)


def cut(content, draw):
    return content[: draw.randrange(len(content))]


def holed(content, draw):
    start = draw.randrange(len(content))
    length = draw.randrange(1, max(2, len(content) // 4))
    return content[:start] + bytes(length) + content[start + length :]


def moved(content, draw):
    start = draw.randrange(len(content))
    return content[:start] + content[start + draw.randrange(1, 64) :]


def doubled(content, draw):
    return content + content[draw.randrange(len(content)) :]


def exchanged(content, draw):
    return draw.choice(
        (
            b"",
            b"\0",
            b"PK\x03\x04",
            b"\x89HDF\r\n\x1a\n",
            b"CDF\x01",
            b"{}",
            b"[]",
            b"null",
            b"\x93NUMPY\x01\0",
            b"\xff" * 99,
            bytes(10_000),
        )
    )


DAMAGES = (flipped, flipped, flipped, cut, holed, moved, doubled, exchanged)


def made(folder, run):
    """Sound files by the command that reads them: a function of the file's path gives its words."""
    own = ("--problem", str(PROBLEMS / "plane_rotation"))
    x = np.linspace(0, 1, 8)
    fields = xarray.Dataset(
        {"u": (("sample", "time", "x"), np.random.default_rng(0).normal(size=(6, 5, 8))), "nu": ("sample", x[:6])},
        {"time": np.arange(5.0), "x": x},
    )
    fields.to_netcdf(folder / "f.nc", engine="h5netcdf")
    fields.to_netcdf(folder / "c.nc", engine="scipy")
    with h5py.File(folder / "p.h5", "w") as file:
        file["tensor"], file["x-coordinate"], file["t-coordinate"] = np.zeros((6, 5, 8), "f4"), x, np.arange(6.0)
    np.savez(folder / "a.npz", u=np.ones((6, 5, 8)))
    np.save(folder / "a.npy", np.ones((6, 5, 8)))
    torch.save({"u": torch.ones(6, 5, 8)}, folder / "a.pt")
    save_file({"u": torch.ones(6, 5)}, folder / "a.safetensors")
    rows = "\n".join(f"{case},{t},{np.sin(t + case):.6f}" for case in range(6) for t in range(5))
    (folder / "t.csv").write_text("case,t,u [m]\n" + rows + "\n")
    card = (PROBLEMS / "plane_rotation" / "dataset.toml").read_text()
    shutil.copytree(PROBLEMS / "plane_rotation", folder / "plane_rotation")
    study = 'title = "t"\nquestion = "q"\nproblem = "spiral"\npreset = "none"\nseeds = [0]\n'
    study += '[[variants]]\nname = "a"\nlabel = "a"\nsolver = "linear_ode"\n'
    (folder / "s.toml").write_text(study)
    (folder / "plane_rotation" / "dataset.toml").write_text(card)
    reading = {name: ("data", "import", name, "--dry-run") for name in ("f.nc", "c.nc", "p.h5", "t.csv")}
    named = ("data", "import", "--dims", "sample,time,x", "--dry-run")
    predicted = ("predict", "run", *own, "-i", "run/example.nc")
    return {
        **reading,
        **{name: (*named, name) for name in ("a.npz", "a.npy", "a.pt")},
        "s.toml": ("study", "s.toml", "--draft"),
        "plane_rotation/dataset.toml": ("data", "info", "./plane_rotation"),
        "run/example.nc": predicted,
        "run/config.json": predicted,
        "run/record.json": ("show", "run"),
        "run/about.json": predicted,
        "run/model.safetensors": predicted,
        "run/predictions.h5": ("report", "run", *own),
        "run/log.jsonl": ("report", "run", *own),
        "a.safetensors": ("data", "import", "a.safetensors"),
    }


@pytest.fixture
def sound(tmp_path, monkeypatch):
    """Sound files in an empty folder, with the command that reads each of them."""
    import sciml

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    settings = ["train.steps=2", "model.width=4", "baselines=[]"]
    run = sciml.run(PROBLEMS / "plane_rotation", solver="neural_ode", settings=settings, out=tmp_path / "runs").folder
    shutil.move(run, tmp_path / "run")
    return made(tmp_path, tmp_path / "run")


def damaged(folder, commands, seed, count):
    """Damage every file in `count` ways; what did not end in an answer or an error."""
    draw, wrong = random.Random(seed), []
    for name, words in commands.items():
        path = folder / name
        content = path.read_bytes()
        for number in range(count):
            damage = draw.choice(DAMAGES)
            path.write_bytes(damage(content, draw))
            code, err = ending(words)
            if code not in (0, 2) or "Traceback" in err or (code == 2 and "error: " not in err):
                wrong.append((name, number, damage.__name__, str(code)[-800:], err[-300:]))
        path.write_bytes(content)
    return wrong


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of what xarray and SciPy leave open
def test_damaged_files_end_in_words(sound, tmp_path, bounded):  # noqa: F811
    wrong = damaged(tmp_path, sound, 0, 2)
    assert not wrong, wrong


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of what xarray and SciPy leave open
@pytest.mark.parametrize("seed", range(1, 11))
def test_hundreds_of_damaged_files_end_in_words(sound, tmp_path, bounded, seed):  # noqa: F811
    wrong = damaged(tmp_path, sound, seed, 10)
    assert not wrong, wrong


@pytest.mark.slow
def test_a_damaged_checkpoint_is_not_gone_on_from(sound, tmp_path, bounded):  # noqa: F811
    words = (
        "run",
        "./plane_rotation",
        "--solver",
        "neural_ode",
        "--workers",
        "1",
        "--resume",
        *(word for s in ("train.steps=2", "model.width=4", "baselines=[]") for word in ("--set", s)),
    )
    code, err = ending(words)
    assert code == 0, err
    place = next((tmp_path / "runs").glob("*/neural_ode-tiny-s0"))
    (place / "record.json").unlink()
    content, draw, refused = (place / "checkpoint.pt").read_bytes(), random.Random(3), 0
    for _ in range(25):
        (place / "checkpoint.pt").write_bytes(draw.choice(DAMAGES)(content, draw))
        code, err = ending(words)
        assert code in (0, 2), (code, err)
        refused += code == 2
        (place / "record.json").unlink(missing_ok=True)
    assert refused > 10


def test_every_sound_file_is_read(sound, bounded):  # noqa: F811
    """So that the refusals above are those of damages."""
    refused = {"a.safetensors", "s.toml"}
    for name, words in sound.items():
        code, err = ending(words)
        assert code == (2 if name in refused else 0), (name, code, err)
