"""Numbers of other benchmarks, against their definitions written out with NumPy, and frames without a ratio."""

import math

import numpy as np
import pytest
import torch

from sciml import metrics
from sciml.core.errors import UserError

FIELD = "sample time channel *space"
SIDES = {1: (2.5,), 2: (1.0, 4.0), 3: (1.0, 2.0, 3.0)}
SIZES = {1: (32,), 2: (10, 12), 3: (6, 8, 10)}


def _pair(size, offset=0.3):
    generator = np.random.default_rng(1)
    true = generator.normal(size=(4, 3, 2, *size)) + offset
    return true + 0.2 * generator.normal(size=true.shape), true


def _shells(error, size):
    """Sum of squared amplitudes by integer |k| over the wave vectors without negative components."""
    if len(size) == 1:
        return np.abs(np.fft.rfft(error)) ** 2
    count = min(size) // 2
    power = np.abs(np.fft.fftn(error)) ** 2
    sums = np.zeros(count)
    for index in np.ndindex(*[n // 2 for n in size]):
        shell = math.floor(math.sqrt(sum(i * i for i in index)))
        if shell < count:
            sums[shell] += power[index]
    return sums


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_numbers_of_pdebench_are_its_definitions(rank):
    size, sides = SIZES[rank], SIDES[rank]
    pred, true = _pair(size)
    got = metrics.pdebench(torch.tensor(pred), torch.tensor(true), extents=sides, dims=FIELD)
    error, axes = pred - true, tuple(range(3, 3 + rank))
    root = np.sqrt((error**2).mean(axes))
    assert got["rmse"] == pytest.approx(root.mean())
    assert got["nrmse"] == pytest.approx((root / np.sqrt((true**2).mean(axes))).mean())
    assert got["crmse"] == pytest.approx(np.sqrt((error.mean(axes) ** 2).mean(0)).mean())
    assert got["max_error"] == pytest.approx(np.abs(error).max((0, *axes)).mean())
    faces = [np.take(error, side, axis).reshape(4, 3, 2, -1) for axis in axes for side in (0, -1)]
    assert got["brmse"] == pytest.approx(np.sqrt((np.concatenate(faces, -1) ** 2).mean(-1)).mean())
    shells = np.array([[[_shells(field, size) for field in frame] for frame in sample] for sample in error])
    amplitude = np.sqrt(shells.mean(0)) / np.prod(size) * np.prod(sides)  # time channel shell
    for name, part in (("low", slice(0, 4)), ("mid", slice(4, 12)), ("high", slice(12, None))):
        expected = amplitude[..., part].mean(-1).mean() if amplitude[..., part].size else math.nan
        assert got[f"frmse_{name}"] == pytest.approx(expected, nan_ok=True), name


def test_the_numbers_of_the_well_are_its_definitions():
    pred, true = _pair((16, 16))
    got = metrics.the_well(torch.tensor(pred), torch.tensor(true), dims=FIELD)
    error, axes = pred - true, (3, 4)
    square = (error**2).mean(axes)
    variance = true.var(axes, ddof=1) + 1e-7
    assert got["mse"] == pytest.approx(square.mean())
    assert got["vrmse"] == pytest.approx(np.sqrt(square / variance).mean())
    assert got["nrmse"] == pytest.approx(np.sqrt(square / ((true**2).mean(axes) + 1e-7)).mean())
    assert got["linf"] == pytest.approx(np.abs(error).max(axes).mean())
    edges = np.logspace(np.log10(2 * np.pi / 16), np.log10(np.pi), 4)
    along = 2 * np.pi * np.fft.fftfreq(16)
    radius = np.hypot(along[:, None], along[None])
    power = np.abs(np.fft.fft2(error)) ** 2 / 16**4
    for i, (low, high) in enumerate(zip([0.0, *edges[1:3]], edges[1:], strict=True)):
        expected = power[..., (radius >= low) & (radius < high)].sum(-1).mean()
        assert got[f"spectral_mse_{i}"] == pytest.approx(expected)
    oblong = metrics.the_well(*map(torch.tensor, _pair((8, 16))), dims=FIELD)
    assert "spectral_mse_0" not in oblong


def test_ours_differ_from_theirs_where_the_documentation_says_so():
    """N against N - 1, means over samples against their root mean square."""
    pred, true = map(torch.tensor, _pair((4, 4)))
    ours = metrics.vrmse(pred, true, dims=FIELD).mean().item()
    assert metrics.the_well(pred, true, dims=FIELD)["vrmse"] == pytest.approx(ours * math.sqrt(15 / 16), rel=1e-6)
    assert metrics.pdebench(pred, true, dims=FIELD)["crmse"] > metrics.crmse(pred, true, dims=FIELD).mean().item()


def test_pdebench_refuses_four_axes():
    with pytest.raises(UserError, match="one to three axes"):
        metrics.pdebench(torch.zeros(1, 1, 1, 2, 2, 2, 2), torch.zeros(1, 1, 1, 2, 2, 2, 2), dims=FIELD)


@pytest.mark.parametrize("amplitude", [1e-12, 1e-5, 1.0, 1e8])
def test_vrmse_does_not_depend_on_the_units(amplitude):
    pred, true = (torch.tensor(values) for values in _pair((8, 8)))
    expected = metrics.vrmse(pred, true, dims=FIELD)
    torch.testing.assert_close(metrics.vrmse(amplitude * pred, amplitude * true, dims=FIELD), expected)
    single = metrics.vrmse((amplitude * pred).float(), (amplitude * true).float(), dims=FIELD)
    torch.testing.assert_close(single.double(), expected, rtol=1e-5, atol=0)


def test_large_means_keep_their_correlation():
    """Mean 1e6, amplitude 1, as stored in single precision: the sums are taken in double."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 256, generator=generator, dtype=torch.float64)
    true = (1e6 + x[0]).float()
    pred = (1e6 + x[0] + 0.3 * x[1]).float()
    right = np.corrcoef(pred.double().numpy(), true.double().numpy())[0, 1]
    assert metrics.pearson(pred, true, dims="x").item() == pytest.approx(right, abs=1e-6)
    share = math.sqrt(float((pred.double() - true.double()).square().mean() / true.double().var(correction=0)))
    assert metrics.vrmse(pred, true, dims="x").item() == pytest.approx(share, rel=1e-6)
    assert metrics.crmse(pred, true, dims="x").item() == pytest.approx(
        abs(float((pred.double() - true.double()).mean())), rel=1e-6
    )


def test_frames_that_do_not_vary_have_no_ratio():
    size = torch.tensor([1.0, 300.0])
    true = torch.zeros(1, 3, 2, 16)
    true[0, 1] = torch.linspace(0, 1, 16)
    true[:, :, 1] += 300.0
    true[0, 2, 1, 0] += 3e-5  # one rounding of single precision at 300
    assert metrics.varies(true, size, dims=FIELD)[0].tolist() == [[False, False], [True, True], [False, False]]
    assert metrics.is_there(true, size, dims=FIELD)[0].tolist() == [[False, True], [True, True], [False, True]]
    values, defined = torch.tensor([[1.0, math.nan], [3.0, 5.0]]), torch.tensor([[True, False], [True, True]])
    assert metrics.mean_where(values, defined) == 3.0
    assert math.isnan(metrics.mean_where(values, None))
    assert math.isnan(metrics.mean_where(values, torch.zeros(2, 2, dtype=torch.bool)))
