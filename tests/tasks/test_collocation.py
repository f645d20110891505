"""The collocation task: independent points, an honest score, exact resumption, inputs of users."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray

from sciml.core import registry, rng
from sciml.core.errors import DataError, Interrupted, UnknownNameError, UnsupportedError
from sciml.core.types import Prediction, Support
from sciml.solvers.pinn import AdaptConfig, OptimiseConfig, PINNConfig, PINNSolver, WeighConfig
from sciml.study import run
from sciml.tasks.collocation import Collocation, CollocationConfig, Locations
from sciml.train import Solver, Spec, TrainConfig, Trainer

ROD = Path(__file__).parents[1] / "fixtures" / "short_rod"
SOLVER = PINNSolver()


@pytest.fixture
def task():
    return Collocation.prepare(registry.problem(ROD), "tiny", CollocationConfig(points=30, face_points=6))


def build(task, seed=0, **settings):
    rng.seed_everything(seed)
    model = PINNConfig(**{"width": 5, **settings})
    return SOLVER.build(task.problem, Spec(model, task.settings, task.grid, task.statistics))


class Opaque(Solver):
    """A solver whose answer has no derivatives."""

    key, title, citation, claim, task = "opaque", "Opaque", "none", "", Collocation

    def supports(self, problem):
        return Support(True)

    def recipe(self, preset):
        raise NotImplementedError

    def build(self, problem, spec):
        return torch.nn.Identity()

    def loss(self, module, batch, along=1.0):
        raise NotImplementedError

    def predict(self, module, inputs):
        return Prediction(inputs.points[:, :1].float())


class Exact(Opaque):
    """A solver that knows the solution, or one that is off by a constant."""

    def __init__(self, task, off=0.0):
        self.statement, self.off = task.statement, off

    def predict(self, module, inputs):
        return Prediction(self.fields(module, inputs.points).float())

    def fields(self, module, points):
        return self.statement.exact(points) + self.off

    def numbers(self, module):
        return {"D": torch.tensor(0.1)}


def test_the_truth_passes_its_examination(task):
    found = task.examine(Exact(task), torch.nn.Identity())
    assert found.metrics["error/relative_l2"] < 1e-6
    assert found.metrics["residual/rms"] < 1e-7  # the number it found is a float32
    assert found.metrics["condition/rms"] < 1e-12
    assert found.metrics["unknown/D"] < 1e-7
    assert found.status == {"ok": 441}
    assert found.arrays["u"].dims == ("x", "t")
    assert found.arrays["residual"].shape == (1, 21, 21)
    np.testing.assert_allclose(task.truth()["u"], found.arrays["u"], atol=1e-6)


def test_an_error_that_no_residual_sees_is_seen(task):
    """A constant leaves the equation fulfilled; the error and the conditions show it."""
    found = task.examine(Exact(task, off=0.3), torch.nn.Identity())
    assert found.metrics["residual/rms"] < 1e-7
    assert found.metrics["condition/rms"] == pytest.approx(0.3)
    assert found.metrics["error/max"] == pytest.approx(0.3, rel=1e-3)
    assert task.validate(Exact(task, off=0.3), torch.nn.Identity()) > 0.3
    assert task.watch(Exact(task), torch.nn.Identity())["error"] < 1e-6


def test_points_of_training_and_examination_are_different(task):
    batch = task.examples.batch(torch.arange(30), rng.generator(0))
    assert batch.points is task.examples.points  # the same tensor, so that what is known of it is kept
    assert batch.rows(slice(None)).points is batch.points
    together = torch.cat([batch.points, task.pool])
    assert len(together.unique(dim=0)) == len(together)
    for i, points in batch.faces.items():
        condition = task.statement.conditions[i]
        column = task.statement.domain.index(condition.axis)
        assert (points[:, column] == task.statement.domain.axis(condition.axis).end(condition.side)).all()
        assert not torch.equal(points, task.faces[i][: len(points)])


def test_points_can_be_drawn_anew(task):
    fresh = Collocation.prepare(task.problem, "tiny", CollocationConfig(points=30, resample=True)).examples
    first, again, other = (fresh.batch(torch.arange(30), rng.generator(seed)).points for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_observations_have_the_errors_of_the_card(task):
    exact = task.problem.reference(task.observed, "rod")
    assert task.observed.shape == (30, 2)
    assert 0.0003 < float((task.values - exact).std()) < 0.003


def test_an_unknown_case_lists_the_known_ones(task):
    with pytest.raises(UnknownNameError, match="rod"):
        Collocation.prepare(task.problem, "tiny", CollocationConfig(case="tube"))


def test_a_solver_that_cannot_be_differentiated_is_refused(task):
    with pytest.raises(UnsupportedError, match="differentiated by the coordinates"):
        task.validate(Opaque(), torch.nn.Identity())


def test_what_is_not_finite_is_named(task):
    module = build(task)
    batch = task.examples.batch(torch.arange(30), rng.generator(0))
    assert "no residual" in task.explain(SOLVER, module, batch)
    with torch.no_grad():
        module.network.last.bias.fill_(torch.nan)
    assert task.explain(SOLVER, module, batch) == "field u"


METHODS = {
    "gauss_newton": {"optimise": OptimiseConfig(method="gauss_newton", warm=3, engine="taylor")},
    "cg": {"optimise": OptimiseConfig(solve="cg")},
    "lbfgs": {"optimise": OptimiseConfig(method="lbfgs", history=4, engine="taylor"), "hard": False},
    "soap": {
        "optimise": OptimiseConfig(method="soap", engine="taylor"),
        "weigh": WeighConfig(balance="grad_norm", balance_every=4, causal=1.0),
        "hard": False,
    },
    "adam": {
        "optimise": OptimiseConfig(method="adam", engine="autograd"),
        "adapt": AdaptConfig(kind="rar_d", every=5, pool=100, add=3),
        "weigh": WeighConfig(balance="relobralo", balance_every=2),
    },
    "traced": {
        "optimise": OptimiseConfig(method="adam", engine="traced"),
        "weigh": WeighConfig(balance="ntk", balance_every=6),
        "adapt": AdaptConfig(kind="rad", every=15, pool=100),
    },
}


def trainer(task, folder, settings, steps=20):
    folder.mkdir(exist_ok=True)
    module = build(task, **settings)
    config = TrainConfig(steps=steps, batch_size=30, evaluate_every=5, checkpoint_every=10)
    return Trainer(
        module,
        SOLVER.loss,
        task.examples,
        lambda m: task.validate(SOLVER, m),
        config,
        folder=folder,
        seed=0,
        identity={"what": "test"},
        advance=SOLVER.advance(module, task.examples, config),
        watch=lambda m: task.watch(SOLVER, m),
    )


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_goes_on_as_if_it_had_never_stopped(task, tmp_path, method):
    """Ten steps, a stop and ten more give the bits of twenty; the residual falls."""
    straight = trainer(task, tmp_path / "a", METHODS[method])
    before = task.validate(SOLVER, straight.module)
    result = straight.fit()
    assert result.best < before
    half = trainer(task, tmp_path / "b", METHODS[method])
    taken = half._advance.step

    def stop_after_ten(batch, along):
        loss = taken(batch, along)
        if half._step == 9:
            half.stop()
        return loss

    half._advance.step = stop_after_ten
    with pytest.raises(Interrupted):
        half.fit()
    torch.manual_seed(12345)  # what a fresh process starts with does not matter
    again = trainer(task, tmp_path / "b", METHODS[method])
    again.fit(resume=True)
    for a, b in zip(straight.module.state_dict().values(), again.module.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    lines = [json.loads(line) for line in (tmp_path / "b" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 10, 15, 20]
    assert all(0 < line["error"] < 10 for line in lines)


def test_a_method_that_cannot_go_on_ends_the_training_with_its_reason(task, tmp_path):
    made = trainer(task, tmp_path / "a", METHODS["lbfgs"])
    real = made._advance.step

    def stuck(batch, along):
        loss = real(batch, along)
        made._advance._lbfgs.stopped = "no step along the gradient lowers the loss"
        return loss

    made._advance.step = stuck
    result = made.fit()
    assert result.steps == 1
    assert "no step along the gradient" in result.stopped
    line = json.loads((tmp_path / "a" / "log.jsonl").read_text().splitlines()[-1])
    assert line["stopped"] == result.stopped


def test_a_run_predicts_at_points_of_a_user(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path))
    made = run(ROD, settings=["train.steps=2", "model.width=4"], out=tmp_path / "runs")
    assert set(made.metrics) >= {"error/relative_l2", "residual/rms", "condition/rms", "unknown/D"}
    task = Collocation.prepare(registry.problem(ROD), "tiny", CollocationConfig())
    table = xarray.Dataset({"x": ("sample", [0.1, 0.5]), "t": ("sample", [0.0, 1.0])})
    table.to_netcdf(tmp_path / "points.nc", engine="h5netcdf")
    inputs = task.read_inputs(tmp_path / "points.nc", None)
    assert inputs.points.dtype == torch.float64
    described = task.describe(inputs, SOLVER.predict(build(task), inputs))
    assert described["u"].dims == ("sample",)
    table.drop_vars("t").to_netcdf(tmp_path / "bad.nc", engine="h5netcdf")
    with pytest.raises(DataError, match="lacks t"):
        task.read_inputs(tmp_path / "bad.nc", None)


def test_points_outside_of_any_training_are_only_predictions(task):
    found = SOLVER.predict(build(task), Locations(torch.tensor([[torch.nan, 0.0], [0.5, 0.5]], dtype=torch.float64)))
    assert found.status.tolist() != [0, 0]
    assert found.mean[1].isfinite().all()
