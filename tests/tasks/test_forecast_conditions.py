"""What a forecast is told beside its frames: forcings over the steps, and the time step."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray

import sciml
from sciml.core import rng
from sciml.core.errors import ConfigError, DataError
from sciml.data import netcdf_bytes
from sciml.nn import FieldNetwork, Stepper
from sciml.tasks import out_of_range
from sciml.tasks.forecast import FORECAST, ForecastConfig
from sciml.train import find_solver

SMALL = {
    "sinenet": {"waves": 1, "levels": 2, "width": 4},
    "unet": {"levels": 2, "width": 4},
    "fno": {"modes": 3, "width": 4, "layers": 2},
    "dilresnet": {"width": 4, "blocks": 1},
}
FRAMES, SAMPLES = 8, 6


def make(name, step, home, **variables):
    """A field on (y, x) and what drives it."""
    dims = ("sample", "time", "y", "x")
    values = np.random.default_rng(0).standard_normal((SAMPLES, FRAMES, 8, 8))
    times = np.broadcast_to(step, (SAMPLES,))[:, None] * np.arange(FRAMES)
    moments = {"t": (("sample", "time"), times, {"units": "s"})} if np.ndim(step) else {}
    axes = {"y": ("y", np.arange(8.0)), "x": ("x", np.arange(8.0))}
    axes |= {} if moments else {"time": ("time", times[0], {"units": "s"})}
    source = xarray.Dataset({"u": (dims, values, {"units": "m"}), **variables, **moments}, axes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(home))
        return sciml.dataset(source, name=name)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def forced(home):
    """A problem with an inflow per sample and time and a constant speed."""
    inflow = 10.0 * np.arange(SAMPLES)[:, None] + np.arange(FRAMES) ** 2
    variables = {"inflow": (("sample", "time"), inflow, {"units": "kg s-1"}), "speed": ("sample", np.arange(6.0))}
    problem = make("forced", 0.5, home, **variables)
    return FORECAST.prepare(problem, "tiny", ForecastConfig())


@pytest.fixture(scope="module")
def stepped(home):
    """A problem whose trajectories have steps of their own."""
    problem = make("stepped", np.array([0.1, 0.1, 0.2, 0.4, 0.2, 0.1]), home)
    return FORECAST.prepare(problem, "tiny", ForecastConfig())


@pytest.fixture(scope="module")
def plain(home):
    """One step for all, trained on every frame, on every other one and on every third."""
    problem = make("plain", 0.5, home)
    return FORECAST.prepare(problem, "tiny", ForecastConfig(history=2, strides=(1, 3)))


class Adds(FieldNetwork):
    """u_{t+1} = u_t + the sum of its condition."""

    def forward(self, x, condition=None):
        return x[:, -self.out_channels :] + condition.sum(1)[:, None, None, None]


def test_every_step_is_told_the_forcing_at_both_its_ends():
    """Against a sum by hand: c = stride + p̃ + f̃(k) + f̃(k+1), in standardised units."""
    stepper = Stepper(
        Adds(dims=2, in_channels=2, out_channels=1, condition_channels=4),
        field_mean=torch.tensor([3.0]),
        field_std=torch.tensor([2.0]),
        parameter_mean=torch.tensor([1.0]),
        parameter_std=torch.tensor([4.0]),
        forcing_mean=torch.tensor([5.0]),
        forcing_std=torch.tensor([10.0]),
    )
    states, forcing = torch.randn(2, 2, 1, 4, 4), torch.randn(2, 5, 1)
    parameters, stride = torch.tensor([[2.0], [7.0]]), torch.ones(2)
    got = stepper.rollout(states, parameters, stride, 4, forcing)
    value, scaled = (states[:, -1:] - 3) / 2, (forcing[..., 0] - 5) / 10
    for k in range(4):
        value = value + (1 + (parameters[:, 0] - 1) / 4 + scaled[:, k] + scaled[:, k + 1])[:, None, None, None, None]
        torch.testing.assert_close(got[:, k : k + 1], 3 + 2 * value, rtol=1e-5, atol=1e-5)
    one = stepper(states, parameters, stride, forcing[:, :2])
    torch.testing.assert_close(one, got[:, :1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("key", sorted(SMALL))
def test_networks_read_the_forcing_of_their_steps(forced, key):
    solver = find_solver(key)
    rng.seed_everything(0)
    model = type(solver.recipe("tiny").model)(**SMALL[key])
    module = solver.build(forced.problem, model, forced.context)
    with torch.no_grad():
        for weight in module.parameters():
            weight += 0.05 * torch.randn_like(weight)
    batch = forced.examples.batch(torch.arange(4), rng.generator(0))
    assert solver.loss(module, batch).isfinite()
    window = FORECAST.inputs(batch)._replace(steps=3, forcing=batch.forcing[:, [0, 1, 1, 1]])
    before = solver.predict(module, window).mean
    later = window.forcing.clone()
    later[:, 3] += 50
    after = solver.predict(module, window._replace(forcing=later)).mean
    assert torch.equal(before[:, :2], after[:, :2])  # the last number belongs to the last step
    assert not torch.allclose(before[:, 2], after[:, 2])


def test_who_does_not_read_forcings_says_so(forced):
    linear = find_solver("linear").supports(forced.problem)
    assert not linear.ok
    assert linear.reason == "it is driven by inflow, which vary by time and which this solver does not read"
    persistence = find_solver("persistence")
    assert persistence.supports(forced.problem).ok
    assert "forcings" in persistence.unread
    for key in ("kernel_ridge", "neural_ode", "latent_ode"):
        assert not find_solver(key).supports(forced.problem).ok
    fno = find_solver("fno")
    with pytest.raises(ConfigError, match="'fno' has no condition here, and must be told inflow"):
        fno.build(forced.problem, type(fno.recipe("tiny").model)(condition="none"), forced.context)


@pytest.fixture
def ask(tmp_path):
    """Read a changed copy of a bench's example."""

    def read(bench, change=lambda dataset: dataset, steps=None):
        source = FORECAST.write_inputs(bench.example, bench.problem, bench.context)
        path = tmp_path / "question.nc"
        path.write_bytes(netcdf_bytes(change(source)))
        return FORECAST.read_inputs(path, bench.problem, bench.context, steps)

    return read


