"""Real runs that several modules make pages of."""

import pytest
from task_runs import FIXTURES, RUNS, task_problem


@pytest.fixture(scope="session")
def task_folders(tmp_path_factory):
    """A finished run of every task without space, with its page; nobody changes them."""
    from sciml.report import write_run
    from sciml.study import RunRequest, run

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("home")))
        folders = {}
        for task, (problem, solver, settings) in RUNS.items():
            steps = ["train.steps=2", "train.evaluate_every=1"]
            made = run(
                RunRequest(
                    problem=FIXTURES / problem,
                    solver=solver,
                    settings=[*settings, *steps],
                    out=tmp_path_factory.mktemp(task),
                )
            )
            folders[task] = made.folder
            write_run(made.folder, problem=task_problem(task))
        return folders
