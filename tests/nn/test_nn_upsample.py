"""The bicubic refinement as matrices against the kernel it replaces."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import interpolate, pad

from sciml.nn import Upsample, refinement

MODES = st.tuples(st.sampled_from(("circular", "zeros")), st.sampled_from(("circular", "zeros")))


def field(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def by_interpolation(x, modes):
    """Circular axes padded by 2 and cropped by 4; the others as `interpolate` treats them."""
    y, x_pad = (2 if mode == "circular" else 0 for mode in modes)
    x = pad(x, (x_pad, x_pad, 0, 0), mode="circular")
    x = pad(x, (0, 0, y, y), mode="circular")
    fine = interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)
    height, width = fine.shape[-2:]
    return fine[..., 2 * y : height - 2 * y, 2 * x_pad : width - 2 * x_pad]


@given(height=st.integers(2, 9), width=st.integers(2, 9), modes=MODES)
def test_upsampling_equals_padded_and_cropped_interpolation(height, width, modes):
    x = field(2, 3, height, width)
    fine = Upsample((height, width), modes=modes).double()(x)
    assert fine.shape == (2, 3, 2 * height, 2 * width)
    assert torch.allclose(fine, by_interpolation(x, modes), rtol=0, atol=1e-14)


def test_upsampling_agrees_with_plain_bicubic_in_the_interior_of_a_periodic_grid():
    x = field(1, 1, 10, 12)
    plain = interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)
    fine = Upsample((10, 12), modes=("circular", "circular")).double()(x)
    inner = (..., slice(4, -4), slice(4, -4))
    assert torch.allclose(fine[inner], plain[inner], rtol=0, atol=1e-14)
    assert not torch.allclose(fine, plain, rtol=0, atol=1e-3)


@given(shift=st.integers(-9, 9), axis=st.sampled_from((-1, -2)))
def test_a_shift_of_the_coarse_grid_is_a_double_shift_of_the_fine_one(shift, axis):
    upsample, x = Upsample((6, 8), modes=("circular", "circular")).double(), field(1, 2, 6, 8)
    assert torch.allclose(upsample(x.roll(shift, axis)), upsample(x).roll(2 * shift, axis), rtol=0, atol=1e-14)


@given(size=st.integers(1, 9))
def test_a_mirrored_axis_is_refined_like_half_of_a_periodic_one(size):
    x = field(size)
    doubled = torch.cat((x, x.flip(0)))
    assert torch.allclose(refinement(size, "mirror") @ x, (refinement(2 * size, "circular") @ doubled)[: 2 * size],
                          rtol=0, atol=1e-14)  # fmt: skip


@pytest.mark.parametrize("mode", ["circular", "zeros", "mirror", "replicate"])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_constants_are_preserved(size, mode):
    assert torch.equal(refinement(size, mode).sum(1), torch.ones(2 * size, dtype=torch.float64))


def test_another_size_than_prepared_gives_the_same_as_prepared():
    x = field(1, 2, 4, 6)
    modes = ("circular", "zeros")
    prepared, elsewhere = Upsample((4, 6), modes=modes).double(), Upsample((8, 2), modes=modes).double()
    assert torch.equal(prepared(x), elsewhere(x))


def test_upsampling_gradients_and_no_weights():
    upsample = Upsample((3, 4), modes=("circular", "zeros")).double()
    assert torch.autograd.gradcheck(upsample, (field(1, 2, 3, 4).requires_grad_(),))
    assert not upsample.state_dict()
    assert not list(upsample.parameters())


def test_a_smooth_wave_is_refined_to_first_order():
    """The kernel with A = -3/4 does not reproduce ramps (A = -1/2 would), so the order is 1 and not more."""

    def error(size):
        coarse = (torch.arange(size, dtype=torch.float64) + 0.5) / size
        fine = (torch.arange(2 * size, dtype=torch.float64) + 0.5) / (2 * size)
        exact = torch.sin(2 * torch.pi * fine)
        return (refinement(size, "circular") @ torch.sin(2 * torch.pi * coarse) - exact).abs().max()

    slopes = [float(torch.log2(error(n) / error(2 * n))) for n in (32, 64, 128)]
    assert slopes == pytest.approx([1, 1, 1], abs=0.05)
