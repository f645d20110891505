"""Forecasts on masked grids: cells that are not active have no influence, and all numbers are those of the others."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray

import sciml
from sciml.core import rng
from sciml.core.errors import DataError, InputWarning, UnsupportedError
from sciml.data import netcdf_bytes
from sciml.models import UNet
from sciml.solvers.baselines import LinearConfig
from sciml.tasks.forecast import FORECAST, ForecastConfig, StepperSolver
from sciml.train import find_solver

LAND = np.zeros((8, 16), dtype=bool)
LAND[2:5, 3:9] = True
LAND[7, 15] = True
SMALL = {
    "sinenet": {"waves": 1, "levels": 2, "width": 4},
    "unet": {"levels": 2, "width": 4},
    "fno": {"modes": 3, "width": 4, "layers": 2},
    "dilresnet": {"width": 4, "blocks": 1},
    "persistence": {},
    "linear": {"radius": 1},
}
NETWORKS = ("sinenet", "unet", "fno", "dilresnet")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Two fields that travel along x, on water."""
    time, x, y = np.arange(6), np.arange(16) / 16, np.arange(8) / 8
    speed = np.linspace(0.02, 0.1, 8)[:, None, None, None]
    phase = 2 * np.pi * (x - speed * time[:, None, None] + 0.1 * np.sin(2 * np.pi * y)[:, None])
    dims = ("sample", "time", "y", "x")
    source = xarray.Dataset(
        {
            "h": (dims, np.where(LAND, np.nan, 2 + np.sin(phase)), {"units": "m"}),
            "c": (dims, np.where(LAND, np.nan, 5 * np.cos(phase)), {"units": "1"}),
        },
        {"time": ("time", 0.5 * time, {"units": "s"}), "y": ("y", y), "x": ("x", x)},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("home")))
        problem = sciml.dataset(source, name="sea", boundary={"x": "periodic"})
        yield FORECAST.prepare(problem, "tiny", ForecastConfig())


def built(bench, key):
    """The solver and its module, fitted if it is a closed form."""
    solver = find_solver(key)
    model = type(solver.recipe("tiny").model)(**SMALL[key])
    rng.seed_everything(0)
    module = solver.build(bench.problem, model, bench.context)
    solver.solve_closed_form(module, bench.examples)
    return solver, module


def batch_of(bench, junk):
    """A training batch with `junk` at the cells that are not active."""
    batch = bench.examples.batch(torch.arange(6), rng.generator(0))
    active = bench.context.active
    assert batch.inputs.isnan().any()
    fill = [torch.where(active, values, junk) for values in (batch.inputs, batch.targets)]
    return replace(batch, inputs=fill[0], targets=fill[1])


@pytest.mark.parametrize("key", sorted(SMALL))
def test_values_under_the_mask_change_nothing(bench, key):
    solver, module = built(bench, key)
    answers = []
    for junk in (torch.nan, 0.0, 1e6, torch.inf):
        batch = batch_of(bench, junk)
        loss = solver.loss(module, batch)
        gradients = torch.autograd.grad(loss, list(module.parameters())) if key in NETWORKS else ()
        predicted = solver.predict(module, FORECAST.inputs(batch)._replace(steps=3)).mean
        answers.append((loss.detach(), *gradients, predicted.nan_to_num(7.0)))
        np.testing.assert_array_equal(predicted.isnan().numpy(), np.broadcast_to(LAND, predicted.shape))
    assert torch.isfinite(answers[0][0])
    for other in answers[1:]:
        assert all(torch.equal(one, two) for one, two in zip(answers[0], other, strict=True))


@pytest.mark.parametrize("key", NETWORKS)
def test_the_loss_is_that_of_the_active_cells(bench, key):
    solver, module = built(bench, key)
    batch = batch_of(bench, torch.nan)
    with torch.no_grad():
        predicted = module(batch.inputs, batch.parameters, batch.stride).double().numpy()[..., ~LAND]
        loss = float(solver.loss(module, batch))
    statistics = bench.context.statistics
    mean, std = (values.double().numpy()[:, None] for values in (statistics.field_mean, statistics.field_std))
    true = (batch.targets.double().numpy()[..., ~LAND] - mean) / std
    error = (predicted - mean) / std - true
    by_hand = np.sqrt((error**2).sum(-1) / (true**2).sum(-1)).mean()
    assert loss == pytest.approx(by_hand, rel=1e-5)


def test_networks_see_the_mean_and_the_mask(bench):
    """Zero in standardised units is the mean, so the mask comes as a channel of its own."""
    _, module = built(bench, "fno")
    seen = []
    module.network.register_forward_pre_hook(lambda network, arguments: seen.append(arguments[0]))
    batch = batch_of(bench, torch.nan)
    module.rollout(batch.inputs, batch.parameters, batch.stride, 3)
    assert [x.shape[1] for x in seen] == [5, 5, 5]
    for x in seen:
        assert torch.equal(x[:, -1].bool(), bench.context.active.expand(6, 8, 16))
        assert not x[:, :-1][..., torch.from_numpy(LAND)].any()
        assert x.isfinite().all()


