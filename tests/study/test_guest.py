"""A run is a guest in somebody's program: whatever is set there, it gives its own numbers and changes nothing."""

import copy
import dataclasses
import pickle
import random
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
import pytest
import torch

import sciml
from sciml.core import registry
from sciml.study import evaluate_run, export_run, load_run, predict_run
from sciml.testing import PROBLEMS, process_state
from sciml.train import find_solver, registered_solvers

STEER = ["model.regularise.kind=steer", "train.steps=20", "baselines=[]"]
ROTATION = PROBLEMS / "plane_rotation"
QUICK = ["train.steps=2", "model.width=4", "baselines=[]"]


def test_runs_in_threads_give_the_numbers_of_runs_one_after_another(tmp_path):
    """Jittered ends of intervals are drawn in training, so that runs at once used to take each other's numbers."""

    def error(seed, out):
        made = sciml.run("spiral", solver="neural_ode", seed=seed, settings=STEER, out=tmp_path / out)
        return made.metrics["rollout/relative_l2"]

    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(error, (0, 1, 0), ("a", "b", "c")))
    assert together == [error(0, "alone"), error(1, "alone"), together[0]]
    assert together[:2] == pytest.approx([1.19121, 1.17084], abs=5e-6)


def _user_draws():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_user_s_generators_are_not_touched(tmp_path, seed):
    for seeded in (random.seed, np.random.seed, torch.manual_seed):
        seeded(seed)
    expected = _user_draws()
    for seeded in (random.seed, np.random.seed, torch.manual_seed):
        seeded(seed)
    sciml.run(ROTATION, solver="linear_ode", settings=["baselines=[]"], out=tmp_path)
    # the type checks of the tests draw from Python's generator to choose what they look at
    assert _user_draws()[1:] == expected[1:]


@contextmanager
def _set(change, back):
    change()
    try:
        yield
    finally:
        back()


def _raising():
    """NumPy's errors raise."""
    return np.errstate(all="raise")


SURROUNDINGS = {
    "float64": lambda: _set(
        lambda: torch.set_default_dtype(torch.float64), lambda: torch.set_default_dtype(torch.float32)
    ),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "meta": lambda: torch.device("meta"),
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "coarse products": lambda: _set(
        lambda: torch.set_float32_matmul_precision("medium"), lambda: torch.set_float32_matmul_precision("highest")
    ),
    "anomalies": lambda: torch.autograd.set_detect_anomaly(True),
    "deterministic": lambda: _set(
        lambda: torch.use_deterministic_algorithms(True), lambda: torch.use_deterministic_algorithms(False)
    ),
    "threads": lambda: _set(lambda: torch.set_num_threads(2), lambda: torch.set_num_threads(1)),
    "errors": _raising,
}
"""What somebody's program may have set before it calls us."""


def _everything(folder):
    """Run, evaluation, prediction, export: numbers and bytes that must not depend on where they are made."""
    problem = {"problem": ROTATION}
    made = sciml.run(ROTATION, solver="mlp_regression", settings=QUICK, out=folder)
    examined = evaluate_run(made.folder, **problem).metrics
    answer = predict_run(made.folder, made.folder / "example.nc", **problem)
    (exported,) = export_run(made.folder, ("torch",), **problem)
    shards = sorted((folder / "home").rglob("*.nc"))
    return {
        "weights": (made.folder / "model.safetensors").read_bytes(),
        "numbers": {key: value for key, value in examined.items() if not key.endswith("seconds")},
        "answer": {name: answer[name].values.tobytes() for name in answer.data_vars},
        "exported": exported.state,
        "data": [shard.read_bytes() for shard in shards],
    }


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What is made where nothing is set."""
    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(folder / "home"))
        return _everything(folder)


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_what_the_user_has_set_changes_nothing_and_stays(tmp_path, monkeypatch, alone, name):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    with SURROUNDINGS[name]():
        before = process_state()
        made = _everything(tmp_path)
        after = process_state()
    assert {key: (before[key], after[key]) for key in before if before[key] != after[key]} == {}
    assert made == alone
    assert alone["exported"] == "ok"


STYLES = {
    "text.usetex": True,
    "svg.fonttype": "path",
    "figure.dpi": 1000.0,
    "savefig.bbox": "tight",
    "lines.linewidth": 20.0,
    "axes.prop_cycle": mpl.cycler(color=["r"]),
    "path.simplify": False,
    "axes.labelsize": 40.0,
}


def test_the_user_s_style_of_figures_is_neither_used_nor_lost(tmp_path):
    """Here there is no LaTeX, which ``text.usetex`` would need."""
    pages = []
    for styles in ({}, STYLES):
        with mpl.rc_context(styles):
            before = dict(mpl.rcParams)
            made = sciml.run(ROTATION, solver="linear_ode", settings=["baselines=[]"], out=tmp_path / str(len(styles)))
            assert dict(mpl.rcParams) == before
            pages.append({path.name: path.read_bytes() for path in (made.folder / "figures").iterdir()})
    assert pages[0] == pages[1] != {}


def test_warnings_that_are_errors_and_seen_ones_stay_as_they_are(tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        sciml.run(ROTATION, solver="linear_ode", settings=["baselines=[]"], out=tmp_path)
        assert list(warnings.filters) == before
    assert caught == []


@pytest.fixture(scope="module")
def pickled(tmp_path_factory):
    """Every recipe, every problem, and changed ones, by name, in a file that another process reads."""
    entries = {}
    for key in registered_solvers():
        for preset in ("tiny", "small", "paper"):
            entries[f"{key} {preset}"] = find_solver(key).recipe(preset)
    for name, problem in registry.problems().items():
        entries[name] = problem
        entries[f"another {name}"] = dataclasses.replace(problem, title="another")
    path = tmp_path_factory.mktemp("pickled") / "all.pickle"
    path.write_bytes(pickle.dumps(entries))
    return entries, path


def _same(a, b):
    """Equal, or, for problems whose functions compare by identity, of the same description."""
    return a == b or (type(a) is type(b) and (a.name, a.title, a.equation) == (b.name, b.title, b.equation))


def test_recipes_and_problems_can_be_copied_and_pickled(pickled):
    entries, path = pickled
    again = pickle.loads(path.read_bytes())
    for name, value in entries.items():
        for copied in (again[name], copy.copy(value), copy.deepcopy(value)):
            assert type(copied) is type(value), name
            assert copied == value if not name.startswith("another ") else _same(copied, value), name


@pytest.mark.slow
def test_another_process_reads_a_pickled_problem(pickled):
    code = (
        "import pickle, sys\n"
        "entries = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(len(entries), entries['spiral'].title, entries['another darcy'].title)\n"
    )
    words = [sys.executable, "-c", code, str(pickled[1])]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert out.split() == [str(len(pickled[0])), *pickled[0]["spiral"].title.split(), "another"]


def test_results_can_be_copied_and_pickled(tmp_path):
    made = sciml.run(ROTATION, solver="linear_ode", settings=["baselines=[]"], out=tmp_path)
    loaded = load_run(made.folder, problem=ROTATION)
    examined = evaluate_run(made.folder, problem=ROTATION)
    for value in (made, made.record, examined, loaded.config, loaded.recipe, loaded.about()):
        assert pickle.loads(pickle.dumps(value)) == copy.deepcopy(value) == value
    again = pickle.loads(pickle.dumps(loaded.module)).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in loaded.module.state_dict().items())
