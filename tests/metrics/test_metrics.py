import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sciml import metrics
from sciml.core.errors import UserError
from sciml.core.types import Axis, Grid

FIELD = "sample time channel *space"
GRID = Grid((Axis("y", 16, 0.0, 2 * math.pi), Axis("x", 16, 0.0, 2 * math.pi)))
SIZES = {0: (), 1: (12,), 2: (8, 9), 3: (4, 5, 6)}
EVERYWHERE = {  # needs no space
    "relative_l2": partial(metrics.relative_l2, dims=FIELD),
    "l1": lambda p, t: metrics.lp_relative(p, t, p=1.0, dims=FIELD),
    "scaled_l2": partial(metrics.scaled_l2, dims=FIELD),
    "nrmse": partial(metrics.nrmse, dims=FIELD),
    "apebench_nrmse": partial(metrics.apebench_nrmse, dims=FIELD),
    "rmse": partial(metrics.rmse, dims=FIELD),
    "crmse": partial(metrics.crmse, dims=FIELD),
    "max_error": partial(metrics.max_error, dims=FIELD),
    "summed_mse": partial(metrics.summed_mse, dims=FIELD),
}
SPATIAL = {
    "vrmse": partial(metrics.vrmse, dims=FIELD),
    "brmse": partial(metrics.brmse, dims=FIELD),
    "pearson": partial(metrics.pearson, dims=FIELD),
    "frmse": lambda p, t: torch.stack(metrics.frmse(p, t, dims=FIELD), dim=-1),
    "spectral_error": partial(metrics.spectral_error, dims=FIELD),
    "spectral_relative_error": partial(metrics.spectral_relative_error, dims=FIELD),
    "h1_relative": lambda p, t: metrics.h1_relative(p, t, _grid(p.shape[3:]), dims=FIELD),
}
PER_SAMPLE = EVERYWHERE | SPATIAL
CASES = [(name, dims) for name in EVERYWHERE for dims in SIZES] + [(n, d) for n in SPATIAL for d in SIZES if d]


def _grid(size):
    return Grid(tuple(Axis(f"a{i}", n, 0.0, 1.0 + i, "periodic" if i else "wall") for i, n in enumerate(size)))


def _pair(dims, seed=0, batch=3):
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, 2, 2, *SIZES[dims])
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))


def _waves():
    """sin x + 0.5 cos 5y on the grid, as one sample, time and channel."""
    y, x = torch.meshgrid(*(axis.points() for axis in GRID.axes), indexing="ij")
    return (torch.sin(x) + 0.5 * torch.cos(5 * y))[None, None, None]


def test_analytic_values():
    true = _waves()
    zero = torch.zeros_like(true)
    assert metrics.rmse(zero, true, dims=FIELD).item() == pytest.approx(math.sqrt(0.625))
    assert metrics.relative_l2(1.1 * true, true, dims=FIELD).item() == pytest.approx(0.1)
    assert metrics.scaled_l2(0.7 * true, true, dims=FIELD).item() == pytest.approx(0.3)
    assert metrics.lp_relative(0.5 * true, true, p=1.0, dims=FIELD).item() == pytest.approx(0.5)
    assert metrics.crmse(true + 0.25, true, dims=FIELD).item() == pytest.approx(0.25)
    assert metrics.max_error(true - 2.0, true, dims=FIELD).item() == pytest.approx(2.0)
    assert metrics.pearson(3 * true + 1, true, dims=FIELD).item() == pytest.approx(1.0)
    assert metrics.pearson(-true, true, dims=FIELD).item() == pytest.approx(-1.0)
    assert metrics.summed_mse(zero, true, dims=FIELD).item() == pytest.approx(0.625)


def test_channels_are_joined_summed_or_kept_as_the_names_say():
    true = torch.tensor([3.0, 4.0]).reshape(1, 1, 2, 1).expand(1, 1, 2, 5)
    pred = torch.tensor([3.0, 2.0]).reshape(1, 1, 2, 1).expand(1, 1, 2, 5)
    assert metrics.relative_l2(pred, true, dims=FIELD).item() == pytest.approx(2 / 5)
    assert metrics.scaled_l2(pred, true, dims=FIELD).flatten().tolist() == pytest.approx([0.0, 0.5])
    assert metrics.apebench_nrmse(pred, true, dims=FIELD).item() == pytest.approx(0.5)


