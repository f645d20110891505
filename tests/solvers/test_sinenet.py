"""SineNet: sizes, wiring, symmetry, reach, conditioning."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import avg_pool2d, gelu, group_norm, interpolate, pad

from sciml.core.errors import ConfigError, UserError
from sciml.core.types import Axis, Grid
from sciml.solvers.sinenet import SineNet, SineNetConfig, SineNetSolver, count_parameters, width_for
from sciml.train import count_parameters as count_module
from sciml.train import match_parameters

SMALL = {"levels": 2, "width": 6, "multiplier": 1.5}
PUBLISHED = {1: 2.0, 2: 1.8075, 4: 1.611, 6: 1.5, 8: 1.425}  # multiplier by number of waves
SMOKE = {"channels_in": 12, "channels_out": 3}  # history 4 of three fields


def make_grid(height, width, y="periodic", x="periodic"):
    return Grid((Axis("y", height, 0.0, 1.0, y), Axis("x", width, 0.0, 1.0, x)))


def build(size=(16, 16), *, fields=2, history=2, num_parameters=0, boundary=("periodic", "periodic"), seed=0, **model):
    torch.manual_seed(seed)
    config = SineNetConfig(**{**SMALL, "waves": 2, **model})
    grid = make_grid(*size, *boundary)
    return SineNet(config, grid=grid, fields=fields, history=history, num_parameters=num_parameters).double()


def states(*size, batch=1, history=2, fields=2, seed=1):
    return torch.randn(
        batch, history, fields, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def condition(batch=1, num_parameters=0):
    return torch.ones(batch, 1 + num_parameters, dtype=torch.float64)


def relative(a, b):
    return float((a - b).detach().norm() / b.detach().norm())


# sizes


@pytest.mark.parametrize(
    ("waves", "smoke", "compressible", "sphere"),
    [
        (1, 33_788_099, 33_804_804, 33_784_643),
        (2, 35_499_989, 35_516_694, 35_496_533),
        (4, 35_493_699, 35_510_404, 35_490_243),
        (6, 35_475_499, 35_492_204, 35_472_043),
        (8, 35_490_219, 35_506_924, 35_486_763),
    ],
)
def test_published_sizes(waves, smoke, compressible, sphere):
    config = SineNetConfig(waves=waves, multiplier=PUBLISHED[waves])
    counts = [count_parameters(config, channels_in=a, channels_out=b) for a, b in ((12, 3), (40, 4), (6, 3))]
    assert counts == [smoke, compressible, sphere]


def test_the_paper_network_really_has_its_published_size():
    with torch.device("meta"):
        network = SineNet(SineNetConfig(), grid=make_grid(128, 128), fields=3, history=4)
    assert count_module(network) == 35_490_219


def test_published_wave_counts_agree_in_size():
    counts = [count_parameters(SineNetConfig(waves=k, multiplier=PUBLISHED[k]), **SMOKE) for k in (2, 4, 6, 8)]
    assert max(counts) / min(counts) - 1 < 7e-4


def test_published_controls():
    wide = SineNetConfig(waves=1, width=128, multiplier=2.0)
    assert count_parameters(wide, **SMOKE) == 135_094_659
    assert count_parameters(SineNetConfig(disentangle=False), **SMOKE) == 32_831_403


@settings(deadline=None, max_examples=30)
@given(
    waves=st.integers(0, 3),
    levels=st.integers(1, 3),
    width=st.integers(1, 7),
    multiplier=st.floats(0.3, 2.5),
    disentangle=st.booleans(),
    block_residual=st.booleans(),
    condition=st.sampled_from(("auto", "none", "add", "adagn")),
    num_parameters=st.integers(0, 2),
    fields=st.integers(1, 3),
    history=st.integers(1, 3),
)
def test_closed_form_equals_the_count_of_the_built_network(num_parameters, fields, history, **values):
    config = SineNetConfig(**values)
    with torch.device("meta"):
        network = SineNet(config, grid=make_grid(8, 16), fields=fields, history=history, num_parameters=num_parameters)
    expected = count_parameters(
        config, channels_in=history * fields, channels_out=fields, num_parameters=num_parameters
    )
    assert count_module(network) == expected


@pytest.mark.parametrize("waves", [1, 3])
def test_disentangled_path_costs_what_the_formula_says(waves):
    with_path = SineNetConfig(waves=waves, levels=4, width=8, multiplier=1.5)
    without = with_path.model_copy(update={"disentangle": False})
    extra = count_parameters(with_path, **SMOKE) - count_parameters(without, **SMOKE)
    assert extra == 9 * 8 * sum(with_path.channels[2:]) * waves


@pytest.mark.parametrize("waves", [2, 4, 6, 8])
def test_multiplier_is_solved_for_a_size(waves):
    multiplier = width_for(35_490_219, waves, **SMOKE)
    found = count_parameters(SineNetConfig(waves=waves, multiplier=multiplier), **SMOKE)
    assert found == pytest.approx(35_490_219, rel=3e-3)
    assert multiplier == pytest.approx(PUBLISHED[waves], abs=3e-3)


def test_width_for_an_impossible_size():
    with pytest.raises(ConfigError, match=r"1 waves and width 64.*got 10; expected between"):
        width_for(10, 1, **SMOKE)


def test_size_can_be_matched_by_the_knob(problem, spec):
    solver = SineNetSolver()
    given = spec(SineNetConfig(waves=2, levels=2, width=16), make_grid(16, 16))
    matched = match_parameters(solver, problem, given, 150_000)
    network = solver.network(problem, spec(matched, make_grid(16, 16)))
    assert count_module(network) == pytest.approx(150_000, rel=0.02)


# shapes and errors


@pytest.mark.parametrize(("size", "batch", "history", "fields"), [((8, 12), 1, 1, 1), ((16, 8), 3, 2, 4)])
def test_one_frame_comes_out(size, batch, history, fields):
    network = build(size, fields=fields, history=history)
    result = network(states(*size, batch=batch, history=history, fields=fields), condition(batch))
    assert result.shape == (batch, 1, fields, *size)
    assert result.is_contiguous()


def test_a_grid_that_cannot_be_halved_is_refused_with_the_settings_that_fit():
    with pytest.raises(UserError, match=r"axis x.*got 20 points; expected a multiple of 2\^3 = 8.*levels=2.*24 points"):
        build((16, 20), levels=3)
    with pytest.raises(UserError, match=r"axis y.*got 15 points.*Use a grid of 16 points along y"):
        build((15, 16), levels=3)
    with pytest.raises(UserError, match=r"axis x.*got 18 points"):
        build((16, 16))(states(16, 18), condition())


def test_another_grid_than_built_for_works():
    network = build((16, 16))
    assert network(states(8, 24), condition()).shape == (1, 1, 2, 8, 24)


# symmetry


@pytest.mark.parametrize("levels", [2, 4])
def test_circular_padding_commutes_with_shifts_by_multiples_of_the_coarsest_cell(levels):
    network, u = build((32, 32), levels=levels), states(32, 32)
    shifted = network(u.roll((2**levels, -(2**levels)), (-2, -1)), condition())
    assert relative(shifted, network(u, condition()).roll((2**levels, -(2**levels)), (-2, -1))) < 1e-14


def test_zero_padding_does_not_commute_with_shifts():
    network, u = build((32, 32), levels=4, padding="zeros"), states(32, 32)
    assert relative(network(u.roll(16, -1), condition()), network(u, condition()).roll(16, -1)) > 0.1


@pytest.mark.parametrize(("boundary", "axis"), [(("wall", "periodic"), -1), (("periodic", "open"), -2)])
def test_a_mixed_grid_commutes_along_its_periodic_axis_only(boundary, axis):
    network, u = build((16, 16), boundary=boundary), states(16, 16)
    along, across = (
        relative(network(u.roll(4, a), condition()), network(u, condition()).roll(4, a)) for a in (axis, -3 - axis)
    )
    assert along < 1e-14
    assert across > 0.05


def test_a_constant_stays_constant_under_circular_padding():
    u = torch.ones(1, 2, 2, 16, 16, dtype=torch.float64) * torch.tensor([0.3, -1.2], dtype=torch.float64)[:, None, None]
    result = build()(u, condition())
    assert relative(result, result.mean((-2, -1), keepdim=True).expand_as(result)) < 1e-13


def test_rows_of_a_batch_do_not_see_each_other():
    network, u = build(), states(16, 16, batch=3)
    assert torch.allclose(network(u, condition(3))[1:2], network(u[1:2], condition()), rtol=0, atol=1e-13)


# wiring


def silence(network):
    """Make every wave return zero: last normalisation and last shortcut of its last stage to zero."""
    for wave in network.waves:
        last = wave.up[-1]
        for tensor in (*last.block.second_norm.parameters(), *last.shortcut.parameters()):
            nn.init.zeros_(tensor)


def test_silent_waves_leave_encoder_and_decoder():
    network, u = build(waves=3), states(16, 16)
    ends = network.decoder(network.encoder(u.flatten(1, 2))).unsqueeze(1)
    assert relative(network(u, condition()), ends) > 0.1
    silence(network)
    assert relative(network(u, condition()), ends) < 1e-14


def test_silent_waves_equal_no_waves():
    network, empty, u = build(waves=3), build(waves=0), states(16, 16)
    silence(network)
    for name in ("encoder", "decoder"):
        getattr(empty, name).load_state_dict(getattr(network, name).state_dict())
    assert relative(network(u, condition()), empty(u, condition())) < 1e-14


def test_without_wave_residual_silent_waves_erase_the_input():
    network = build(wave_residual=False)
    silence(network)
    u, v = states(16, 16), states(16, 16, seed=2)
    assert torch.equal(network(u, condition()), network(v, condition()))


def test_waves_are_applied_in_turn():
    network, u = build(waves=3), states(16, 16)
    z = network.encoder(u.flatten(1, 2))
    for wave in network.waves:
        z = z + wave(z)
    assert relative(network(u, condition()), network.decoder(z).unsqueeze(1)) < 1e-14


def test_parallel_path_carries_the_unprocessed_input():
    """With its processed features cut off, a deeper block still sees the pooled input."""
    wave, z = build(waves=1, levels=3).waves[0], states(16, 16, history=1, fields=6)[:, 0]
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

    z = conv("encoder", u.flatten(1, 2))
    h0 = z
    h1 = block("waves.0.down.0.block", avg_pool2d(h0, 2))
    h2 = block("waves.0.down.1.block", avg_pool2d(h1, 2))
    x1 = block("waves.0.up.0.block", torch.cat((h1, finer(h2)), 1))
    x0 = block("waves.0.up.1.block", torch.cat((h0, finer(x1)), 1))
    return conv("decoder", x0).unsqueeze(1)


def test_a_single_bare_wave_is_a_plain_unet():
    network = build(waves=1, disentangle=False, wave_residual=False, block_residual=False)
    u = states(16, 16, batch=2)
    assert relative(network(u, condition(2)), plain_unet(network, u)) < 1e-13


def test_one_wave_of_four_levels_reaches_across_64_points():
    network = build((64, 64), waves=1, levels=4, width=4, fields=1, history=1)
    u = states(64, 64, history=1, fields=1).requires_grad_()
    (gradient,) = torch.autograd.grad(network(u, condition())[0, 0, 0, 32, 32], u)
    assert (gradient != 0).all()


# conditioning


@pytest.mark.parametrize("mode", ["add", "adagn"])
def test_conditioning_starts_as_the_unconditioned_network_and_learns(mode):
    network, bare = build(condition=mode, num_parameters=2), build(condition="none", num_parameters=2)
    bare.load_state_dict(network.state_dict(), strict=False)
    u, c = states(16, 16, batch=2), torch.tensor([[1.0, 0.5, -1.0], [2.0, 0.0, 1.0]], dtype=torch.float64)
    assert torch.equal(network(u, c), bare(u, c))
    network(u, c).square().mean().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad
    for column in range(3):
        changed = c.clone()
        changed[:, column] += 0.7
        assert relative(network(u, changed), network(u, c)) > 1e-6


def test_conditioning_is_chosen_by_the_problem():
    assert build(num_parameters=0).embedding is None
    assert build(num_parameters=1).embedding is not None
    assert build(num_parameters=1, condition="none").embedding is None
    assert build(num_parameters=0, condition="add").embedding is not None


def test_conditioned_gradients_reach_every_parameter():
    network = build(condition="adagn", num_parameters=1)
    for _ in range(2):  # modulations start at zero, so the embedding sees a gradient from the second step on
        network.zero_grad()
        network(states(16, 16), condition(1, 1)).square().mean().backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= 0.1 * parameter.grad
    assert all(parameter.grad.isfinite().all() and parameter.grad.any() for parameter in network.parameters())
