"""Circular padding, convolution per axis, and the choice of modes from a grid."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import conv2d, pad

from sciml.core.errors import UserError
from sciml.core.types import Axis, Grid
from sciml.nn import Conv, circular_pad, odd_channels, pad_field, padding_modes

FORMATS = (torch.contiguous_format, torch.channels_last)


def field(*shape, layout=torch.contiguous_format):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).to(memory_format=layout)


@given(height=st.integers(1, 6), width=st.integers(1, 6), data=st.data(), layout=st.sampled_from(FORMATS))
def test_circular_pad_equals_the_reference(height, width, data, layout):
    y, x = data.draw(st.integers(0, height)), data.draw(st.integers(0, width))
    ours, theirs = (field(2, 3, height, width, layout=layout).requires_grad_() for _ in range(2))
    padded, expected = circular_pad(ours, (y, x)), pad(theirs, (x, x, y, y), mode="circular")
    assert torch.equal(padded, expected)
    weight = torch.randn_like(expected)
    (padded * weight).sum().backward()
    (expected * weight).sum().backward()
    assert torch.allclose(ours.grad, theirs.grad, rtol=0, atol=1e-14)


def test_circular_pad_keeps_channels_last():
    padded = circular_pad(field(2, 3, 4, 5, layout=torch.channels_last), (1, 2))
    assert padded.is_contiguous(memory_format=torch.channels_last)


def test_circular_pad_without_anything_to_do_returns_its_input():
    x = field(1, 1, 3, 3)
    assert circular_pad(x, (0, 0)) is x


def test_circular_pad_has_correct_first_and_second_derivatives():
    x = field(1, 2, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: circular_pad(x, (1, 2)) ** 2, (x,))
    assert torch.autograd.gradgradcheck(lambda x: circular_pad(x, (1, 2)) ** 3, (x,))


def test_circular_pad_works_per_sample_under_vmap():
    x = field(3, 2, 4, 4)

    def energy(one):
        return (circular_pad(one[None], (1, 1)) ** 3).sum()

    rows = torch.func.vmap(torch.func.grad(energy))(x)
    assert torch.allclose(rows, torch.func.grad(lambda all: (circular_pad(all, (1, 1)) ** 3).sum())(x))


def test_circular_pad_refuses_more_points_than_there_are():
    with pytest.raises(UserError, match=r"axis x is too short.*got 4 points; expected at least 5"):
        circular_pad(field(1, 1, 8, 4), (1, 5))


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize(
    "modes", [("circular", "circular"), ("circular", "zeros"), ("zeros", "circular"), ("zeros", "zeros")]
)
def test_convolution_equals_explicit_padding(modes, dilation):
    conv = Conv(2, 3, modes=modes, dilation=dilation).double()
    x = expected = field(2, 2, 6, 7)
    for mode, amounts in zip(modes, ((0, 0, dilation, dilation), (dilation, dilation, 0, 0)), strict=True):
        expected = pad(expected, amounts, mode="circular" if mode == "circular" else "constant")
    expected = conv2d(expected, conv.conv.weight, conv.conv.bias, dilation=dilation)
    assert torch.allclose(conv(x), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("modes", "axis"), [(("circular", "zeros"), -2), (("zeros", "circular"), -1)])
def test_mixed_convolution_commutes_with_shifts_along_the_periodic_axis_only(modes, axis):
    conv, x = Conv(2, 3, modes=modes).double(), field(1, 2, 8, 8)
    other = -3 - axis
    assert torch.allclose(conv(x.roll(3, axis)), conv(x).roll(3, axis), rtol=0, atol=1e-13)
    assert not torch.allclose(conv(x.roll(3, other)), conv(x).roll(3, other), rtol=0, atol=1e-3)


def test_convolution_gradients():
    conv = Conv(1, 2, modes=("circular", "zeros")).double()
    assert torch.autograd.gradcheck(conv, (field(1, 1, 4, 3).requires_grad_(),))


@pytest.mark.parametrize(
    ("boundary", "choice", "expected"),
    [
        (("periodic", "periodic"), "auto", ("circular", "circular")),
        (("wall", "periodic"), "auto", ("zeros", "circular")),
        (("periodic", "open"), "auto", ("circular", "zeros")),
        (("wall", "open"), "circular", ("circular", "circular")),
        (("periodic", "periodic"), "zeros", ("zeros", "zeros")),
    ],
)
def test_padding_follows_the_grid_unless_forced(boundary, choice, expected):
    y, x = boundary
    assert padding_modes(choice, Grid((Axis("y", 8, 0.0, 1.0, y), Axis("x", 8, 0.0, 1.0, x)))) == expected


def test_padding_of_a_line_and_of_a_box():
    x, y, z = (Axis(name, 8, 0.0, 1.0, kind) for name, kind in (("x", "periodic"), ("y", "wall"), ("z", "open")))
    assert padding_modes("auto", Grid((x,))) == ("circular",)
    assert padding_modes("auto", Grid((z, y, x))) == ("zeros", "zeros", "circular")
    assert padding_modes("circular", Grid((z, y, x))) == ("circular",) * 3


def box(*boundary):
    return Grid(
        tuple(Axis(name, 8, 0.0, 1.0, kind) for name, kind in zip("zyx"[-len(boundary) :], boundary, strict=True))
    )


@given(height=st.integers(1, 6), width=st.integers(1, 6), data=st.data(), layout=st.sampled_from(FORMATS))
def test_mirrored_and_repeated_ends_equal_those_of_numpy(height, width, data, layout):
    y, x = data.draw(st.integers(0, height)), data.draw(st.integers(0, width))
    u = field(2, 3, height, width, layout=layout)
    ours = pad_field(u, (y, x), ("mirror", "replicate"), ((2,), ()))
    expected = np.pad(u.numpy(), ((0, 0), (0, 0), (0, 0), (x, x)), mode="edge")
    expected = np.pad(expected, ((0, 0), (0, 0), (y, y), (0, 0)), mode="symmetric")
    expected[:, 2, :y] *= -1
    expected[:, 2, y + height :] *= -1
    assert np.array_equal(ours.numpy(), expected)


def test_mirrored_convolution_gradients():
    conv = Conv(2, 2, modes=("mirror", "replicate"), odd=((1,), ())).double()
    assert torch.autograd.gradcheck(conv, (field(1, 2, 4, 3).requires_grad_(),))


def test_a_mirror_refuses_more_points_than_there_are():
    with pytest.raises(UserError, match=r"axis x is too short for its mirror.*got 4 points; expected at least 5"):
        pad_field(field(1, 1, 8, 4), (1, 5), ("mirror", "mirror"))


def test_open_ends_are_repeated_and_walls_are_mirrors_where_that_is_asked_for():
    grid = box("wall", "open", "periodic")
    assert padding_modes("auto", grid, ((), ("z",))) == ("zeros", "replicate", "circular")
    assert padding_modes("auto", grid, ((), None)) == ("zeros", "replicate", "circular")
    assert padding_modes("mirror", grid, ((), ("z",))) == ("mirror", "replicate", "circular")
    assert padding_modes("auto", grid) == ("zeros", "zeros", "circular"), "as networks of older runs see it"


def test_odd_channels_of_every_frame():
    grid = box("wall", "wall")
    odd = odd_channels(("mirror", "mirror"), grid, ((), ("x",), ("y",)), history=2)
    assert odd == ((2, 5), (1, 4))
    assert odd_channels(("mirror", "zeros"), grid, ((), ("x",), ("y",)), history=1) == ((2,), ())


def test_a_mirror_of_fields_without_a_parity_is_refused():
    with pytest.raises(UserError, match=r"a field has no parity at the walls"):
        padding_modes("mirror", box("wall", "wall"), ((), None))
    with pytest.raises(UserError, match=r"no parity where there is no wall.*y: periodic, x: open"):
        padding_modes("mirror", box("periodic", "open"), ((), ()))
    with pytest.raises(UserError, match=r"parities do not fit.*odd only along an axis whose padding is 'mirror'"):
        Conv(2, 2, modes=("zeros", "mirror"), odd=((1,), ()))
    with pytest.raises(UserError, match=r"parities do not fit"):
        Conv(2, 2, modes=("mirror", "mirror"), odd=((), (2,)))


def test_padding_refuses_a_point():
    with pytest.raises(UserError, match=r"one to three axes.*a grid of 0 axes"):
        padding_modes("auto", Grid(()))