def test_mean_of_ratios_is_not_the_ratio_of_means():
    true = torch.tensor([1.0, 100.0]).reshape(2, 1, 1, 1)
    pred = torch.tensor([2.0, 100.0]).reshape(2, 1, 1, 1)
    assert metrics.nrmse(pred, true, dims=FIELD).mean().item() == pytest.approx(0.5)
    assert metrics.nrmse_ratio_of_means(pred, true, dims=FIELD).item() == pytest.approx(1 / 101)


def test_boundary_cells_count_once():
    true = torch.zeros(1, 1, 1, 3, 4)
    pred = true.clone()
    pred[..., 1, 1:3] = 7.0  # the interior
    assert metrics.brmse(pred, true, dims=FIELD).item() == 0.0
    pred[..., 0, 0] = 2.0  # one corner of ten boundary cells
    assert metrics.brmse(pred, true, dims=FIELD).item() == pytest.approx(math.sqrt(4 / 10))


def test_h1_of_a_sine():
    x = torch.arange(512, dtype=torch.float64) / 512 * 2 * math.pi
    grid = Grid((Axis("x", 512, 0.0, 2 * math.pi),))
    true, error = torch.sin(x)[None, None, None], 0.1 * torch.sin(3 * x)[None, None, None]
    expected = math.sqrt(0.01 * (1 + 9) / (1 + 1))
    assert metrics.h1_relative(true + error, true, grid, dims=FIELD).item() == pytest.approx(expected, rel=1e-3)
    with pytest.raises(UserError, match="do not lie on the grid"):
        metrics.h1_relative(true[..., ::2], true[..., ::2], grid, dims=FIELD)


def test_h1_at_a_wall_is_one_sided():
    grid = Grid((Axis("x", 64, 0.0, 1.0, "wall"),))
    true = grid.axes[0].points()[None, None, None] + 1.0  # slope one everywhere, no wrap at the ends
    expected = math.sqrt(float((true**2).mean()) + 1.0)
    assert metrics.h1_relative(2 * true, true, grid, dims=FIELD).item() == pytest.approx(1.0)
    constant = torch.ones_like(true)
    assert metrics.h1_relative(true + constant, true, grid, dims=FIELD).item() == pytest.approx(1 / expected)


def test_spectrum_puts_waves_in_their_bins():
    spectrum = metrics.power_spectrum(2.0 + _waves(), dims=FIELD)[0, 0, 0]
    assert spectrum[[0, 1, 5]].tolist() == pytest.approx([4.0, 0.5, 0.125])
    assert float(spectrum.sum()) == pytest.approx(4.625)


def test_spectrum_of_an_oblong_domain_counts_cycles_over_the_longest_side():
    x = torch.arange(16, dtype=torch.float64) / 16 * 2 * math.pi
    field = torch.sin(2 * x)[None, None, None, :, None].expand(1, 1, 1, 16, 8)  # two waves along the first axis
    assert int(metrics.power_spectrum(field, dims=FIELD)[0, 0, 0].argmax()) == 2
    assert int(metrics.power_spectrum(field, extents=(1.0, 3.0), dims=FIELD)[0, 0, 0].argmax()) == 6
    with pytest.raises(UserError, match="one positive length per spatial axis"):
        metrics.power_spectrum(field, extents=(1.0,), dims=FIELD)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_parseval(dims):
    pred, true = _pair(dims)
    low, mid, high = metrics.frmse(pred, true, edges=(1.0, 3.0), dims=FIELD)
    torch.testing.assert_close(low**2 + mid**2 + high**2, metrics.rmse(pred, true, dims=FIELD).square())
    spectrum = metrics.power_spectrum(true, dims=FIELD)
    torch.testing.assert_close(spectrum.sum(-1), true.flatten(3).square().mean(-1))
    torch.testing.assert_close(spectrum[..., 1:].sum(-1), true.flatten(3).var(-1, correction=0))
    torch.testing.assert_close(
        metrics.spectral_error(pred, true, dims=FIELD), metrics.power_spectrum(pred - true, dims=FIELD)
    )


