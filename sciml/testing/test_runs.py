"""What a whole run of every solver owes: a process left as it was, a folder that gives back the same module."""

import random

import numpy as np
import pytest
import torch

from sciml.core import registry
from sciml.study import RunRequest, evaluate_run, run
from sciml.testing import process_state, trial_of
from sciml.testing._trial import one_of_each_task


@pytest.fixture(params=one_of_each_task())
def trial(request):
    return trial_of(request.param)


def test_a_run_leaves_the_process_alone_and_a_folder_that_answers_alike(trial, tmp_path):
    """Generators included: what the caller draws next is what would have been drawn without the run."""
    folder = registry.folder_of(trial.bench.problem)
    steps = ("train.steps=1",) if trial.solver.rule is not None else ()
    request = RunRequest(
        problem=folder, solver=trial.solver.key, settings=("baselines=[]", *steps), out=tmp_path / "runs"
    )
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    before = process_state()
    finished = run(request)
    after = process_state()
    assert [name for name in before if before[name] != after[name]] == []

    examined = evaluate_run(finished.folder, problem=folder)
    measured, recorded = (
        {name: value for name, value in metrics.items() if not name.endswith("seconds")}
        for metrics in (examined.metrics, examined.recorded)
    )
    assert measured == pytest.approx(recorded, rel=1e-6, nan_ok=True)
