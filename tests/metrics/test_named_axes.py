"""Metrics of tensors whose axes have names: any layout that is named is right, a wrong name is an error."""

import math

import jaxtyping
import numpy as np
import pytest
import torch
import xarray

from sciml import metrics
from sciml.core.errors import UserError
from sciml.core.types import Axis, Grid

SHAPE = (4, 5, 2, 6, 7)  # sample time channel y x, all different


def _pair(shape=SHAPE):
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))


def test_a_field_without_time_is_the_field_with_one_time():
    pred, true = _pair((4, 2, 6, 7))
    values = metrics.relative_l2(pred, true, dims="batch channel y x")
    assert values.shape == (4,)
    expected = metrics.relative_l2(pred[:, None], true[:, None], dims="sample time channel *space")
    torch.testing.assert_close(values, expected[:, 0], rtol=0, atol=0)
    by_hand = (pred - true).flatten(1).norm(dim=1) / true.flatten(1).norm(dim=1)
    torch.testing.assert_close(values, by_hand)


@pytest.mark.parametrize("name", ["relative_l2", "scaled_l2", "vrmse", "brmse", "spectral_error"])
def test_the_order_of_named_axes_changes_nothing(name):
    pred, true = _pair()
    metric = getattr(metrics, name)
    expected = metric(pred, true, dims="sample time channel y x")
    last, transposed = (2, 0, 3, 4, 1), (1, 0, 2, 3, 4)
    for order, dims in ((last, "channel sample y x time"), (transposed, "time sample channel y x")):
        values = metric(pred.permute(order), true.permute(order), dims=dims)
        torch.testing.assert_close(values, expected)


def test_axes_that_are_missing_are_missing_in_the_result():
    pred, true = _pair((6, 7))
    assert metrics.rmse(pred, true, dims="y x").shape == ()
    assert metrics.power_spectrum(pred, dims="y x").ndim == 1
    assert metrics.rmse(pred, true, dims="time x").shape == (6,)
    assert metrics.summed_mse(pred, true, dims="channel x").item() == pytest.approx(
        float((pred - true).square().mean(1).sum())
    )
    states, reference = _pair((4, 5, 2))
    assert metrics.rmse(states, reference, dims="sample time channel").shape == (4, 5, 2)
    assert metrics.valid_steps((states - reference).abs(), 0.5, dims="sample time channel").shape == (4, 2)
    assert metrics.drift(states.mT, dims="sample channel time").shape == (4, 5, 2)


@pytest.mark.parametrize(
    ("dims", "words"),
    [
        (None, r"axes of a tensor have no names.*sample time channel \*space"),
        ("sample channel y x", r"dims do not fit the shape.*5 axes"),
        ("sample time channel z y x", r"dims do not fit the shape.*5 axes"),
        ("sample channel=2 time y x", r"axis channel has another length.*channel=2"),
        ("sample t channel y x", r"'t' might be the axis time"),
        ("sample time field y x", r"'field' might be the axis channel"),
        ("sample time channels y x", r"'channels' might be the axis channel"),
        ("sample time channel x x", "named twice"),
        ("sample batch channel y x", "named twice"),
        ("sample time channel *space x", "named twice"),
        ("sample,time channel 2 y x", "no name of an axis"),
    ],
)
def test_a_wrong_layout_is_refused(dims, words):
    pred, true = _pair()
    with pytest.raises(UserError, match=r"(?s)" + words):
        metrics.relative_l2(pred, true, dims=dims)


def test_a_length_may_be_checked_with_the_name():
    pred, true = _pair()
    expected = metrics.scaled_l2(pred, true, dims="sample time channel *space")
    torch.testing.assert_close(metrics.scaled_l2(pred, true, dims="sample=4 time channel=2 y x=7"), expected)


def test_space_is_matched_with_a_grid_by_name():
    grid = Grid((Axis("y", 6, 0.0, 1.0, "wall"), Axis("x", 7, 0.0, 3.0, "periodic")))
    pred, true = _pair()
    expected = metrics.h1_relative(pred, true, grid, dims="sample time channel *space")
    values = metrics.h1_relative(pred.mT, true.mT, grid, dims="sample time channel x y")
    torch.testing.assert_close(values, expected)
    with pytest.raises(UserError, match=r"(?s)do not lie on the grid.*y, z.*y, x"):
        metrics.h1_relative(pred, true, grid, dims="sample time channel y z")


def test_series_have_time_and_no_space():
    with pytest.raises(UserError, match=r"(?s)numbers over time.*Reduce the fields over space"):
        metrics.valid_steps(torch.zeros(3, 4, 5), 0.5, dims="sample time x")
    with pytest.raises(UserError, match="numbers over time"):
        metrics.geometric_mean(torch.ones(3), dims="sample")
    values = torch.tensor([[2.0, 1.0], [2.0, 1.0], [3.0, 1.0]])
    assert metrics.drift(values, dims="time sample").tolist() == [[0, 0, 0.5], [0, 0, 0]]


def test_signals_must_fit_their_times(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users have it; else annotations refuse first
    with pytest.raises(UserError, match="signals do not fit their times"):
        metrics.first_crossing(torch.arange(3.0), torch.zeros(3, 2), 1.0)


def _labelled(values, dims=("sample", "time", "channel", "y", "x")):
    coords = {"time": [0.0, 0.5, 1.0, 1.5, 2.0], "channel": ["h", "u"], "x": np.linspace(0, 1, 7)}
    return xarray.DataArray(values.numpy(), {name: coords[name] for name in coords if name in dims}, dims)


def test_arrays_of_xarray_go_by_their_own_names():
    pred, true = _pair()
    expected = metrics.scaled_l2(pred, true, dims="sample time channel *space")
    values = metrics.scaled_l2(_labelled(pred), _labelled(true).transpose("x", "time", "channel", "sample", "y"))
    assert values.dims == ("sample", "time", "channel")
    np.testing.assert_array_equal(values.to_numpy(), expected.numpy())
    assert values.sel(channel="u", time=0.5).to_numpy().tolist() == expected[:, 1, 1].tolist()
    counts = xarray.DataArray(np.arange(6).reshape(2, 3), dims=("time", "x"))
    assert metrics.rmse(counts, counts + 2).to_numpy().tolist() == [2.0, 2.0]


def test_arrays_of_xarray_with_other_coordinates_are_refused():
    pred, true = map(_labelled, _pair())
    with pytest.raises(UserError, match="different coordinates along channel"):
        metrics.rmse(pred, true.assign_coords(channel=["u", "h"]))
    with pytest.raises(UserError, match="different coordinates along x"):
        metrics.rmse(pred, true.assign_coords(x=np.linspace(0, 2, 7)))
    with pytest.raises(UserError, match="different axes"):
        metrics.rmse(pred, true.rename(y="z"))
    with pytest.raises(UserError, match="different shapes"):
        metrics.rmse(pred, true.isel(x=slice(0, 3)))
    with pytest.raises(UserError, match="dims differ from those of the labelled array"):
        metrics.rmse(pred, true, dims="time sample channel y x")
    with pytest.raises(UserError, match="different kinds"):
        metrics.rmse(pred, torch.zeros(SHAPE))
    single = true.assign_coords(x=true.x.to_numpy().astype(np.float32))
    assert math.isfinite(float(metrics.rmse(pred, single).mean()))
