"""Ctrl-C, kill and two at once: what was finished is kept, and going on gives the same bits."""

import signal
import time

import torch

SLOW_STEPS = ("--set", "train.steps=60", "--set", "train.evaluate_every=20")


def wait_for(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_interrupted_training_goes_on_bit_for_bit(sciml, start, advection, quick, tmp_path):
    run = ("run", advection, *quick, *SLOW_STEPS, "--set", "train.checkpoint_every=5")
    assert sciml(*run, "--out", "undisturbed").code == 0
    whole = tmp_path / "undisturbed" / "periodic_advection" / "sinenet-tiny-s0"
    place = tmp_path / "runs" / "periodic_advection" / "sinenet-tiny-s0"

    process = start(*run)
    wait_for((place / "checkpoint.pt").exists, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert "error: stopped after step" in err
    assert "--resume continues from there" in err
    step = torch.load(place / "checkpoint.pt", weights_only=True)["step"]
    assert 5 <= step < 60
    assert not (place / "record.json").exists()

    answer = sciml(*run, "--resume", "--json")
    assert answer.code == 0
    assert answer.json["folder"] == "runs/periodic_advection/sinenet-tiny-s0"
    assert (place / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    stamp = (place / "record.json").stat().st_mtime_ns
    assert sciml(*run, "--resume", "--json").json == answer.json  # a finished run is returned
    assert (place / "record.json").stat().st_mtime_ns == stamp


def test_an_interrupted_generation_goes_on(sciml, start, variant, quick, tmp_path, monkeypatch):
    slow = {"modes = torch": "import time; time.sleep(0.3)\n        modes = torch"}
    folder = variant("slow", slow)
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    run = ("run", folder, *quick)
    process = start(*run)
    wait_for(lambda: list(tmp_path.glob("home/datasets/slow/*/train-0000.nc")), process)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "error: interrupted; what was finished is kept" in err
    first = next(tmp_path.glob("home/datasets/slow/*/train-0000.nc"))
    stamp = first.stat().st_mtime_ns
    assert not list(first.parent.glob("test-*.nc"))
    assert not (tmp_path / "runs").exists()
    assert sciml(*run).code == 0
    assert first.stat().st_mtime_ns == stamp


def test_two_runs_at_once_share_the_data_and_get_folders_of_their_own(sciml, start, variant, tmp_path, monkeypatch):
    slow = {"modes = torch": "import time; time.sleep(0.1)\n        modes = torch"}
    folder = variant("shared", slow)
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    run = ("run", folder, "--solver", "linear", "--json")
    other = start(*run)
    wait_for(lambda: list(tmp_path.glob("home/datasets/shared/*")), other)  # it has begun to make the data
    answer = sciml(*run)
    assert answer.code == 0, answer.err
    err = other.communicate(timeout=120)[1]
    assert other.returncode == 0, err
    places = sorted((tmp_path / "runs" / "shared").iterdir())
    assert [place.name for place in places] == ["linear-tiny-s0", "linear-tiny-s0-2"]
    weights = [(place / "model.safetensors").read_bytes() for place in places]
    assert weights[0] == weights[1]
    data = list((tmp_path / "home" / "datasets" / "shared").glob("*/*.nc"))
    assert len(data) == 6


def test_an_interrupt_anywhere_else_is_exit_130(sciml, monkeypatch):
    from sciml.core import registry

    def stop():
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "problems", stop)
    answer = sciml("list")
    assert answer.code == 130
    assert answer.complaint.startswith("interrupted; what was finished is kept")
