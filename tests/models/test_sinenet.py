"""SineNet: wiring, symmetry, reach, conditioning."""

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, gelu, group_norm, interpolate, pad

from sciml.core.errors import UserError
from sciml.models import SineNet

SMALL = {"in_channels": 4, "out_channels": 2, "waves": 2, "levels": 2, "width": 6, "multiplier": 1.5}


def build(size=(16, 16), *, seed=0, **settings):
    torch.manual_seed(seed)
    return SineNet(**{**SMALL, "size": size, **settings}).double()


def states(*size, batch=1, channels=4, seed=1):
    return torch.randn(batch, channels, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def relative(a, b):
    return float((a - b).detach().norm() / b.detach().norm())


# shapes and errors


@pytest.mark.parametrize(("size", "batch", "history", "fields"), [((8, 12), 1, 1, 1), ((16, 8), 3, 2, 4)])
def test_one_frame_comes_out(size, batch, history, fields):
    network = build(size, in_channels=history * fields, out_channels=fields)
    result = network(states(*size, batch=batch, channels=history * fields))
    assert result.shape == (batch, fields, *size)
    assert result.is_contiguous()


def test_a_grid_that_cannot_be_halved_is_refused_with_the_settings_that_fit():
    with pytest.raises(UserError, match=r"axis x.*got 20 points; expected a multiple of 2\^3 = 8.*levels=2.*24 points"):
        build((16, 20), levels=3)
    with pytest.raises(UserError, match=r"axis y.*got 15 points.*Use a grid of 16 points along y"):
        build((15, 16), levels=3)
    with pytest.raises(UserError, match=r"axis x.*got 18 points"):
        build((16, 16))(states(16, 18))


def test_another_grid_than_built_for_works():
    network = build((16, 16))
    assert network(states(8, 24)).shape == (1, 2, 8, 24)


# symmetry


@pytest.mark.parametrize("levels", [2, 4])
def test_circular_padding_commutes_with_shifts_by_multiples_of_the_coarsest_cell(levels):
    network, u = build((32, 32), levels=levels), states(32, 32)
    shifted = network(u.roll((2**levels, -(2**levels)), (-2, -1)))
    assert relative(shifted, network(u).roll((2**levels, -(2**levels)), (-2, -1))) < 1e-14


def test_zero_padding_does_not_commute_with_shifts():
    network, u = build((32, 32), levels=4, padding="zeros"), states(32, 32)
    assert relative(network(u.roll(16, -1)), network(u).roll(16, -1)) > 0.1


@pytest.mark.parametrize(("padding", "axis"), [(("zeros", "circular"), -1), (("circular", "zeros"), -2)])
def test_a_mixed_grid_commutes_along_its_periodic_axis_only(padding, axis):
    network, u = build((16, 16), padding=padding), states(16, 16)
    along, across = (relative(network(u.roll(4, a)), network(u).roll(4, a)) for a in (axis, -3 - axis))
    assert along < 1e-14
    assert across > 0.05


def test_a_constant_stays_constant_under_circular_padding():
    u = torch.ones(1, 4, 16, 16, dtype=torch.float64)
    u = u * torch.tensor([0.3, -1.2, 0.3, -1.2], dtype=torch.float64)[:, None, None]
    result = build()(u)
    assert relative(result, result.mean((-2, -1), keepdim=True).expand_as(result)) < 1e-13


def test_rows_of_a_batch_do_not_see_each_other():
    network, u = build(), states(16, 16, batch=3)
    assert torch.allclose(network(u)[1:2], network(u[1:2]), rtol=0, atol=1e-13)


# wiring


def silence(network):
    """Make every wave return zero: last normalisation and last shortcut of its last stage to zero."""
    for wave in network.waves:
        last = wave.up[-1]
        for tensor in (*last.block.second_norm.parameters(), *last.shortcut.parameters()):
            nn.init.zeros_(tensor)


def test_silent_waves_leave_encoder_and_decoder():
    network, u = build(waves=3), states(16, 16)
    ends = network.decoder(network.encoder(u))
    assert relative(network(u), ends) > 0.1
    silence(network)
    assert relative(network(u), ends) < 1e-14


def test_silent_waves_equal_no_waves():
    network, empty, u = build(waves=3), build(waves=0), states(16, 16)
    silence(network)
    for name in ("encoder", "decoder"):
        getattr(empty, name).load_state_dict(getattr(network, name).state_dict())
    assert relative(network(u), empty(u)) < 1e-14


def test_without_wave_residual_silent_waves_erase_the_input():
    network = build(wave_residual=False)
    silence(network)
    u, v = states(16, 16), states(16, 16, seed=2)
    assert torch.equal(network(u), network(v))


def test_waves_are_applied_in_turn():
    network, u = build(waves=3), states(16, 16)
    z = network.encoder(u)
    for wave in network.waves:
        z = z + wave(z)
    assert relative(network(u), network.decoder(z)) < 1e-14


def test_parallel_path_carries_the_unprocessed_input():
    """With its processed features cut off, a deeper block still sees the pooled input."""
    wave, z = build(waves=1, levels=3).waves[0], states(16, 16, channels=6)
    nn.init.zeros_(wave.down[0].block.second_norm.norm.weight)
    nn.init.zeros_(wave.down[0].shortcut.weight)
    seen = []
    wave.down[1].block.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    wave(z)
    assert torch.allclose(seen[0][:, -6:], avg_pool2d(avg_pool2d(z, 2), 2))
    assert seen[0][:, :-6].std((-2, -1)).max() < 1e-14


def plain_unet(network, u):
    """One wave without parallel path and shortcuts, written out again with periodic padding by `pad`."""
    weights = network.state_dict()

    def conv(name, x):
        x = pad(x, (1, 1, 1, 1), mode="circular")
        return nn.functional.conv2d(x, weights[f"{name}.conv.weight"], weights[f"{name}.conv.bias"])

    def block(name, x):
        for half in ("first", "second"):
            x = conv(f"{name}.{half}", x)
            norm = f"{name}.{half}_norm.norm"
            x = gelu(group_norm(x, 1, weights[f"{norm}.weight"], weights[f"{norm}.bias"]))
        return x

    def finer(x):
        x = interpolate(pad(x, (2, 2, 2, 2), mode="circular"), scale_factor=2, mode="bicubic", align_corners=False)
        return x[..., 4:-4, 4:-4]

    z = conv("encoder", u)
    h0 = z
    h1 = block("waves.0.down.0.block", avg_pool2d(h0, 2))
    h2 = block("waves.0.down.1.block", avg_pool2d(h1, 2))
    x1 = block("waves.0.up.0.block", torch.cat((h1, finer(h2)), 1))
    x0 = block("waves.0.up.1.block", torch.cat((h0, finer(x1)), 1))
    return conv("decoder", x0)


def test_a_single_bare_wave_is_a_plain_unet():
    network = build(waves=1, disentangle=False, wave_residual=False, block_residual=False)
    u = states(16, 16, batch=2)
    assert relative(network(u), plain_unet(network, u)) < 1e-13


def test_one_wave_of_four_levels_reaches_across_64_points():
    network = build((64, 64), waves=1, levels=4, width=4, in_channels=1, out_channels=1)
    u = states(64, 64, channels=1).requires_grad_()
    (gradient,) = torch.autograd.grad(network(u)[0, 0, 32, 32], u)
    assert (gradient != 0).all()


# conditioning


@pytest.mark.parametrize("mode", ["add", "adagn"])
def test_conditioning_starts_as_the_unconditioned_network_and_learns(mode):
    network, bare = build(conditioning=mode, condition_channels=3), build()
    bare.load_state_dict(network.state_dict(), strict=False)
    u, c = states(16, 16, batch=2), torch.tensor([[1.0, 0.5, -1.0], [2.0, 0.0, 1.0]], dtype=torch.float64)
    assert torch.equal(network(u, c), bare(u))
    network(u, c).square().mean().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad
    for column in range(3):
        changed = c.clone()
        changed[:, column] += 0.7
        assert relative(network(u, changed), network(u, c)) > 1e-6


def test_conditioned_gradients_reach_every_parameter():
    network = build(condition_channels=2)
    for _ in range(2):  # modulations start at zero, so the embedding sees a gradient from the second step on
        network.zero_grad()
        network(states(16, 16), torch.ones(1, 2, dtype=torch.float64)).square().mean().backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= 0.1 * parameter.grad
    assert all(parameter.grad.isfinite().all() and parameter.grad.any() for parameter in network.parameters())
