"""The fitted equation as a forecaster: coefficients to rounding without noise, honest intervals with it."""

import math

import numpy as np
import pytest
import torch
import xarray as xr

import sciml
from sciml.core import registry
from sciml.core.config import override
from sciml.core.errors import UserError
from sciml.models.npde import (
    Advection,
    Constant,
    Diffusion,
    FieldCoefficient,
    Moment,
    NPDESpec,
    Reaction,
    SpecAxis,
    Trainable,
    generate,
    library,
    read_terms,
)
from sciml.solvers.npde import TrajectoryFit, assign_flat, fit, information, jackknife, unresolved
from sciml.study import Variant, load_run, result_line
from sciml.tasks.forecast import ForecastConfig
from sciml.train import find_solver, solve_columns

SIZE = 24
TRUE = {"D": 0.02, "c": 0.5, "r": 3.0}
STARTS = (Trainable(name="D", start=0.01, lower=0.0), Trainable(name="c", start=0.1), Trainable(name="r", start=1.0))


def network(coefficients, **more):
    return generate(NPDESpec(
        axes=(SpecAxis(name="x", size=SIZE, upper=2 * math.pi),), dt=0.02, coefficients=coefficients,
        terms=(
            Diffusion(target="u", coefficient="D"), Advection(target="u", axis="x", coefficient="c"),
            Reaction(target="u", formula="u*(1 - u)", coefficient="r"),
        ), **more,
    ))  # fmt: skip


def measured(noise, *, seed=0, steps=40, trajectories=8):
    """Frames of the true equation from random sums of five waves, and noise of a share of their deviation."""
    g = torch.Generator().manual_seed(seed)
    x = torch.arange(SIZE, dtype=torch.float64) * (2 * math.pi / SIZE)
    phases = 2 * math.pi * torch.rand(trajectories, 5, generator=g, dtype=torch.float64)
    start = torch.stack([0.5 + sum(0.12 * torch.sin((k + 1) * x + p[k]) for k in range(5)) for p in phases])[:, None]
    true = network(tuple(Constant(name=name, value=value) for name, value in TRUE.items()))
    frames = torch.cat((start[:, None], true.rollout(start, steps)), 1)
    return frames + noise * frames.std() * torch.randn(frames.shape, generator=g, dtype=torch.float64)


def errors(found):
    return {name: abs(float(found.coefficients[name].value) / value - 1) for name, value in TRUE.items()}


def test_the_pseudo_inverse_is_exact_and_needs_one_step():
    found = fit(network(STARTS), measured(0.0), method="pil")
    assert max(errors(found).values()) < 1e-10
    assert found.loss < 1e-24


@pytest.mark.slow
def test_started_from_it_lbfgs_is_within_one_per_cent_at_one_per_cent_noise():
    frames = measured(0.01)
    alone = errors(fit(network(STARTS), frames, method="pil"))
    polished = errors(fit(network(STARTS), frames, rounds=2))
    assert max(polished.values()) < 0.01
    assert alone["D"] > 5 * polished["D"], "differences of noise are no diffusion"
    assert errors(fit(network(STARTS), frames[:, :11], rounds=1, iterations=4, gradient="adjoint")) == pytest.approx(
        errors(fit(network(STARTS), frames[:, :11], rounds=1, iterations=4)), rel=1e-6
    )


def test_fixed_first_frames_cost_accuracy():
    frames = measured(0.03, steps=3, trajectories=24)
    free, fixed = (errors(fit(network(STARTS), frames, free_start=choice))["D"] for choice in (True, False))
    assert free < 0.5 * fixed


def test_smoothing_helps_the_pseudo_inverse():
    frames = measured(0.01)
    plain, weak = (errors(fit(network(STARTS), frames, method="pil", smoothing=s))["D"] for s in (0, 4))
    assert weak < 0.6 * plain


def test_adam_goes_the_same_way():
    found = fit(network(STARTS), measured(0.0, steps=10), method="adam", adam_steps=60, learning_rate=0.1)
    assert found.loss < 0.05 * fit(network(STARTS), measured(0.0, steps=10), method="adam", adam_steps=1).loss


