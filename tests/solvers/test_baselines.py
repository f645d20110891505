"""U-Net, Fourier neural operator, dilated residual network: sizes, symmetries, limits."""

import pytest
import torch

from sciml.core.errors import UserError
from sciml.solvers.baselines import (
    FNO,
    DilResNet,
    DilResNetConfig,
    FNOConfig,
    FNOSolver,
    Persistence,
    UNet,
    UNetConfig,
    UNetSolver,
)
from sciml.train import count_parameters, match_parameters


def states(height, width, batch=1, fields=2):
    generator = torch.Generator().manual_seed(5)
    return torch.randn(batch, 2, fields, height, width, dtype=torch.float64, generator=generator)


def relative(a, b):
    return float((a - b).detach().norm() / b.detach().norm())


def shift_error(network, u, shift):
    c = torch.ones(1, 1, dtype=torch.float64)
    return relative(network(u.roll(shift, (-2, -1)), c), network(u, c).roll(shift, (-2, -1)))


def make(kind, config, grid, *, fields=2, history=2, num_parameters=0):
    torch.manual_seed(0)
    return kind(config, grid=grid, fields=fields, history=history, num_parameters=num_parameters).double()


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        (UNet, UNetConfig(residual=False), 31_397_571),
        (FNO, FNOConfig(width=128, modes=8, layers=8), 33_756_547),
        (DilResNet, DilResNetConfig(), 4_156_931),
    ],
)
def test_published_sizes(kind, config, expected, grid):
    """Within 2 % of the 31.0, 33.7 and 4.2 million parameters of the networks these stand for."""
    with torch.device("meta"):
        network = kind(config, grid=grid(128, 128), fields=3, history=4)
    assert count_parameters(network) == expected


def test_unet_width_sets_the_size_finely(grid, problem, spec):
    for target in (20_000, 50_000, 100_000):
        model = match_parameters(UNetSolver(), problem, spec(UNetConfig(levels=2), grid(16, 16)), target)
        network = UNetSolver().network(problem, spec(model, grid(16, 16)))
        assert count_parameters(network) == pytest.approx(target, rel=0.05)


def test_fno_size_is_matched(grid, problem, spec):
    model = match_parameters(FNOSolver(), problem, spec(FNOConfig(modes=4), grid(16, 16)), 60_000)
    network = FNOSolver().network(problem, spec(model, grid(16, 16)))
    assert count_parameters(network) == pytest.approx(60_000, rel=0.05)


def test_unet_commutes_with_shifts_of_its_coarsest_cell(grid):
    network = make(UNet, UNetConfig(width=3, levels=2), grid(16, 24))
    assert shift_error(network, states(16, 24), (4, -8)) < 1e-14
    assert shift_error(network, states(16, 24), (1, 0)) > 1e-3


@pytest.mark.parametrize("shift", [(1, 0), (-3, 5)])
def test_networks_without_coarsening_commute_with_every_shift(grid, shift):
    for kind, config in ((FNO, FNOConfig(width=4, modes=3)), (DilResNet, DilResNetConfig(width=3, blocks=1))):
        assert shift_error(make(kind, config, grid(16, 12)), states(16, 12), shift) < 1e-13


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (UNet, UNetConfig(width=3, levels=2)),
        (FNO, FNOConfig(width=4, modes=3)),
        (DilResNet, DilResNetConfig(width=3, blocks=1)),
    ],
)
def test_walls_break_the_symmetry_across_them_only(kind, config, grid):
    network, u = make(kind, config, grid(16, 16, y="wall")), states(16, 16)
    assert shift_error(network, u, (0, 4)) < 1e-13
    assert shift_error(network, u, (4, 0)) > 1e-4


def test_forced_zero_padding_breaks_the_symmetry(grid):
    for kind, config in (
        (UNet, UNetConfig(width=3, levels=2, padding="zeros")),
        (DilResNet, DilResNetConfig(width=3, blocks=1, padding="zeros")),
    ):
        assert shift_error(make(kind, config, grid(16, 16)), states(16, 16), (0, 4)) > 1e-2


def test_fno_answers_agree_between_grids_for_smooth_inputs(grid):
    """Each layer resolves a fixed band; what is left is aliasing by the activations, which falls as the grid grows."""
    network = make(FNO, FNOConfig(width=6, modes=4), grid(16, 16), fields=1)

    def smooth(size):
        y, x = torch.meshgrid(*[2 * torch.pi * torch.arange(size, dtype=torch.float64) / size] * 2, indexing="ij")
        return torch.stack((torch.sin(x) * torch.cos(y), torch.cos(x + y)))[None, :, None]

    c = torch.ones(1, 1, dtype=torch.float64)
    finest = network(smooth(128), c)[..., ::8, ::8]
    errors = [relative(network(smooth(n), c)[..., :: n // 16, :: n // 16], finest) for n in (16, 32, 64)]
    assert errors[0] < 1e-2
    assert errors[2] < 1e-6
    assert errors[0] > errors[1] > errors[2]


def test_fno_knows_where_a_wall_is_but_not_where_a_period_begins(grid):
    assert make(FNO, FNOConfig(width=4, modes=3), grid(16, 16)).lift[0].in_channels == 4
    assert make(FNO, FNOConfig(width=4, modes=3), grid(16, 16, y="wall")).lift[0].in_channels == 5
    assert make(FNO, FNOConfig(width=4, modes=3), grid(16, 16, y="wall", x="open")).lift[0].in_channels == 6


def test_limits_are_refused_with_what_to_set(grid):
    c = torch.ones(1, 1, dtype=torch.float64)
    with pytest.raises(UserError, match=r"axis x of the grid cannot be halved 3 times; got 20 points"):
        make(UNet, UNetConfig(levels=3), grid(16, 20))
    with pytest.raises(UserError, match=r"modes=12.*Set model.modes=8 or less"):
        make(FNO, FNOConfig(modes=12, width=2), grid(16, 16))(states(16, 16), c)
    with pytest.raises(UserError, match=r"axis y is too short for its periodic padding; got 4 points"):
        make(DilResNet, DilResNetConfig(width=2, blocks=1), grid(4, 16))(states(4, 16), c)


def test_persistence_repeats_the_last_frame():
    u = torch.randn(3, 2, 1, 5)
    result = Persistence()(u, torch.ones(3, 1))
    assert torch.equal(result, u[:, -1:])
    assert result.data_ptr() != u[:, -1:].data_ptr()