def test_frmse_uses_every_quadrant():
    y, x = torch.meshgrid(*(axis.points() for axis in GRID.axes), indexing="ij")
    error = torch.sin(3 * x - 4 * y)[None, None, None]  # k = (3, -4): outside the quadrant of positive indices
    bands = metrics.frmse(error, torch.zeros_like(error), dims=FIELD)
    assert [band.item() for band in bands] == pytest.approx([0.0, math.sqrt(0.5), 0.0], abs=1e-12)
    with pytest.raises(UserError, match="not increasing"):
        metrics.frmse(error, error, edges=(12.0, 4.0), dims=FIELD)


def test_band_edges_belong_to_the_upper_band():
    _, x = torch.meshgrid(*(axis.points() for axis in GRID.axes), indexing="ij")
    error = torch.sin(4 * x)[None, None, None]
    low, mid, _ = metrics.frmse(error, torch.zeros_like(error), dims=FIELD)
    assert low.item() < 1e-12 < mid.item()


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_predicting_the_mean_scores_one(dims):
    _, true = _pair(dims)
    mean = true.flatten(3).mean(-1).reshape(*true.shape[:3], *[1] * dims).expand_as(true)
    torch.testing.assert_close(
        metrics.vrmse(mean, true, epsilon=0.0, dims=FIELD), torch.ones(3, 2, 2, dtype=true.dtype)
    )


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_perfect_predictions_and_lone_samples(name, dims):
    metric = PER_SAMPLE[name]
    pred, true = _pair(dims)
    values = metric(pred, true)
    assert values.shape[0] == 3
    torch.testing.assert_close(values[1:2], metric(pred[1:2], true[1:2]))
    perfect = metric(true, true)
    expected = torch.ones_like(perfect) if name == "pearson" else torch.zeros_like(perfect)
    torch.testing.assert_close(perfect, expected)


@pytest.mark.parametrize(("name", "dims"), CASES)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_diverged_prediction_spoils_its_own_sample_only(name, dims, bad):
    pred, true = _pair(dims)
    clean = PER_SAMPLE[name](pred, true)
    pred[1].view(-1)[0] = bad
    values = PER_SAMPLE[name](pred, true)
    assert not values[1].isfinite().all()
    torch.testing.assert_close(values[[0, 2]], clean[[0, 2]])


@pytest.mark.parametrize("name", SPATIAL)
def test_metrics_that_need_space_say_so(name):
    pred, true = _pair(0)
    with pytest.raises(UserError, match=r"too few axes.*at least one spatial axis"):
        PER_SAMPLE[name](pred, true)


@pytest.mark.parametrize("name", PER_SAMPLE)
def test_shapes_never_broadcast(name):
    with pytest.raises(UserError, match="different shapes"):
        PER_SAMPLE[name](torch.zeros(2, 3, 1, 8), torch.zeros(2, 3, 2, 8))


def test_scaled_l2_of_a_field_at_rest():
    true = torch.zeros(1, 1, 2, 4)
    pred = torch.stack([torch.zeros(4), torch.ones(4)])[None, None]
    still, moving = metrics.scaled_l2(pred, true, dims=FIELD).flatten().tolist()
    assert math.isnan(still)
    assert moving == math.inf
    assert metrics.scaled_l2(pred, true, guard=0.5, dims=FIELD).flatten().tolist() == [0.0, 2.0]


def test_gradient_of_a_perfect_prediction_is_finite():
    _, true = _pair(2)
    pred = true.clone().requires_grad_()
    metrics.scaled_l2(pred, true, dims=FIELD).mean().backward()
    assert pred.grad is not None
    assert pred.grad.isfinite().all()


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(["relative_l2", "l1", "scaled_l2", "nrmse", "apebench_nrmse", "pearson", "h1_relative"]),
    dims=st.integers(1, 3),
    factor=st.floats(1e-3, 1e3),
    seed=st.integers(0, 1000),
)
def test_relative_metrics_do_not_see_units(name, dims, factor, seed):
    pred, true = _pair(dims, seed)
    torch.testing.assert_close(PER_SAMPLE[name](factor * pred, factor * true), PER_SAMPLE[name](pred, true))


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(sorted(PER_SAMPLE)), order=st.permutations(range(5)), seed=st.integers(0, 1000))
def test_permuting_samples_permutes_values(name, order, seed):
    pred, true = _pair(2, seed, batch=5)
    torch.testing.assert_close(PER_SAMPLE[name](pred[order], true[order]), PER_SAMPLE[name](pred, true)[order])


