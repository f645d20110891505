"""Ensembles of operators: calibration against its definition, held-out functions, what is written and refused."""

import pytest
import torch
import xarray

from sciml.core import rng
from sciml.core.config import override
from sciml.data import netcdf_bytes
from sciml.study import RunRequest, example_inputs, predict_run, run
from sciml.tasks.operator import OPERATOR, OperatorConfig, PairBatch, held_out
from sciml.testing import PROBLEMS, small_problem
from sciml.train import find_solver

SOLVER = find_solver("deeponet_ensemble")


@pytest.fixture
def ensemble():
    """Three untrained members and their bench."""
    two = small_problem("two_sources")
    bench = OPERATOR.prepare(two, "tiny", OperatorConfig())
    rng.seed_everything(0)
    model = override(SOLVER.recipe("tiny"), ["model.members=3", "model.width=5", "model.modes=4"]).model
    return SOLVER.build(two, model, bench.context), bench


def test_mean_and_spread_are_those_of_the_members(ensemble):
    module, bench = ensemble
    asked = bench.example
    each = torch.stack([member(asked.functions, asked.queries) for member in module.members])
    assert not torch.equal(each[0], each[1])
    torch.testing.assert_close(SOLVER.predict(module, asked).mean, each.mean(0))
    assert SOLVER.predict(module, asked).spread is None, "an uncalibrated spread is none"
    module.error_square.copy_(torch.tensor([4.0, 9.0]))
    module.spread_square.copy_(torch.tensor([1.0, 4.0]))
    module.calibrations += 1
    expected = each.std(0) * torch.tensor([2.0, 1.5])
    torch.testing.assert_close(SOLVER.predict(module, asked).spread, expected)


def test_the_calibrated_spread_has_the_size_of_the_error(ensemble):
    module, bench = ensemble
    test = bench.splits["test"]
    answers = module.answers(test.functions[test.row], test.queries).detach()
    for _ in range(3):
        module.calibrate(answers, test.values)
    error = (answers.mean(0) - test.values).square().mean((0, 1)).sqrt()
    torch.testing.assert_close(module.spread(answers).square().mean((0, 1)).sqrt(), error, rtol=1e-4, atol=0)


def test_held_out_functions_are_a_share_that_depends_on_them_alone():
    functions = torch.randn(20_000, 7, generator=rng.generator(0))
    away = held_out(functions, 0.1)
    assert 0.09 < float(away.float().mean()) < 0.11
    assert torch.equal(held_out(functions[5:9], 0.1), away[5:9])
    assert torch.equal(held_out(functions.flip(0), 0.1), away.flip(0))
    shifted = held_out(functions + 1e-3, 0.1)
    assert 0.005 < float((away & shifted).float().mean()) < 0.015, "independent of those of similar functions"


def test_no_member_is_trained_on_held_out_functions(ensemble):
    module, bench = ensemble
    batch = bench.examples.batch(torch.arange(len(bench.examples)), rng.generator(0))
    away = held_out(batch.functions, module.share)
    assert away.any()
    module.train()
    loss = SOLVER.loss(module, batch)
    assert int(module.calibrations) == 1
    changed = PairBatch(batch.functions, batch.queries, torch.where(away[:, None, None], 7.0, batch.targets),
                        batch.points, batch.index)  # fmt: skip
    module.eval()
    assert torch.equal(SOLVER.loss(module, changed), loss)
    assert int(module.calibrations) == 1, "not in evaluation"
    parts = [(SOLVER.loss(module, batch.rows(rows)), len(batch.rows(rows))) for rows in (slice(0, 9), slice(9, None))]
    total = sum(loss * size for loss, size in parts) / len(batch)
    torch.testing.assert_close(total, loss, msg="a mean over samples")


def test_a_run_states_spread_and_coverage_and_predicts_them(tmp_path):
    request = RunRequest(problem=PROBLEMS / "two_sources", solver="deeponet_ensemble", out=tmp_path,
                         settings=("train.steps=30", "train.evaluate_every=30", "baselines=[]", "model.members=2",
                                   "model.width=6", "model.held_out=0.3"))  # fmt: skip
    result = run(request)
    metrics = result.record.metrics["test"]
    assert 0 <= metrics["covered/v"] <= 1
    assert 0 <= metrics["covered/w"] <= 1
    path = tmp_path / "inputs.nc"
    path.write_bytes(netcdf_bytes(example_inputs(result.folder)))
    answer = predict_run(result.folder, path, problem=PROBLEMS / "two_sources")
    assert isinstance(answer, xarray.Dataset)
    assert answer["sigma_v"].attrs == {"units": "J", "long_name": "stated standard deviation of energy"}
    assert bool((answer["sigma_v"] > 0).all())
    assert answer["sigma_w"].dims == answer["w"].dims


@pytest.mark.slow
def test_the_stated_spread_covers_the_errors(tmp_path):
    """About 95 % of the errors on new functions are within two stated standard deviations."""
    request = RunRequest(problem="antiderivative", solver="deeponet_ensemble", out=tmp_path,
                         settings=("train.steps=1000", "baselines=[]", "task.probes=[]"))  # fmt: skip
    assert 0.8 < run(request).record.metrics["test"]["covered/s"] < 0.99
