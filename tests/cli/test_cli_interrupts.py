"""Ctrl-C, kill and two at once: what was finished is kept, and going on gives the same bits."""

import json
import random
import signal
import time

import pytest
import torch

SLOW_STEPS = ("--set", "train.steps=60", "--set", "train.evaluate_every=20")


def wait_for(condition, process, seconds=300):
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
    out, err = process.communicate(timeout=300)
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


@pytest.mark.slow
def test_an_interrupted_generation_goes_on(sciml, start, variant, tmp_path, monkeypatch):
    """By SIGTERM; training, above, meets a SIGINT."""
    slow = {"modes = torch": "import time; time.sleep(0.3)\n        modes = torch"}
    folder = variant("slow", slow)
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    run = ("run", folder, "--solver", "persistence", "--workers", "1")  # those of a pool are interrupted in tests/data
    process = start(*run)
    wait_for(lambda: list(tmp_path.glob("home/datasets/slow/*/train-0000.nc")), process)
    process.send_signal(signal.SIGTERM)
    err = process.communicate(timeout=300)[1]
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "error: interrupted; what was finished is kept" in err
    first = next(tmp_path.glob("home/datasets/slow/*/train-0000.nc"))
    stamp = first.stat().st_mtime_ns
    assert not list(first.parent.glob("test-*.nc"))
    assert not (tmp_path / "runs").exists()
    assert sciml(*run).code == 0
    assert first.stat().st_mtime_ns == stamp


@pytest.mark.slow
def test_two_runs_at_once_share_the_data_and_get_folders_of_their_own(sciml, start, variant, tmp_path, monkeypatch):
    slow = {"modes = torch": "import time; time.sleep(0.1)\n        modes = torch"}
    folder = variant("shared", slow)
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    run = ("run", folder, "--solver", "linear", "--json", "--workers", "1")
    other = start(*run)
    wait_for(lambda: list(tmp_path.glob("home/datasets/shared/*")), other)  # it has begun to make the data
    answer = sciml(*run)
    assert answer.code == 0, answer.err
    err = other.communicate(timeout=300)[1]
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


@pytest.fixture
def interrupting(monkeypatch):
    """``interrupting(n)``: the n-th JSON text that is parsed meets a SIGTERM half way; ``interrupting(0)``: none."""
    loads = json.loads

    def begin(number):
        left = [number]

        def parse(*arguments, **options):
            left[0] -= 1
            if not left[0]:
                signal.raise_signal(signal.SIGTERM)
            return loads(*arguments, **options)

        monkeypatch.setattr(json, "loads", parse)
        return left

    return begin


@pytest.mark.parametrize("verb", ["pack", "show"])
def test_an_interrupt_while_a_run_is_parsed_leaves_nothing_half(
    sciml, advection, finished, interrupting, monkeypatch, tmp_path, verb
):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    words = {"pack": ("pack", finished, "-o", "sent.zip", "--problem", advection), "show": ("show", "sent.zip")}
    if verb == "show":
        assert sciml(*words["pack"]).code == 0
    before = set(tmp_path.rglob("*"))
    for number in range(1, 20):
        left = interrupting(number)
        answer = sciml(*words[verb])
        if left[0] > 0:  # there were fewer texts
            break
        assert answer.code == 130
        assert answer.complaint.startswith("interrupted; what was finished is kept")
        made = [path for path in tmp_path.rglob("*") if path.is_file() and path not in before]
        assert not made or (verb == "show" and {path.parent.name for path in made} == {finished.name}), made
    assert number > 3
    assert answer.code == 0
    interrupting(0)
    assert sciml("show", "sent.zip").code == 0


@pytest.fixture
def short_files():
    """Files of this process may have 8 kB (``ulimit -f 8``): the system ends a write with an error, and a signal that
    Python ignores."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 * 1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_grows_beyond_its_limit_is_named(sciml, advection, quick, tmp_path, monkeypatch, short_files):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    answer = sciml("run", advection, *quick[:-2], "--workers", "1", "--set", "baselines=[]")
    assert answer.code == 2, answer.err
    assert "would be larger than files may be here; got File too large" in answer.err
    assert not [path for path in tmp_path.rglob(".tmp-*") if path.is_file()]


def storm(start, run, seed, kills, longest):
    """Start a command again and again and end it at random moments, then let it finish; its exit codes."""
    draw, codes = random.Random(seed), []
    for _ in range(kills):
        process = start(*run)
        time.sleep(draw.uniform(0.2, longest))
        process.send_signal(draw.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)))
        err = process.communicate(timeout=300)[1]
        assert "Traceback (most recent call last)" not in err, err
        codes.append(process.returncode)
    process = start(*run)
    err = process.communicate(timeout=300)[1]
    assert process.returncode == 0, err
    return codes


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_is_killed_at_random_moments_ends_bit_for_bit(sciml, start, advection, quick, tmp_path, seed):
    steps = ("--set", "train.steps=400", "--set", "train.checkpoint_every=1", "--set", "train.evaluate_every=50")
    run = ("run", advection, *quick, *steps, "--workers", "1", "--resume")
    assert sciml(*run, "--out", "undisturbed").code == 0
    codes = storm(start, run, seed, 12, 6.0)
    by_python = {-signal.SIGTERM, -signal.SIGINT}  # what a signal does before the first line of ours has run
    assert set(codes) <= {0, 130, -signal.SIGKILL, *by_python}, codes
    place, whole = (tmp_path / out / "periodic_advection" / "sinenet-tiny-s0" for out in ("runs", "undisturbed"))
    assert (place / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_generation_that_is_killed_at_random_moments_ends_bit_for_bit(sciml, start, variant, tmp_path, monkeypatch):
    folder = variant("slow", {"modes = torch": "import time; time.sleep(0.2)\n        modes = torch"})
    make = ("data", "generate", folder, "--workers", "2")
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "whole"))
    assert sciml(*make).code == 0
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    storm(start, make, 5, 8, 6.0)
    shards = {home: sorted(tmp_path.glob(f"{home}/datasets/slow/*/*.nc")) for home in ("home", "whole")}
    assert len(shards["home"]) == len(shards["whole"]) > 0
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*shards.values(), strict=True))
