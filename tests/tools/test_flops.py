"""FLOPs against counts by hand."""

import math

import pytest
import torch
from torch import nn

from sciml.nn import Conv, SpectralConv
from sciml.tools.cost import count_flops


def test_a_stack_of_linear_layers():
    module, x = nn.Sequential(nn.Linear(7, 16), nn.Tanh(), nn.Linear(16, 3)), torch.randn(5, 7)
    assert count_flops(lambda: module(x)) == (2 * 5 * (7 * 16 + 16 * 3), 0)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution(stride):
    module, x = nn.Conv2d(3, 8, (3, 5), stride=stride, padding=(1, 2)), torch.randn(2, 3, 12, 10)
    points = 12 * 10 // stride**2
    assert count_flops(lambda: module(x)) == (2 * 2 * points * 8 * 3 * 15, 0)
    periodic = Conv(3, 8, modes=("circular", "zeros"))
    assert count_flops(lambda: periodic(x)) == (2 * 2 * 120 * 8 * 3 * 9, 0)


def test_a_fourier_layer():
    """Four real multiply-adds per complex one; the transforms apart, of the channels in and of those out."""
    batch, channels_in, channels_out, m, height, width = 2, 5, 6, 3, 8, 16
    module, x = SpectralConv(channels_in, channels_out, modes=m), torch.randn(batch, channels_in, height, width)
    products = 2 * m * m * batch * channels_in * channels_out * 8
    points = height * width
    transforms = 2.5 * points * math.log2(points) * batch * (channels_in + channels_out)
    assert count_flops(lambda: module(x)) == (products, round(transforms))


@pytest.mark.parametrize(("dtype", "factor"), [(torch.float64, 2), (torch.complex64, 8)])
def test_complex_products_cost_four_real_ones(dtype, factor):
    a, b, shift = (torch.ones(6, 6, dtype=dtype) for _ in range(3))
    for product in (
        lambda: a @ b,
        lambda: torch.addmm(shift, a, b),
        lambda: torch.einsum("ij,jk->ik", a, b),
        lambda: torch.bmm(a[None], b[None]),
        lambda: torch.baddbmm(shift, a[None], b[None]),
    ):
        assert count_flops(product).products == factor * 6**3
    assert count_flops(lambda: a @ b[0]).products == 0  # linear in the size of the matrix, like a sum


def test_complex_transforms_cost_twice_the_real_ones():
    x = torch.randn(3, 64, dtype=torch.complex64)
    assert count_flops(lambda: torch.fft.fft(x)) == (0, 3 * 5 * 64 * 6)
    assert count_flops(lambda: torch.fft.rfft(x.real)) == (0, round(3 * 2.5 * 64 * 6))


def test_under_inference_mode_and_with_gradients_alike():
    module, x = nn.Linear(4, 4), torch.randn(3, 2, 4)
    with torch.inference_mode():
        assert count_flops(lambda: module(x)).products == 2 * 6 * 16
    assert count_flops(lambda: module(x)).products == 2 * 6 * 16


def test_of_a_prediction_that_differentiates_itself():
    module = nn.Linear(4, 1)

    def call():
        x = torch.ones(3, 4, requires_grad=True)
        return torch.autograd.grad(module(x).sum(), x)

    assert count_flops(call).products == 2 * 2 * 3 * 4