@pytest.mark.slow
def test_intervals_cover_the_truth():
    """95 % intervals over twelve noises and three numbers, and none of them is much too wide."""
    inside, widths, misses = 0, [], []
    for seed in range(12):
        found = fit(network(STARTS), measured(0.02, seed=seed, steps=20), intervals=True, rounds=2, iterations=15)
        for name, value in TRUE.items():
            low, high = found.intervals[name]
            inside += low <= value <= high
            widths.append((high - low) / 2 / value)
            misses.append(abs(float(found.coefficients[name].value) / value - 1))
    assert inside >= 31  # 36 draws of probability 0.95: fewer happen once in 60 times
    assert np.median(widths) < 8 * np.median(misses)


@pytest.mark.parametrize("free_start", [True, False])
def test_one_step_without_some_windows_is_what_a_refit_finds(free_start):
    """First frames free, which weakens what a window says of the coefficients, or not."""
    whole = network(STARTS)
    frames = measured(0.02, steps=8)
    deviations = TrajectoryFit(whole, frames, frames.std().view(1), free_start=free_start)
    for _ in range(3):
        deviations.round(12)
    before = {name: float(entry.value) for name, entry in whole.coefficients().items()}
    known = information(deviations)
    assert known is not None
    assert float(known.change(torch.arange(len(frames))).abs().max()) < 1e-4, "converged"
    kept = torch.arange(2, len(frames))
    part = deviations.without(kept)
    for _ in range(2):
        part.round(12)
    refitted = part.network.coefficients()
    for name, change in zip(before, known.change(kept).tolist(), strict=True):
        assert change == pytest.approx(
            float(refitted[name].value) - before[name], rel=0.1, abs=2e-5 * abs(before[name])
        )


def test_a_step_that_is_too_long_for_the_coefficients_is_told_of():
    """A split step of the logistic reaction at r dt = 3 against a 32nd of it, on frames of steps shorter still."""

    def notes(substeps):
        long = network(STARTS, scheme="strang", substeps=substeps).double()
        long.values.assign({"D": 0.5, "c": 0.5, "r": 150.0})
        fine = network(STARTS, scheme="strang", substeps=64)
        fine.values.assign({"D": 0.5, "c": 0.5, "r": 150.0})
        start = measured(0.0, steps=1)[:, 0]
        frames = torch.cat((start[:, None], fine.rollout(start, 4)), 1).detach()
        frames = frames + 1e-4 * torch.randn(frames.shape, generator=torch.Generator().manual_seed(0))
        return unresolved(TrajectoryFit(long, frames, frames.std().view(1)))

    (told,) = notes(1)
    assert "Raise model.substeps (1)" in told
    assert notes(32) == ()


@pytest.mark.slow
def test_a_field_of_diffusivities_is_found():
    """D(x), 24 numbers, from 16 trajectories with 0.2 % noise, within 5 % in L2 (Tikhonov)."""
    x = torch.arange(SIZE, dtype=torch.float64) * (2 * math.pi / SIZE)
    true = 0.05 * (1 + 0.4 * torch.sin(x))

    def built(smoothness):
        return generate(NPDESpec(
            axes=(SpecAxis(name="x", size=SIZE, upper=2 * math.pi),), dt=0.02,
            terms=(Diffusion(target="u", coefficient="D"),),
            coefficients=(FieldCoefficient(name="D", start=0.05, lower=0.0, upper=0.4, smoothness=smoothness),),
        ))  # fmt: skip

    model = built(0.0)
    model.values.assign({"D": true})
    start = measured(0.0, trajectories=16, steps=1)[:, 0]
    frames = torch.cat((start[:, None], model.rollout(start, 40)), 1).detach()
    frames = frames + 0.002 * frames.std() * torch.randn(frames.shape, generator=torch.Generator().manual_seed(0))
    found = fit(built(1e-5), frames, method="lbfgs").coefficients["D"].value
    assert (found - true).norm() / true.norm() < 0.05


def test_thresholds_drop_what_is_not_there():
    g = torch.Generator().manual_seed(0)
    columns = torch.randn(400, 5, generator=g, dtype=torch.float64)
    wanted = 2 * columns[:, 0] - 0.5 * columns[:, 3] + 0.01 * torch.randn(400, generator=g, dtype=torch.float64)
    table = torch.cat((columns, wanted[:, None]), 1)
    assert (solve_columns(table) != 0).all()
    sparse = solve_columns(table, threshold=0.05)
    assert sparse.nonzero().flatten().tolist() == [0, 3]
    assert sparse[[0, 3]].tolist() == pytest.approx([2, -0.5], abs=5e-3)
    assert float(solve_columns(table, ridge=1.0).norm()) < float(sparse.norm())
    idle = torch.cat((columns, torch.zeros(400, 1), wanted[:, None]), 1)
    assert float(solve_columns(idle)[5]) == 0