def test_a_file_holds_the_forcing_over_the_forecast(forced, ask):
    got = ask(forced)
    assert got.steps == forced.context.steps == 6
    assert torch.equal(got.forcing, forced.example.forcing)
    split = forced.source.split("test")
    assert torch.equal(got.forcing[0, :, 0], split.forcings[0, 1:, 0])
    assert ask(forced, steps=2).steps == 2
    assert ask(forced, lambda d: d.isel(forcing_time=slice(0, 3))).steps == 2
    alone = ask(forced, lambda d: d.assign(inflow=d["inflow"].isel(sample=0)))
    assert torch.equal(alone.forcing, got.forcing)
    with pytest.warns(UserWarning, match="'inflow' in .* is converted from g s-1 to kg s-1"):
        grams = ask(forced, lambda d: d.assign(inflow=(d["inflow"].dims, 1e3 * d["inflow"].values, {"units": "g s-1"})))
    torch.testing.assert_close(grams.forcing, got.forcing)
    with pytest.raises(DataError, match=r"'inflow' .* over the whole forecast; .*; expected forcing_time 8"):
        ask(forced, steps=7)
    with pytest.raises(DataError, match="lacks inflow"):
        ask(forced, lambda d: d.drop_vars("inflow"))
    with pytest.raises(DataError, match=r"'inflow' .* not known over the whole forecast; got time 2"):
        ask(forced, lambda d: d.drop_vars("inflow").assign(inflow=("time", [1.0, 2.0])))
    with pytest.raises(DataError, match=r"'inflow' in .* not finite"):
        ask(forced, lambda d: d.assign(inflow=d["inflow"].where(d["forcing_time"] > 1)))
    (error,) = out_of_range(forced.problem, ask(forced, lambda d: d.assign(inflow=d["inflow"] + 1e3)))
    assert str(error).startswith("forcing 'inflow' is outside the range")


def test_the_times_of_forcings_are_those_of_the_steps(forced, ask):
    with pytest.raises(DataError, match=r"forcing_time of .* are not the last frame and the steps after it"):
        ask(forced, lambda d: d.assign_coords(forcing_time=d["forcing_time"] + 0.5))
    with pytest.raises(DataError, match=r"forcing_time of .* are not the last frame and the steps after it"):
        ask(forced, lambda d: d.assign_coords(forcing_time=2 * d["forcing_time"]))


def test_a_time_step_is_a_condition_of_its_trajectory(stepped, ask):
    got = ask(stepped)
    assert torch.equal(got.parameters, stepped.example.parameters)
    by_times = ask(stepped, lambda d: d.drop_vars("dt").assign_coords(time=("time", [3.0, 3.2], {"units": "s"})))
    assert by_times.parameters.tolist() == [[pytest.approx(0.2)]]
    minutes = ask(stepped, lambda d: d.drop_vars("dt").assign_coords(time=("time", [1.0, 1.005], {"units": "min"})))
    assert minutes.parameters.tolist() == [[pytest.approx(0.3)]]
    with pytest.raises(DataError, match="lacks the time step 'dt', which differs between the trajectories"):
        ask(stepped, lambda d: d.drop_vars(["dt", "time"]))
    with pytest.raises(DataError, match=r"contradict its time step 'dt'; got times 0\.3 apart"):
        ask(stepped, lambda d: d.assign_coords(time=("time", [0.0, 0.3], {"units": "s"})))
    with pytest.raises(DataError, match="not evenly spaced and increasing"):
        ask(stepped, lambda d: d.drop_vars("dt").assign_coords(time=("time", [0.3, 0.3], {"units": "s"})))
    with pytest.raises(DataError, match="does not have units of the time step; got 'm'; expected s"):
        ask(stepped, lambda d: d.drop_vars("dt").assign_coords(time=("time", [0.0, 0.3], {"units": "m"})))
    long = ask(stepped, lambda d: d.drop_vars("dt").assign_coords(time=("time", [0.0, 0.9], {"units": "s"})))
    assert str(out_of_range(stepped.problem, long)[0]).startswith("parameter 'dt' is outside the range")
    fno = find_solver("fno")
    module = fno.build(stepped.problem, type(fno.recipe("tiny").model)(**SMALL["fno"]), stepped.context)
    answer = FORECAST.describe(got, fno.predict(module, got), stepped.problem, stepped.context)
    assert answer["dt"].values == pytest.approx(stepped.example.parameters[0].tolist())
    assert answer["time"].attrs == {"units": "1", "long_name": "frame, dt apart"}


