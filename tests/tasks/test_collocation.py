"""The collocation task: independent points, an honest score, exact resumption, inputs of users."""

import dataclasses
import json

import numpy as np
import pytest
import sympy as sp
import torch
import xarray
from collocation_cases import METHODS, ROD, SOLVER, build

from sciml.core import registry, rng
from sciml.core.config import override
from sciml.core.domain import Coordinate, Domain, dirichlet
from sciml.core.errors import DataError, UnknownNameError, UnsupportedError
from sciml.core.statement import Statement
from sciml.core.types import Prediction, Support
from sciml.solvers.pinn import PINNConfig
from sciml.study import RunRequest, run
from sciml.tasks.collocation import COLLOCATION, CollocationConfig, CollocationContext, CollocationSolver, Locations
from sciml.train import Solver, TrainConfig, Trainer


@pytest.fixture
def bench():
    return COLLOCATION.prepare(registry.find_problem(ROD), "tiny", CollocationConfig(points=30, face_points=6))


class Opaque(Solver):
    """A solver whose answer has no derivatives."""

    key, title, citation, claim, task = "opaque", "Opaque", "none", "", COLLOCATION

    def supports(self, problem):
        return Support(True)

    def recipe(self, preset):
        raise NotImplementedError

    def build(self, problem, model, context):
        return torch.nn.Identity()

    def loss(self, module, batch, along=1.0):
        raise NotImplementedError

    def predict(self, module, inputs):
        return Prediction(inputs.points[:, :1].float())


class Exact(CollocationSolver):
    """A solver that knows the solution, or one that is off by a constant."""

    key = title = citation = claim = "exact"

    def __init__(self, bench, off=0.0):
        self.statement, self.off = bench.statement, off

    def supports(self, problem):
        raise NotImplementedError

    recipe = build = loss = supports

    def predict(self, module, inputs):
        return Prediction(self.fields(module, inputs.points).float())

    def fields(self, module, points):
        return self.statement.exact(points) + self.off

    def numbers(self, module):
        return {"D": torch.tensor(0.1)}


def test_the_truth_passes_its_examination(bench):
    examination = bench.examine(Exact(bench), torch.nn.Identity())
    assert examination.metrics["error/relative_l2"] < 1e-6
    assert examination.metrics["residual/rms"] < 1e-7  # the number it found is a float32
    assert examination.metrics["condition/rms"] < 1e-12
    assert examination.metrics["unknown/D"] < 1e-7
    assert examination.status == {"ok": 441}
    assert examination.arrays["u"].dims == ("x", "t")
    assert examination.arrays["residual"].shape == (1, 21, 21)
    np.testing.assert_allclose(bench.truth()["u"], examination.arrays["u"], atol=1e-6)


def test_an_error_that_no_residual_sees_is_seen(bench):
    """A constant leaves the equation fulfilled; the error and the conditions show it."""
    examination = bench.examine(Exact(bench, off=0.3), torch.nn.Identity())
    assert examination.metrics["residual/rms"] < 1e-7
    assert examination.metrics["condition/rms"] == pytest.approx(0.3)
    assert examination.metrics["error/max"] == pytest.approx(0.3, rel=1e-3)
    assert bench.validate(Exact(bench, off=0.3), torch.nn.Identity()) > 0.3
    assert bench.watch(Exact(bench), torch.nn.Identity())["error"] < 1e-6


def test_points_of_training_and_examination_are_different(bench):
    batch = bench.examples.batch(torch.arange(30), rng.generator(0))
    assert batch.points is bench.examples.points  # the same tensor, so that what is known of it is kept
    assert batch.rows(slice(None)).points is batch.points
    together = torch.cat([batch.points, bench.pool, bench.fresh])
    assert len(together.unique(dim=0)) == len(together)
    for i, points in batch.faces.items():
        condition = bench.statement.conditions[i]
        column = bench.statement.domain.index(condition.axis)
        assert (points[:, column] == bench.statement.domain.axis(condition.axis).end(condition.side)).all()
        assert not torch.equal(points, bench.faces[i][: len(points)])


def test_points_can_be_drawn_anew(bench):
    fresh = COLLOCATION.prepare(bench.problem, "tiny", CollocationConfig(points=30, resample=True)).examples
    first, again, other = (fresh.batch(torch.arange(30), rng.generator(seed)).points for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_observations_have_the_errors_of_the_card(bench):
    exact = bench.problem.reference(bench.observed, "rod")
    assert bench.observed.shape == (30, 2)
    assert 0.0003 < float((bench.values - exact).std()) < 0.003


def test_an_unknown_case_lists_the_known_ones(bench):
    with pytest.raises(UnknownNameError, match="rod"):
        COLLOCATION.prepare(bench.problem, "tiny", CollocationConfig(case="tube"))


def test_a_case_may_be_called_by_a_number():
    assert override(CollocationConfig(), ["case=400"]).case == "400"


def test_a_solver_that_cannot_be_differentiated_is_refused(bench):
    with pytest.raises(UnsupportedError, match="differentiated by the coordinates"):
        bench.validate(Opaque(), torch.nn.Identity())


def test_what_is_not_finite_is_named(bench):
    module = build(bench)
    batch = bench.examples.batch(torch.arange(30), rng.generator(0))
    assert "no residual" in bench.explain(SOLVER, module, batch)
    with torch.no_grad():
        module.network.last.bias.fill_(torch.nan)
    assert bench.explain(SOLVER, module, batch) == "field u"


def trainer(bench, folder, settings, steps=20):
    folder.mkdir(exist_ok=True)
    module = build(bench, **settings)
    config = TrainConfig(steps=steps, batch_size=30, evaluate_every=5, checkpoint_every=10)
    return Trainer(
        module,
        SOLVER.loss,
        bench.examples,
        lambda m: bench.validate(SOLVER, m),
        config,
        folder=folder,
        seed=0,
        identity={"what": "test"},
        rule=SOLVER.step_rule(module, bench.examples, config),
        watch=lambda m: bench.watch(SOLVER, m),
    )


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_makes_the_residual_fall_and_is_watched(bench, tmp_path, method):
    """That it goes on after a stop as if there had been none is tested with all rules, in tests/train."""
    made = trainer(bench, tmp_path, METHODS[method])
    before = bench.validate(SOLVER, made.module)
    assert made.fit().best < before
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 10, 15, 20]
    assert all(0 < line["error"] < 10 for line in lines)