def test_the_jackknife_of_a_mean_is_that_of_students_t():
    values = torch.randn(8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (found,) = jackknife({"m": float(values.mean())}, lambda kept: {"m": float(values[kept].mean())}, 8).values()
    half = 2.364624 * float(values.std()) / math.sqrt(8)
    assert found.high - found.low == pytest.approx(2 * half, rel=1e-5)
    assert jackknife({"m": 0.0}, lambda kept: {"m": 0.0}, 2) == {}


def test_bad_frames_and_methods_are_refused():
    with pytest.raises(UserError, match="unknown method"):
        fit(network(STARTS), measured(0.0), method="sgd")
    broken = measured(0.0)
    broken[0, 0] = torch.nan
    with pytest.raises(UserError, match="24 values that are not finite"):
        fit(network(STARTS), broken)
    with pytest.raises(UserError, match=r"fitted to real fields; got frames of torch\.complex128"):
        fit(network(STARTS), measured(0.0).to(torch.complex128))
    with pytest.raises(UserError, match="same at every step"):
        fit(network(STARTS, sharing="per_step", steps=40), measured(0.0), method="pil")


@pytest.fixture
def own_file(tmp_path):
    """Ten noise-free trajectories of u_t = 0.02 u_xx - 0.5 u_x, exact in Fourier space, in metres and seconds."""
    x, times = np.arange(32) * (2 * np.pi / 32), np.linspace(0, 1, 13)
    rng = np.random.default_rng(0)
    waves = np.arange(1, 5)
    size, phase = rng.normal(size=(10, 1, 4, 1)), rng.uniform(0, 6, size=(10, 1, 4, 1))
    moved = waves[:, None] * (x - 0.5 * times[:, None, None]) + phase
    states = (size * np.exp(-0.02 * waves[:, None] ** 2 * times[:, None, None]) * np.sin(moved)).sum(2)
    data = xr.Dataset(
        {"u": (("sample", "time", "x"), states, {"units": "K"})},
        {"x": ("x", x, {"units": "m"}), "time": ("time", times, {"units": "s"})},
    )
    path = tmp_path / "rod.nc"
    data.to_netcdf(path, engine="h5netcdf")
    return path


@pytest.mark.slow
def test_a_file_of_one_s_own_gives_coefficients_with_intervals_on_the_page(own_file, tmp_path):
    settings = ["model.terms=['u_xx', 'u_x', 'u']", "baselines=[]", "train.steps=2"]
    choices = {"boundary": {"x": "periodic"}}
    done = sciml.run(data=own_file, choices=choices, solver="npde", settings=settings, out=tmp_path / "runs")
    details = done.record.conclusion.details
    rows = {row["name"]: row for row in details["coefficients"]}
    for name, value, units in (("c_u_u_xx", 0.02, "m2 s-1"), ("c_u_u_x", -0.5, "m s-1"), ("c_u_u", 0.0, "s-1")):
        assert rows[name]["value"] == pytest.approx(value, abs=2e-3)
        assert rows[name]["units"] == units
        assert rows[name]["low"] <= rows[name]["value"] <= rows[name]["high"]
    assert done.metrics["rollout/relative_l2"] < 5e-3
    page = (done.folder / "report.html").read_text(encoding="utf-8")
    assert "The fitted equation" in page
    assert "m2 s-1" in page
    assert any(line.startswith("c_u_u_xx = 0.02") for line in done.record.conclusion.words)
    loaded = load_run(done.folder)
    assert float(loaded.module.network.equation.coefficients()["c_u_u_x"].value) == pytest.approx(-0.5, abs=2e-3)


def test_a_diffusion_that_nothing_shows_is_marked(own_file, tmp_path):
    """Of a field that stands still, beside one that moves."""
    settings = [
        "model.terms=['u: u_xx', 'u: u_x', 'r: r_xx']",
        "baselines=[]",
        "train.steps=1",
        "model.intervals=false",
    ]
    with xr.open_dataset(own_file, engine="h5netcdf") as data:
        still = data.u.isel(time=0, drop=True).expand_dims(time=data.time, axis=1)
        both = data.assign(r=still).load()
    both["r"].attrs["units"] = "K"
    both.to_netcdf(tmp_path / "both.nc", engine="h5netcdf")
    choices = {"boundary": {"x": "periodic"}}
    done = sciml.run(
        data=tmp_path / "both.nc", choices=choices, solver="npde", settings=settings, out=tmp_path / "runs"
    )
    notes = {row["name"]: row["note"] for row in done.record.conclusion.details["coefficients"]}
    assert notes == {"c_u_u_xx": "", "c_u_u_x": "", "c_r_r_xx": "at its lower bound"}
    own = Variant(name="own", label="own", solver="npde")
    line = result_line(own, "steps", done)
    assert line["metrics"]["coefficient/c_u_u_x"] == done.record.conclusion.metrics["coefficient/c_u_u_x"]
    assert "rollout/relative_l2" in line["metrics"]


def many_terms():
    """The default library on two fields, 24 terms, with small coefficients."""
    terms, coefficients = read_terms(library(("u", "v"), ("x",)), ("u", "v"), ("x",))
    model = generate(NPDESpec(
        axes=(SpecAxis(name="x", size=16, upper=2 * math.pi),), fields=("u", "v"), terms=terms,
        coefficients=coefficients, dt=0.05, scheme="strang",
    ))  # fmt: skip
    g = torch.Generator().manual_seed(0)
    values = 0.1 * torch.rand(len(coefficients), generator=g, dtype=torch.float64) + 0.02
    model.values.assign({entry.name: value for entry, value in zip(coefficients, values, strict=True)})
    start = 0.5 + torch.rand(4, 2, 16, generator=g, dtype=torch.float64)
    return model, torch.cat((start[:, None], model.rollout(start, 3)), 1).detach()


@torch.no_grad()
def test_many_terms_together_are_the_sum_of_each():
    model, frames = many_terms()
    state, at = frames[:, 0], Moment()
    columns, known = model.rates.columns(state, lambda name: model.coefficient(name, state, at, None), at)
    values = model.coefficients()
    apart = known + sum(float(values[name].value) * column for name, column in columns.items())
    torch.testing.assert_close(model.rate(state, at, None), apart, rtol=1e-12, atol=1e-12)


def test_the_curvature_of_many_coefficients_is_that_of_their_rollouts():
    """In the coordinates of the search the Hessian of Gauss and Newton by differences of rollouts is near one."""
    model, frames = many_terms()
    found = TrajectoryFit(model, frames, torch.ones(2))
    weights = list(model.parameters())
    origin = torch.cat([weight.detach().flatten() for weight in weights])
    spread = found.whitening(weights, origin)
    with torch.no_grad():
        middle, columns = found.residuals()[0].flatten(), []
        for i in range(len(origin)):
            assign_flat(weights, origin + 1e-6 * torch.eye(len(origin), dtype=torch.float64)[i])
            columns.append((found.residuals()[0].flatten() - middle) / 1e-6)
    curvature = torch.stack(columns, 1) @ spread
    stretches = torch.linalg.svdvals(2**0.5 * curvature)
    assert 0.1 < float(stretches.median()) < 2
    assert float(stretches.max()) < 10


def test_the_seed_of_a_run_is_that_of_the_noise_in_its_rule():
    problem, solver = registry.problem("reaction_diffusion"), find_solver("npde")
    bench = solver.task.prepare(problem, "tiny", ForecastConfig(history=4, noise=0.1))
    recipe = override(solver.recipe("tiny"), ["model.method=lbfgs"])
    module = solver.build(problem, recipe.model, bench.context)
    frames = [
        solver.step_rule(module, bench.examples, recipe.train, seed).phases[0][0].fit.frames for seed in (0, 0, 1)
    ]
    assert torch.equal(frames[0], frames[1])
    assert not torch.equal(frames[0], frames[2])


@pytest.mark.parametrize("name", ["reaction_diffusion", "gray_scott", "navier_stokes_vorticity"])
@pytest.mark.parametrize("scheme", ["strang", "explicit"])
def test_it_is_checked_before_data_is_made(name, scheme):
    solver, problem = find_solver("npde"), registry.problem(name)
    recipe = override(solver.recipe("tiny"), [f"model.scheme={scheme}"])
    solver.check_preset(problem, "tiny", recipe.model, recipe.task)


def test_terms_that_are_none_are_refused_before_any_work(own_file, tmp_path):
    for terms, words in (("['u*u_xx']", "no place"), ("['v_x']", "v_x"), ("['u', 'u']", "twice")):
        with pytest.raises(UserError, match=words):
            sciml.run(data=own_file, solver="npde", settings=[f"model.terms={terms}"], out=tmp_path / "runs")