@settings(max_examples=30, deadline=None)
@given(shift=st.integers(-20, 20), dims=st.integers(1, 3), seed=st.integers(0, 1000))
def test_translation_on_a_torus_changes_nothing(shift, dims, seed):
    pred, true = (field.roll(shift, dims=-1) for field in _pair(dims, seed))
    still_pred, still_true = _pair(dims, seed)
    for name in ("relative_l2", "vrmse", "frmse", "spectral_error", "pearson"):
        torch.testing.assert_close(PER_SAMPLE[name](pred, true), PER_SAMPLE[name](still_pred, still_true))


def test_valid_steps():
    error = torch.tensor([[0.1, 0.2, 0.9, 0.1], [0.1, 0.1, 0.1, 0.1], [0.1, math.nan, 0.0, 0.0], [0.6, 0.0, 0.0, 0.0]])
    assert metrics.valid_steps(error, 0.5, dims="sample time").tolist() == [2, 4, 1, 0]
    assert metrics.valid_steps(error[0], 0.2, dims="time").item() == 2


def test_geometric_mean():
    assert metrics.geometric_mean(torch.tensor([[1.0, 4.0, 16.0]]), dims="sample time").tolist() == pytest.approx([4.0])
    assert metrics.geometric_mean(torch.tensor([0.0, 4.0]), dims="time").item() == 0.0


def test_drift_of_mass():
    mass = torch.tensor([[2.0, 2.0, 2.0], [2.0, 2.0, 3.0]])
    assert metrics.drift(mass, dims="sample time").tolist() == [[0, 0, 0], [0, 0, 0.5]]
    assert metrics.drift(mass, scale=torch.tensor([4.0, 4.0]), dims="sample time")[1].tolist() == [0, 0, 0.25]
    assert metrics.drift(-mass, dims="sample time")[1, 2].item() == -0.5
    assert metrics.drift(torch.tensor([[0.0, 1.0]]), dims="sample time")[0, 1].item() == math.inf


def test_all_lists_every_function_and_metric():
    public = {
        name
        for name, value in vars(metrics).items()
        if (callable(value) or name.isupper()) and not name.startswith("_")
    }
    assert set(metrics.__all__) == public


def test_first_crossings_are_interpolated():
    times = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)
    values = torch.tensor(
        [[0.0, 0.5, 2.5], [2.0, 0.0, 2.0], [0.0, 1.0, 1.0], [0.0, 3.0, 0.0], [0.0, math.nan, 2.0], [math.nan] * 3]
    ).double()
    crossings = metrics.first_crossing(times, values, 1.0)
    torch.testing.assert_close(crossings[[0, 1, 3]], torch.tensor([1.5, 0.0, 1 / 3]).double(), rtol=1e-6, atol=0)
    assert crossings[[2, 4, 5]].isnan().all()  # reaching the level is not exceeding it


def test_a_first_crossing_converges_to_that_of_the_function():
    errors = []
    for count in (50, 100, 200):
        times = torch.linspace(0, 2, count + 1, dtype=torch.float64)
        errors.append(abs(float(metrics.first_crossing(times, times.exp()[None], 3.0)) - math.log(3)))
    assert errors[2] < errors[0] / 8
    assert errors[2] < 1e-4


def test_crossings_from_below_and_times_of_every_row():
    """What begins above crosses only after it was below; every row may have times of its own."""
    times = torch.tensor([[0.0, 1.0, 2.0, 3.0], [0.0, 2.0, 4.0, 8.0]])
    values = torch.tensor([[3.0, 0.0, 2.0, 4.0], [3.0, 3.0, 3.0, 3.0]])
    found = metrics.first_crossing(times, values, 1.0, from_below=True).tolist()
    assert found == pytest.approx([1.5, math.nan], nan_ok=True)
    assert metrics.first_crossing(times, values, 1.0).tolist() == [0.0, 0.0]
    rises = torch.tensor([[0.0, 2.0, 2.0, 2.0], [0.0, 0.0, 0.0, 4.0]])
    assert metrics.first_crossing(times, rises, 1.0).tolist() == [0.5, 5.0]
    assert metrics.first_crossing(times[:, :1], values[:, :1], 1.0).tolist() == [0.0, 0.0]
    assert metrics.first_crossing(times[:, :1], values[:, :1], 1.0, from_below=True).isnan().all()
