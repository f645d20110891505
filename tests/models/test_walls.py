"""Networks between walls: what the mirror images stand for."""

import pytest
import torch

from sciml.core.errors import UserError
from sciml.models import FNO, DilResNet, SineNet, UNet
from sciml.nn import Conv, convolution, with_walls

ODD = ((2,), (1,))  # of the fields (scalar, u, v): v along y, u along x
NETWORKS = {
    "sinenet": lambda **kw: SineNet(waves=2, levels=2, width=4, multiplier=1.5, **kw),
    "unet": lambda **kw: UNet(width=4, levels=2, **kw),
    "dilresnet": lambda **kw: DilResNet(width=4, blocks=1, **kw),
    "fno": lambda **kw: FNO(width=4, modes=(3, 5), layers=2, **kw),
}
SIZE = (8, 16)


def network(key, channels=3, **kwargs):
    torch.manual_seed(0)
    return NETWORKS[key](in_channels=channels, out_channels=3, **kwargs).double()


def fields():
    return torch.randn(2, 3, *SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def mirror(x, axis, odd=ODD):
    """The fields of the mirrored box: -1 for x, -2 for y."""
    signs = torch.ones(x.shape[1], 1, 1, dtype=x.dtype)
    signs[list(odd[axis])] = -1
    return x.flip(axis) * signs


def doubled(x):
    """The fields and the nearness of walls in the periodic box of the mirror images."""
    x = with_walls(x, ("mirror", "mirror"))
    for axis in (-2, -1):
        x = torch.cat((x, mirror(x, axis)), dim=axis)
    return x


@torch.no_grad()
def made_symmetric(net):
    """Kernels that keep even features even: those of a field that is odd along an axis, in or out, are odd there."""
    convs = [module for module in net.modules() if isinstance(module, Conv)]
    for conv in convs:
        weight = conv.conv.weight
        for axis in (-2, -1):
            signs = torch.ones(*weight.shape[:2], 1, 1, dtype=weight.dtype)
            if conv is convs[0]:
                signs[:, list(ODD[axis])] *= -1
            if conv is convs[-1]:
                signs[list(ODD[axis])] *= -1
                conv.conv.bias[list(ODD[axis])] = 0
            weight.copy_((weight + signs * weight.flip(axis)) / 2)
    if isinstance(net, UNet):
        net.enter.shortcut.weight[:, [1, 2]] = 0  # a pointwise kernel has no odd part
    return net


@pytest.mark.parametrize("key", ["sinenet", "unet", "dilresnet"])
def test_a_box_with_walls_is_a_quarter_of_the_periodic_box_of_its_mirror_images(key):
    walled = made_symmetric(network(key, padding="mirror", odd=ODD))
    around = network(key, 5, padding="circular")
    around.load_state_dict(walled.state_dict())
    x = fields()
    assert torch.allclose(walled(x), around(doubled(x))[..., : SIZE[0], : SIZE[1]], rtol=0, atol=1e-12)
    for other in ("zeros", "replicate"):
        wrong = network(key, 5, padding=other)
        wrong.load_state_dict(walled.state_dict())
        assert (wrong(with_walls(x, ("mirror", "mirror"))) - walled(x)).abs().max() > 1e-3
    wrong = network(key, padding="mirror")  # all fields even
    wrong.load_state_dict(walled.state_dict())
    assert (wrong(x) - walled(x)).abs().max() > 1e-3


def test_the_nearness_of_walls_is_one_channel_per_mirrored_axis():
    walls = with_walls(fields(), ("mirror", "circular"))
    assert walls.shape[1] == 4
    near = walls[0, 3, :, 0]
    assert torch.equal(near, near.flip(0))
    assert near[:4].tolist() == pytest.approx([2.718281828 ** (-d / 2) for d in (0.5, 1.5, 2.5, 3.5)])


@pytest.mark.parametrize("key", ["sinenet", "unet", "dilresnet"])
@pytest.mark.parametrize("axis", [-1, -2])
def test_what_happens_in_the_mirror_is_the_mirror_image_of_what_happens(key, axis):
    walled, x = made_symmetric(network(key, padding="mirror", odd=ODD)), fields()
    assert torch.allclose(walled(mirror(x, axis)), mirror(walled(x), axis), rtol=0, atol=1e-12)
    assert (walled(x.flip(axis)) - walled(x).flip(axis)).abs().max() > 1e-3  # without the sign of the velocity


def test_a_fourier_operator_between_walls_is_that_of_the_mirror_images():
    walled, around = network("fno", padding="mirror", odd=ODD), network("fno", 5, padding="circular")
    around.load_state_dict(walled.state_dict())
    x = fields()
    assert torch.allclose(walled(x), around(doubled(x))[..., : SIZE[0], : SIZE[1]], rtol=0, atol=1e-12)


def test_open_ends_of_a_fourier_operator_are_repeated():
    net, x = network("fno", padding=("circular", "replicate")), fields()
    assert net(x).shape == x.shape
    conv = convolution(2)(1, 1, 1).double()
    net.lift, net.project = conv, torch.nn.Identity()
    extended = net.extended(x)
    assert extended.shape == (2, 3, 8, 20)
    assert torch.equal(extended[..., 16:18], x[..., -1:].expand(2, 3, 8, 2))
    assert torch.equal(extended[..., 18:], x[..., :1].expand(2, 3, 8, 2))


@pytest.mark.parametrize("key", NETWORKS)
def test_mixed_walls_and_periodic_axes_commute_with_shifts_along_the_periodic_one(key):
    net, x = network(key, padding=("mirror", "circular"), odd=((2,), ())), fields()
    assert torch.allclose(net(x.roll(4, -1)), net(x).roll(4, -1), rtol=0, atol=1e-12)
    assert not torch.allclose(net(x.roll(4, -2)), net(x).roll(4, -2), rtol=0, atol=1e-3)


@pytest.mark.parametrize("key", NETWORKS)
def test_an_odd_channel_needs_a_mirror(key):
    with pytest.raises(UserError, match="parities do not fit"):
        network(key, padding="circular", odd=ODD)
