"""Runs as functions: sizes, baselines that do not fit, what comes back."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray

from sciml.core.errors import ConfigError, UnsupportedError
from sciml.study import RunRequest, load_run, run
from sciml.testing import PROBLEMS
from sciml.train import count_parameters

SMALL = ["model.levels=2", "model.waves=1", "model.width=4", "train.steps=2"]


@pytest.mark.parametrize("wanted", [3000, 20000])
def test_a_run_can_be_given_a_size(advection, small_unet, tmp_path, wanted):
    made = run(RunRequest(problem=advection, settings=[*SMALL, 'baselines=["unet"]'], parameters=wanted, out=tmp_path))
    assert made.record.parameters == pytest.approx(wanted, rel=0.1)
    assert made.record.baselines["unet"].parameters == pytest.approx(made.record.parameters, rel=0.15)
    assert count_parameters(load_run(made.folder, problem=advection).module) == made.record.parameters


def test_a_method_without_a_size_cannot_be_given_one(advection, tmp_path):
    with pytest.raises(UnsupportedError, match="solver 'persistence' has no size"):
        run(RunRequest(problem=advection, solver="persistence", parameters=1000, out=tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_baseline_that_does_not_fit_is_left_out_with_the_reason(advection, tmp_path):
    refused = run(RunRequest(problem=advection, solver="persistence", settings=['baselines=["sinenet"]'], out=tmp_path))
    assert refused.record.baselines == {}
    assert "cannot be halved 3 times" in refused.record.left_out["sinenet"]


@pytest.mark.parametrize("baselines", ['["sinenet"]', '["linear","linear"]'])
def test_a_solver_is_not_compared_with_itself_or_twice(advection, tmp_path, baselines):
    with pytest.raises(ConfigError, match="each once"):
        run(RunRequest(problem=advection, settings=[*SMALL, f"baselines={baselines}"], out=tmp_path))


def test_predictions_hold_truth_and_every_solver(advection, tmp_path):
    made = run(RunRequest(problem=advection, settings=[*SMALL, 'baselines=["persistence"]'], out=tmp_path))
    with xarray.open_datatree(made.folder / "predictions.h5", engine="h5netcdf", decode_times=False) as tree:
        assert set(tree["solvers"].children) == {"sinenet", "persistence"}
        truth, still = tree["truth"].to_dataset().load(), tree["solvers/persistence"].to_dataset().load()
    assert truth.attrs["history"] == 2
    assert truth["time"].attrs["units"] == "s"
    assert still.sizes["time"] == truth.sizes["time"] - 2
    np.testing.assert_allclose(still["a"][:, 0], truth["a"][:, 1], rtol=1e-5)
    error = float(still["relative_l2"].mean())
    assert error == pytest.approx(made.record.baselines["persistence"].metrics["test"]["rollout/relative_l2"], rel=1e-5)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(advection, tmp_path):
    settings = [*SMALL, "baselines=[]", "task.noise=0.1"]
    a, b, c = (run(RunRequest(problem=advection, settings=settings, seed=seed, out=tmp_path)) for seed in (0, 0, 1))
    weights = [(made.folder / "model.safetensors").read_bytes() for made in (a, b, c)]
    assert weights[0] == weights[1] != weights[2]
    assert a.record.metrics == b.record.metrics
    assert a.record.dataset == c.record.dataset


WATCHED = [*SMALL, 'baselines=["unet","persistence"]', "train.evaluate_every=1"]


@pytest.fixture(scope="module")
def alone(small_unet, tmp_path_factory):
    """A run that trains its baseline itself, on data of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("home")))
        problem, out = PROBLEMS / "periodic_advection", tmp_path_factory.mktemp("alone")
        return run(RunRequest(problem=problem, settings=WATCHED, out=out))


@pytest.mark.parametrize("works", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_baseline_trained_in_a_process_of_its_own_has_the_same_bits(advection, alone, tmp_path, monkeypatch, works):
    """And if that process fails, the run trains the baseline itself."""
    monkeypatch.setattr("sciml.study._beside._LONG", 1)
    if not works:
        nowhere = SimpleNamespace(folder_of=lambda problem: tmp_path / "nowhere")
        monkeypatch.setattr("sciml.study._beside.registry", nowhere)
    beside = run(RunRequest(problem=advection, settings=WATCHED, out=tmp_path / "beside", workers=2))
    for name in ("model.safetensors", "baselines/unet/model.safetensors"):
        assert (beside.folder / name).read_bytes() == (alone.folder / name).read_bytes()
    assert beside.record.baselines["unet"].metrics == alone.record.baselines["unet"].metrics
    logs = [(made.folder / "baselines" / "unet" / "log.jsonl").read_text().splitlines() for made in (alone, beside)]
    assert len(logs[0]) == len(logs[1]) == 2
