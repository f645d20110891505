"""Real runs that several modules make pages of."""

import os

import pytest
from filelock import FileLock
from task_runs import FIXTURES, OTHERS, RUNS, task_problem


@pytest.fixture(scope="session")
def task_folders(tmp_path_factory):
    """A finished run of every task without space, with its page; nobody changes them, and all workers share them."""
    return _shared(RUNS, "task_runs", tmp_path_factory)


@pytest.fixture(scope="session")
def other_folders(tmp_path_factory):
    """The same of the other tasks."""
    return _shared(OTHERS, "other_runs", tmp_path_factory)


def _shared(runs, name, tmp_path_factory):
    place = tmp_path_factory.getbasetemp()
    place = (place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / name
    with FileLock(f"{place}.lock"):
        if not place.exists():
            made = _made(runs, place.with_name(f"{name}_begun"), tmp_path_factory.mktemp("home"))
            made.rename(place)
    return {task: next(place.glob(f"{task}/*/*/record.json")).parent for task in runs}


def _made(runs, place, home):
    from sciml.report import write_run
    from sciml.study import RunRequest, run

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(home))
        for task, (problem, solver, settings) in runs.items():
            trains = solver not in ("kernel_ridge", "sindy")
            steps = ["train.steps=2", "train.evaluate_every=1"] if trains else []
            request = RunRequest(
                problem=FIXTURES / problem, solver=solver, settings=[*settings, *steps], out=place / task
            )
            write_run(run(request).folder, problem=task_problem(task))
    return place