def test_the_linear_stencil_is_fitted_on_active_cells(bench):
    """Against least squares over the neighbourhoods of active cells, point by point."""
    solver = find_solver("linear")
    module = solver.build(bench.problem, LinearConfig(radius=1, ridge=0.0), bench.context)
    solver.solve_closed_form(module, bench.examples)
    batch = bench.examples.batch(torch.arange(len(bench.examples)), rng.generator(0))
    x = module.standardise(batch.inputs).flatten(1, 2).double().numpy()
    y = module.standardise(batch.targets)[:, 0].double().numpy()
    rows, answers = [], []
    wrapped = np.pad(x, ((0, 0), (0, 0), (0, 0), (1, 1)), mode="wrap")
    padded = np.pad(wrapped, ((0, 0), (0, 0), (1, 1), (0, 0)), mode="edge")  # y is open
    for i, j in zip(*np.nonzero(~LAND), strict=True):
        rows.append(padded[:, :, i : i + 3, j : j + 3].reshape(len(x), -1))
        answers.append(y[:, :, i, j])
    design = np.concatenate(rows)
    design = np.concatenate([design, np.ones((len(design), 1))], axis=1)
    expected = design @ np.linalg.lstsq(design, np.concatenate(answers), rcond=None)[0]
    with torch.no_grad():
        predicted = module(batch.inputs, batch.parameters, batch.stride)
    ours = module.standardise(predicted)[:, 0].double().numpy()
    got = np.concatenate([ours[:, :, i, j] for i, j in zip(*np.nonzero(~LAND), strict=True)])
    np.testing.assert_allclose(got, expected, atol=2e-4)


def test_metrics_are_those_of_the_active_cells(bench):
    solver, module = built(bench, "persistence")
    examined = bench.examine(solver, module)
    true = bench.truth()
    states = np.stack([true[name].values for name in ("h", "c")], axis=2).astype("f8")[..., ~LAND]
    last, following = states[:, 1:2], states[:, 2:]
    error = last - following
    rms = np.sqrt((error**2).mean(-1))
    by_hand = {
        "rollout/relative_l2": np.sqrt((error**2).sum((2, 3)) / (following**2).sum((2, 3))),
        "rollout/rmse": rms,
        "rollout/nrmse": rms / np.sqrt((following**2).mean(-1)),
        "rollout/vrmse": rms / np.sqrt(following.var(-1) + 1e-7),
        "rollout/crmse": np.abs(error.mean(-1)),
        "rollout/max_error": np.abs(error).max(-1),
    }
    for key, values in by_hand.items():
        assert examined.metrics[key] == pytest.approx(values.mean(), rel=1e-5), key
    assert not {key for key in examined.metrics if "frmse" in key or "brmse" in key}
    reasons = bench.dataset["unmeasured"]
    assert "Fourier transform" in reasons["rollout/frmse_low"]
    assert set(examined.metrics) | set(reasons) >= {"one_step/brmse", "rollout/frmse_high"}
    valid = bench.validate(solver, module)
    assert 0 < valid < 1
    assert bench.explain(solver, module, batch_of(bench, torch.nan)).startswith("the loss")


def test_a_broken_field_is_named_in_spite_of_the_mask(bench):
    solver, module = built(bench, "persistence")
    batch = batch_of(bench, torch.nan)
    batch.inputs[0, 0, 1, 0, 0] = torch.nan
    assert bench.explain(solver, module, batch) == "data of field c"
    predicted = solver.predict(module, FORECAST.inputs(replace(batch, inputs=batch.inputs[:, [1, 0]])))
    assert predicted.status.tolist() == [1, 0, 0, 0, 0, 0]


@pytest.fixture
def question(bench, tmp_path):
    """Read a changed copy of the example; the inputs."""
    source = FORECAST.write_inputs(bench.example, bench.problem, bench.context)

    def read(change=lambda dataset: dataset):
        path = tmp_path / "sea.nc"
        path.write_bytes(netcdf_bytes(change(source)))
        return FORECAST.read_inputs(path, bench.problem, bench.context, None)

    return read


def test_a_file_with_the_mask_is_read(bench, question):
    for change in (
        lambda d: d,
        lambda d: d.drop_vars("active"),
        lambda d: d.isel(y=slice(None, None, -1)),
        lambda d: d.fillna(3.0),  # it has the mask as a variable
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)  # that points are put in order
            got = question(change)
        assert torch.equal(got.states.nan_to_num(9), bench.example.states.nan_to_num(9))
    with pytest.warns(InputWarning, match="has values at the 19 cells that the mask of the run leaves out: not read"):
        got = question(lambda d: d.fillna(3.0).drop_vars("active"))
    assert torch.equal(got.states.nan_to_num(9), bench.example.states.nan_to_num(9))


