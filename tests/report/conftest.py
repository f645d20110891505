"""Real runs that several modules make pages of."""

import os

import pytest
from filelock import FileLock
from task_runs import FIXTURES, RUNS, task_problem


@pytest.fixture(scope="session")
def task_folders(tmp_path_factory):
    """A finished run of every task without space, with its page; nobody changes them, and all workers share them."""
    place = tmp_path_factory.getbasetemp()
    place = (place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / "task_runs"
    with FileLock(f"{place}.lock"):
        if not place.exists():
            made = _runs(place.with_name("task_runs_begun"), tmp_path_factory.mktemp("home"))
            made.rename(place)
    return {task: next(place.glob(f"{task}/*/*/record.json")).parent for task in RUNS}


def _runs(place, home):
    from sciml.report import write_run
    from sciml.study import RunRequest, run

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(home))
        for task, (problem, solver, settings) in RUNS.items():
            steps = ["train.steps=2", "train.evaluate_every=1"]
            request = RunRequest(
                problem=FIXTURES / problem, solver=solver, settings=[*settings, *steps], out=place / task
            )
            write_run(run(request).folder, problem=task_problem(task))
    return place