def test_who_cannot_be_told_the_time_step_is_refused(stepped, plain):
    linear, fno = find_solver("linear"), find_solver("fno")
    assert "cannot be told it" in linear.supports(stepped.problem).reason
    assert find_solver("persistence").supports(stepped.problem).ok
    mute = type(fno.recipe("tiny").model)(condition="none")
    for bench in (stepped, plain):
        with pytest.raises(ConfigError, match="must be told which time step it takes"):
            fno.build(bench.problem, mute, bench.context)
    with pytest.raises(ConfigError, match=r"'linear' has no condition here, .*got task\.strides=\[1, 3\]"):
        linear.build(plain.problem, type(linear.recipe("tiny").model)(), plain.context)


def test_a_run_on_several_strides_takes_their_steps_and_no_others(plain, ask):
    assert ask(plain).stride.tolist() == [1.0]
    at = {step: (lambda d, step=step: d.assign_coords(time=("time", [2.0, 2.0 + step]))) for step in (0.5, 1.0, 1.5)}
    third = ask(plain, at[1.5])
    assert third.stride.tolist() == [3.0]
    fno = find_solver("fno")
    module = fno.build(plain.problem, type(fno.recipe("tiny").model)(**SMALL["fno"]), plain.context)
    assert module.network.condition_channels == 1  # told the stride, though the problem has no parameter
    answer = FORECAST.describe(third._replace(steps=2), fno.predict(module, third._replace(steps=2)), plain.problem,
                               plain.context)  # fmt: skip
    np.testing.assert_allclose(answer["time"], [3.5 + 1.5, 3.5 + 3.0])
    with pytest.raises(DataError, match=r"another time step than the training .* numbers 0\.5 or 1\.5 apart"):
        ask(plain, at[1.0])
    single = plain.context.model_copy(update={"strides": (1,)})
    with pytest.raises(DataError, match="trained on this step alone, so it cannot take another as a condition"):
        ask(SimpleNamespace(example=plain.example, problem=plain.problem, context=single), at[1.5])


def errors(home, name, arrays, **choices):
    """Error of one step and of rollouts of a small FNO on a periodic line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(home))
        problem = sciml.dataset(arrays, name=name, boundary={"x": "periodic"}, dims=("sample", "time", "x"), **choices)
        network = ["model.modes=4", "model.width=12", "model.layers=2"]
        training = ["task.history=1", "train.steps=250", "train.learning_rate=0.01", "baselines=[]"]
        finished = sciml.run(problem, solver="fno", settings=[*network, *training], out=home / "runs")
    return finished.metrics["one_step/relative_l2"], finished.metrics["rollout/relative_l2"]


def test_a_forcing_that_nobody_can_guess_is_used(home):
    """u' = u/2 + f v(x)/2 with f = 1 or 3 at random: without f, a quarter of the next frame cannot be known."""
    rng, x = np.random.default_rng(0), np.arange(16) / 16
    forcing, shape = rng.choice([1.0, 3.0], (40, 10)), 1 + 0.5 * np.cos(2 * np.pi * x)
    states = np.zeros((40, 10, 16))
    states[:, 0] = rng.uniform(1, 3, (40, 1)) * shape
    for k in range(9):
        states[:, k + 1] = 0.5 * states[:, k] + 0.5 * forcing[:, k + 1, None] * shape
    arrays = {"u": states, "f": forcing, "t": 0.1 * np.arange(10), "x": x}
    told, untold = (errors(home, name, arrays, **more) for name, more in (("f", {}), ("no_f", {"forcings": ("none",)})))
    assert untold[0] > 0.2
    assert max(told) < 0.05


@pytest.mark.slow  # as the test above, by a time step; how it reaches the network is tested by hand further up
def test_a_time_step_that_differs_is_used(home):
    """Waves at one speed, recorded at three distances in time; one frame does not tell which."""
    rng, x = np.random.default_rng(0), np.arange(16) / 16
    step = rng.choice([0.25, 0.5, 1.0], 40)
    phase = x - 0.2 * step[:, None, None] * np.arange(10)[:, None] + rng.random((40, 1, 1))
    arrays = {"u": np.sin(2 * np.pi * phase), "t": step[:, None] * np.arange(10), "x": x}
    told, untold = (errors(home, name, arrays, **more) for name, more in (("dt", {}), ("no_dt", {"dt": 1.0})))
    assert untold[0] > 0.2
    assert max(told) < 0.05
