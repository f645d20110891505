"""The truncated Fourier convolution."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.models import FNO
from sciml.nn import (
    LowRankSpectralConv,
    RealSpectralConv,
    SpectralConv,
    shape_of,
    structured_of,
    without_complex_numbers,
)
from sciml.nn.structured import low_rank_form


def band_limited(size, modes, channels=2):
    """The same real function, with wavenumbers below `modes`, on any grid."""
    generator = torch.Generator().manual_seed(3)
    y, x = (2 * torch.pi * torch.arange(n, dtype=torch.float64) / n for n in size)
    total = torch.zeros(1, channels, *size, dtype=torch.float64)
    for ky in range(-modes + 1, modes):
        for kx in range(modes):
            a, b = torch.randn(2, channels, 1, 1, generator=generator, dtype=torch.float64)
            phase = ky * y[:, None] + kx * x[None, :]
            total += a * phase.cos() + b * phase.sin()
    return total


@settings(deadline=None)  # the first transform loads its library
@given(factor_y=st.integers(1, 3), factor_x=st.integers(1, 3))
def test_a_band_limited_field_gives_the_same_on_every_grid(factor_y, factor_x):
    conv = SpectralConv(2, 3, modes=4).double()
    coarse = conv(band_limited((8, 10), 4))
    fine = conv(band_limited((8 * factor_y, 10 * factor_x), 4))
    assert torch.allclose(fine[..., ::factor_y, ::factor_x], coarse, rtol=0, atol=1e-12)


@settings(deadline=None)
@given(dy=st.integers(-7, 7), dx=st.integers(-9, 9))
def test_commutes_with_every_shift(dy, dx):
    conv, x = SpectralConv(2, 2, modes=3).double(), torch.randn(1, 2, 8, 10, dtype=torch.float64)
    assert torch.allclose(conv(x.roll((dy, dx), (-2, -1))), conv(x).roll((dy, dx), (-2, -1)), rtol=0, atol=1e-13)


def test_each_mode_is_multiplied_by_its_own_matrix():
    conv, size, m = SpectralConv(2, 3, modes=3).double(), (8, 8), 3
    x = torch.randn(1, 2, *size, dtype=torch.float64)
    weight = torch.view_as_complex(conv.weight.detach()).reshape(2 * m, m, 2, 3)
    x_hat, v_hat = torch.fft.fft2(x), torch.fft.fft2(conv(x))
    for row, ky in enumerate((0, 1, 2, -3, -2, -1)):
        for kx in (1, 2):  # kx = 0 holds both signs of ky, of which a real field keeps the symmetric part
            assert torch.allclose(v_hat[0, :, ky, kx], x_hat[0, :, ky, kx] @ weight[row, kx], atol=1e-12)
    assert v_hat[..., :, 3:6].abs().max() < 1e-12


def test_gradients():
    conv = SpectralConv(1, 2, modes=2).double()
    x = torch.randn(1, 1, 4, 6, dtype=torch.float64, requires_grad=True)
    weight = conv.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: torch.func.functional_call(conv, {"weight": w}, (x,)), (x, weight))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_keeps_the_precision_it_is_given(dtype):
    conv, x = SpectralConv(2, 2, modes=2), torch.randn(1, 2, 8, 8)
    result = conv(x.to(dtype))
    assert result.dtype == dtype
    assert torch.allclose(result.float(), conv(x), atol=2e-2)


def test_refuses_a_grid_that_does_not_resolve_its_modes():
    with pytest.raises(
        UserError,
        match=r"got 16 x 6 points and modes=4; expected at least 8 x 8.*model.modes=3 or less, or model.modes=\[4, 3\]",
    ):
        SpectralConv(1, 1, modes=4)(torch.zeros(1, 1, 16, 6))


@pytest.mark.parametrize(("points", "modes"), [(64, 5), (17, 8), (8, 4)])
def test_few_modes_of_a_line_are_those_of_the_fourier_transform(points, modes, monkeypatch):
    """Matrix products instead of transforms: the same field and the same gradients, to rounding in float64."""
    answers = []
    for few in (0.0, 3.0):
        monkeypatch.setattr("sciml.nn._spectral._FEW", few)
        torch.manual_seed(0)
        layer = SpectralConv(3, 2, modes=modes, dims=1).double()
        x = torch.randn(4, 3, points, dtype=torch.float64, requires_grad=True)
        y = layer(x)
        y.square().sum().backward()
        answers.append((y.detach(), x.grad, layer.weight.grad))
    for transformed, multiplied in zip(*answers, strict=True):
        torch.testing.assert_close(multiplied, transformed, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("size", "modes"), [
    ((16,), (5,)), ((17,), (8,)), ((8, 8), (4, 4)), ((9, 8), (3, 4)), ((5, 6, 7), (2, 3, 2)),
])  # fmt: skip
def test_real_numbers_give_the_same_field(size, modes):
    conv = SpectralConv(2, 3, modes=modes, dims=len(size))
    layers = [
        conv,
        LowRankSpectralConv(2, 3, modes=modes, rank=1),
        structured_of(conv, low_rank_form(shape_of(conv), 2)),
    ]
    x = torch.randn(2, 2, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for layer in layers:
        layer.double()
        real = without_complex_numbers(layer)
        assert isinstance(real, RealSpectralConv)
        torch.testing.assert_close(real(x), layer(x), rtol=0, atol=1e-14)
        with pytest.raises(UserError, match="does not resolve the Fourier modes"):
            real(x[..., :3])


def test_a_network_without_complex_numbers_is_a_copy():
    torch.manual_seed(0)
    network = FNO(in_channels=1, out_channels=2, modes=3, width=4, layers=2, padding="zeros")
    twin = without_complex_numbers(network)
    x = torch.randn(2, 1, 8, 12)
    torch.testing.assert_close(twin(x), network(x), rtol=1e-5, atol=1e-6)
    assert not any(isinstance(layer, SpectralConv) for layer in twin.modules())
    assert sum(isinstance(layer, SpectralConv) for layer in network.modules()) == 2
    plain = torch.nn.Linear(2, 2)
    assert without_complex_numbers(plain) is plain