def test_a_file_with_another_mask_is_refused_by_name(bench, question):
    def other(dataset):
        changed = dataset.copy(deep=True)
        changed["active"].values[0, 0] = 0
        return changed

    with pytest.raises(
        DataError,
        match=r"the mask of .*sea.nc is not that of the run; got 20 cells left out; 1 differ: the first, at y 0, x 0, "
        r"is inactive; expected 19 of 128 cells left out",
    ):
        question(other)
    shrunk = xarray.DataArray(np.arange(16) < 8, dims="x")
    with pytest.raises(DataError, match="is not that of the run; got 79 cells left out"):  # 64 + 15
        question(lambda d: d.drop_vars("active").where(shrunk))
    with pytest.raises(DataError, match=r"'active' in .* another shape .*; got x 16; expected y 8, x 16"):
        question(lambda d: d.assign(active=d["active"].isel(y=0)))
    with pytest.raises(DataError, match=r"'active' in .* is not made of 0 and 1"):
        question(lambda d: d.assign(active=2 * d["active"]))
    gap = xarray.DataArray(np.arange(2), dims="time") > 0
    with pytest.raises(DataError, match=r"'h' in .* holds values that are not finite"):
        question(lambda d: d.assign(h=d["h"].where(gap | (d["x"] > 0))))
    with pytest.raises(UnsupportedError, match="cannot be resampled: the run has a mask"):
        FORECAST.resample(xarray.Dataset(), bench.context, "coarse.nc")


def test_a_run_without_a_mask_refuses_one(bench, question, tmp_path):
    context = bench.context.model_copy(update={"active": None})
    source = FORECAST.write_inputs(bench.example, bench.problem, bench.context).fillna(1.0)
    path = tmp_path / "masked.nc"
    path.write_bytes(netcdf_bytes(source))
    with pytest.raises(DataError, match="is not that of the run, which has none; got 19 cells left out"):
        FORECAST.read_inputs(path, bench.problem, context, None)
    path.write_bytes(netcdf_bytes(source.assign(active=1 + 0 * source["active"])))
    assert FORECAST.read_inputs(path, bench.problem, context, None).states.isfinite().all()


def test_predictions_say_where_they_have_no_values(bench):
    solver, module = built(bench, "persistence")
    asked = bench.example._replace(steps=2)
    answer = FORECAST.describe(asked, solver.predict(module, asked), bench.problem, bench.context)
    np.testing.assert_array_equal(answer["active"].values, ~LAND)
    np.testing.assert_array_equal(answer["h"].isnull().values, np.broadcast_to(LAND, answer["h"].shape))
    assert answer["h"].attrs["ancillary_variables"] == "active"
    assert answer["active"].attrs["flag_meanings"] == "inactive active"
    assert answer["status"].values.tolist() == [0]
    written = xarray.open_dataset(netcdf_bytes(answer), engine="h5netcdf", decode_cf=False)
    assert np.isnan(written["h"].attrs["_FillValue"])


@pytest.mark.parametrize("dims", [1, 3])
@pytest.mark.parametrize("key", ["sinenet", "unet", "fno", "linear"])
def test_masks_on_a_line_and_in_space(tmp_path, key, dims):
    names, size = "zyx"[-dims:], {1: (16,), 3: (8, 8, 12)}[dims]
    values = np.random.default_rng(0).standard_normal((4, 5, *size))
    values[:, :, -3:] = np.nan
    source = xarray.Dataset(
        {"u": (("sample", "time", *names), values)},
        {name: (name, np.arange(float(n))) for name, n in zip(names, size, strict=True)},
    )
    bench = FORECAST.prepare(sciml.dataset(source, name="part"), "tiny", ForecastConfig())
    solver, module = built(bench, key)
    batch = bench.examples.batch(torch.arange(3), rng.generator(0))
    assert torch.isfinite(solver.loss(module, batch))
    predicted = solver.predict(module, FORECAST.inputs(batch)).mean
    assert predicted[:, :, :, -3:].isnan().all()
    assert predicted[:, :, :, :-3].isfinite().all()
    assert np.isfinite(bench.examine(solver, module).metrics["rollout/vrmse"])


class Plain(StepperSolver):
    """A stranger's network that knows nothing of masks."""

    key, title, citation, claim = "plain", "Plain", "", ""

    def recipe(self, preset):
        return find_solver("unet").recipe(preset)

    def network(self, problem, model, context):
        fields = len(problem.fields)
        return UNet(in_channels=context.history * fields, out_channels=fields, levels=2, width=4)


def test_a_network_that_takes_no_mask_works_all_the_same(bench):
    solver = Plain()
    module = solver.build(bench.problem, solver.recipe("tiny").model, bench.context)
    losses = [solver.loss(module, batch_of(bench, junk)) for junk in (torch.nan, 5.0)]
    assert torch.isfinite(losses[0])
    assert torch.equal(*losses)