def test_a_method_that_cannot_go_on_ends_the_training_with_its_reason(bench, tmp_path, monkeypatch):
    made = trainer(bench, tmp_path / "a", METHODS["lbfgs"])
    real = made.rule.step

    def stuck(batch, along):
        loss = real(batch, along)
        monkeypatch.setattr(type(made.rule), "stopped", "no step along the gradient lowers the loss")
        return loss

    made.rule.step = stuck
    result = made.fit()
    assert result.steps == 1
    assert "no step along the gradient" in result.stopped
    line = json.loads((tmp_path / "a" / "log.jsonl").read_text().splitlines()[-1])
    assert line["stopped"] == result.stopped


def test_a_run_predicts_at_points_of_a_user(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path))
    made = run(RunRequest(problem=ROD, settings=("train.steps=2", "model.width=4"), out=tmp_path / "runs"))
    assert set(made.metrics) >= {"error/relative_l2", "residual/rms", "condition/rms", "unknown/D"}
    bench = COLLOCATION.prepare(registry.find_problem(ROD), "tiny", CollocationConfig())
    table = xarray.Dataset({"x": ("sample", [0.1, 0.5]), "t": ("sample", [0.0, 1.0])})
    table.to_netcdf(tmp_path / "points.nc", engine="h5netcdf")
    inputs = COLLOCATION.read_inputs(tmp_path / "points.nc", bench.problem, bench.context, None)
    assert inputs.points.dtype == torch.float64
    described = COLLOCATION.describe(inputs, SOLVER.predict(build(bench), inputs), bench.problem, bench.context)
    assert described["u"].dims == ("sample",)
    rounded = table.assign(x=("sample", np.array([0.1, 1.0 + 5e-8])))  # the end of the rod in single precision
    rounded.to_netcdf(tmp_path / "rounded.nc", engine="h5netcdf")
    assert len(COLLOCATION.read_inputs(tmp_path / "rounded.nc", bench.problem, bench.context, None).points) == 2
    table.assign(t=("sample", [0.0, 7.5])).to_netcdf(tmp_path / "late.nc", engine="h5netcdf")
    with pytest.raises(DataError, match=r"1 of 2 points outside of the domain; got x = 0.5, t = 7.5"):
        COLLOCATION.read_inputs(tmp_path / "late.nc", bench.problem, bench.context, None)
    table.drop_vars("t").to_netcdf(tmp_path / "bad.nc", engine="h5netcdf")
    with pytest.raises(DataError, match="lacks t"):
        COLLOCATION.read_inputs(tmp_path / "bad.nc", bench.problem, bench.context, None)


def test_points_outside_of_any_training_are_only_predictions(bench):
    prediction = SOLVER.predict(
        build(bench), Locations(torch.tensor([[torch.nan, 0.0], [0.5, 0.5]], dtype=torch.float64))
    )
    assert prediction.status.tolist() != [0, 0]
    assert prediction.mean[1].isfinite().all()


def test_a_statement_that_is_made_anew_can_be_counted(bench):
    """Networks are counted where tensors hold no numbers, and a statement compares some where its faces meet."""
    x, y = sp.symbols("x y")
    u = sp.Function("u")(x, y)

    class Plate(type(bench.problem)):
        def statement(self, case):
            axes = Coordinate("x", 0.0, 1.0), Coordinate("y", 0.0, 1.0)
            conditions = (*dirichlet("u", "x"), *dirichlet("u", "y"))
            equations = (u.diff(x, 2) + u.diff(y, 2) + sp.Symbol("q"),)
            return Statement(domain=Domain(axes), fields=("u",), equations=equations, conditions=conditions,
                             parameters={"q": 1.0})  # fmt: skip

    plate = Plate(**{field.name: getattr(bench.problem, field.name) for field in dataclasses.fields(bench.problem)})
    context = CollocationContext(case="rod", parameters={"q": 2.0})
    with torch.device("meta"):
        module = SOLVER.build(plate, PINNConfig(width=4), context)
    assert all(tensor.is_meta for tensor in module.parameters())
    assert module.statement.parameters == {"q": 2.0}
