"""Whatever is typed, the command line ends soon, with words and an exit code that means something."""

import contextlib
import io
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

import pytest
import torch
from hostile_lines import Lines, strange_places

from sciml.testing import PROBLEMS

SECONDS, PATIENCE = 20, 300  # of the processor, and by the clock: others may work beside
"""After which a line counts as hanging; it is some thousand times what a refusal takes."""
MEMORY = 6 * 2**30
"""Bytes beyond what the process has that a line may ask for; what asks for more should have been refused."""
CODES = {0, 2, 3, 130}
SETTINGS = {
    "sinenet": [
        "model.width",
        "model.waves",
        "model.levels",
        "train.steps",
        "train.batch_size",
        "train.learning_rate",
        "train.warmup",
        "train.ema",
        "train.evaluate_every",
        "train.checkpoint_every",
        "task.history",
        "task.noise",
        "task.unroll",
        "task.strides",
        "baselines",
        "train.clip",
    ],
    "linear_ode": ["task.window", "task.cases", "task.noise", "model.width", "baselines", "train.steps"],
    "low_rank": ["flops", "rank"],
    "prune": ["ratio", "train.steps", "sparsity"],
    "structure": ["flops"],
    "cost": ["batch", "repeats"],
}
QUICK = (
    "--set",
    "train.steps=1",
    "--set",
    "model.levels=1",
    "--set",
    "model.waves=1",
    "--set",
    "model.width=2",
    "--set",
    'baselines=["persistence"]',
)


SLOW = {("tool", "cost"), ("tool", "low_rank"), ("report", "states"), ("evaluate", "states"), ("evaluate", "fields")}


class Hung(BaseException):
    """The line did not end; no handler of ours may take it for an ordinary error."""


def _late(number, frame):
    raise Hung("".join(traceback.format_stack(frame)[-6:]))


def ending(line):
    """Exit code and standard error of a line; a traceback instead of the code where it broke down, or hung."""
    from sciml.cli import main

    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["sciml", *line]
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(PATIENCE)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        return 0, err.getvalue()
    except SystemExit as stopped:
        return int(stopped.code or 0), err.getvalue()
    except BaseException:
        return traceback.format_exc(), err.getvalue()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        sys.argv = before


@pytest.fixture
def bounded():
    """Alarms for lines that hang, be it at work or waiting, and a limit on memory; all are put back."""
    handlers = {number: signal.signal(number, _late) for number in (signal.SIGALRM, signal.SIGPROF)}
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def world(tmp_path, monkeypatch, finished):
    """An empty folder with runs, problems and everything that is no file, to work in."""
    from sciml import run

    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    folder = tmp_path / "world"
    folder.mkdir()
    monkeypatch.chdir(folder)
    places = strange_places(folder)
    for name in ("periodic_advection", "plane_rotation"):
        shutil.copytree(PROBLEMS / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    fields = shutil.copytree(finished, folder / "fields")
    states = run(folder / "plane_rotation", solver="linear_ode", settings=["baselines=[]"], out=folder / "made").folder
    states = shutil.move(states, folder / "states")
    return folder, (
        *places,
        str(fields.name),
        "states",
        "periodic_advection",
        "fields/model.safetensors",
        "fields/checkpoint.pt",
        "fields/predictions.h5",
        "fields/config.json",
        "states/example.nc",
        "fields/example.nc",
    )


def lines_of(seed, places, quick):
    """Lines around right ones; `quick` leaves out those right ones that train, examine or draw for a second."""
    advection, rotation = "./periodic_advection", "./plane_rotation"
    of_fields, of_states = ("--problem", advection), ("--problem", rotation)
    base = [
        ("run", advection, "--solver", "sinenet", *QUICK, "--workers", "1"),
        ("run", advection, "--solver", "linear", "--set", "baselines=[]", "--workers", "1"),
        ("run", rotation, "--solver", "linear_ode", "--set", "baselines=[]", "--workers", "1"),
        (
            "run",
            rotation,
            "--solver",
            "linear_ode",
            "--set",
            "baselines=[]",
            "--out",
            "runs",
            "--seed",
            "3",
            "--resume",
            "--workers",
            "1",
        ),
        ("run", "--data", "table.csv", "--workers", "1", "--time", "t", "--set", "train.steps=1"),
        ("evaluate", "states", *of_states),
        ("evaluate", "fields", *of_fields),
        ("predict", "fields", *of_fields, "-i", "fields/example.nc", "--steps", "2", "-o", "out.nc"),
        ("predict", "states", *of_states, "-i", "states/example.nc"),
        ("predict", "states", "--example", "-o", "e.nc"),
        ("export", "fields", "-f", "torch"),
        ("pack", "states", "-o", "states.zip", *of_states),
        ("report", "states", *of_states),
        ("report", "."),
        ("show", "states"),
        ("show", "sinenet"),
        ("show", "spiral"),
        ("tool", "low_rank", "fields", *of_fields, "--set", "flops=2"),
        ("tool", "cost", "states", *of_states),
        ("tool", "prune", "fields", *of_fields, "--set", "ratio=0"),
        ("tool", "trees", "states", "--with", "states", *of_states),
        ("study", "study.toml", "--draft"),
        ("study", "--check", "text.txt"),
        ("discover", "--data", "table.csv", "--known", "x' = y; y' = -a*x", "--seeds", "1", "--preset", "none"),
        ("discover", "nothing", "--noise", "2%"),
        ("data", "generate", rotation, "--workers", "1"),
        ("data", "verify", rotation),
        ("data", "info", rotation, "--json"),
        ("data", "export", rotation, "-f", "netcdf", "-o", "exported"),
        ("data", "import", "table.csv", "--time", "t", "--dry-run"),
        ("data", "import", "fields/predictions.h5", "--dry-run"),
        ("data", "import", "no_samples.nc", "--name", "mine"),
        ("data", "import", "objects.npy", "--dims", "x,y"),
        ("new", "problem", "mine", "-o", "new"),
        ("new", "solver", "my_solver", "-o", "new"),
        ("list", "--json"),
        ("check", "empty"),
    ]
    if quick:
        base = [(*words, "--preset", "none") if words[0] == "run" else words for words in base]
        base = [words for words in base if words[:2] not in SLOW]
    return Lines(seed, base, SETTINGS, places)


def storm(seed, count, world, quick=False):
    """How `count` lines ended that should have ended otherwise."""
    folder, places = world
    drawn, wrong, slowest = lines_of(seed, places, quick), [], []
    for number in range(count):
        line = drawn.line()
        start = time.monotonic()
        code, err = ending(line)
        slowest.append((time.monotonic() - start, line))
        if code not in CODES or "Traceback" in err:
            wrong.append((number, line, code, err[-500:]))
        os.chdir(folder)
        torch.set_num_threads(1)
    return wrong, sorted(slowest, reverse=True)[:20]


def test_five_hundred_hostile_lines(world, bounded):
    wrong, _ = storm(1, 500, world, quick=True)
    assert not wrong, wrong
    assert not (world[0] / "hacked").exists()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 8))
def test_three_thousand_hostile_lines(world, bounded, seed):
    wrong, _ = storm(seed, 500, world)
    assert not wrong, wrong
