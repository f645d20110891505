"""Networks of fields: their shapes on one, two and three axes, symmetries, conditions, limits, sizes."""

import pytest
import torch

from sciml.core.errors import UserError
from sciml.models import FNO, DilResNet, SineNet, UNet

NETWORKS = {
    "fno": (FNO, {"modes": 3, "width": 4, "layers": 2}),
    "unet": (UNet, {"levels": 1, "width": 3}),
    "sinenet": (SineNet, {"waves": 2, "levels": 1, "width": 3, "multiplier": 1.5}),
    "dilresnet": (DilResNet, {"width": 2, "blocks": 1}),
}
SIZES = {1: (12,), 2: (12, 8), 3: (8, 8, 10)}
every_network = pytest.mark.parametrize("name", sorted(NETWORKS))


def make(name, **settings):
    torch.manual_seed(0)
    kind, sizes = NETWORKS[name]
    return kind(**{"in_channels": 3, "out_channels": 2, **sizes, **settings}).double()


def fields(*size, batch=2, channels=3):
    return torch.randn(batch, channels, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def relative(a, b):
    return float((a - b).detach().norm() / b.detach().norm())


def shift_error(network, u, shift):
    axes = tuple(range(-len(shift), 0))
    return relative(network(u.roll(shift, axes)), network(u).roll(shift, axes))


def count(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("padding", ["circular", "zeros"])
@every_network
def test_fields_come_out_on_the_grid_they_went_in(name, padding, dims):
    u = fields(*SIZES[dims]).requires_grad_()
    out = make(name, dims=dims, padding=padding)(u)
    assert out.shape == (2, 2, *SIZES[dims])
    assert out.is_contiguous()
    out.square().sum().backward()
    assert u.grad.isfinite().all()


@pytest.mark.parametrize("dims", [1, 2, 3])
@every_network
def test_a_plain_loop_trains_every_parameter(name, dims):
    network = make(name, dims=dims, condition_channels=2)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(2):  # modulations start at zero, so the embedding sees a gradient from the second step on
        optimiser.zero_grad()
        network(fields(*SIZES[dims]), torch.ones(2, 2, dtype=torch.float64)).square().mean().backward()
        optimiser.step()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize("dims", [1, 2, 3])
@every_network
def test_periodic_networks_commute_with_shifts_by_their_coarsest_cell(name, dims):
    network = make(name, dims=dims)
    assert shift_error(network, fields(*SIZES[dims]), (2, -4, 6)[:dims]) < 1e-13
    if name in ("fno", "dilresnet"):  # nothing is coarsened
        assert shift_error(network, fields(*SIZES[dims]), (1, -3, 5)[:dims]) < 1e-13
    else:
        assert shift_error(network, fields(*SIZES[dims]), (1, 0, 0)[:dims]) > 1e-4


@every_network
def test_walls_break_the_symmetry_across_them_only(name):
    network, u = make(name, padding=("zeros", "circular")), fields(16, 16)
    assert shift_error(network, u, (0, 4)) < 1e-13
    assert shift_error(network, u, (4, 0)) > 1e-4


@pytest.mark.parametrize("dims", [1, 3])
@every_network
def test_networks_on_other_axes_differ_in_their_convolutions_only(name, dims):
    network = make(name, dims=dims)
    kinds = {type(m) for m in network.modules() if isinstance(m, (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d))}
    assert kinds == {{1: torch.nn.Conv1d, 3: torch.nn.Conv3d}[dims]}
    plane = {key for key, _ in make(name).named_parameters()}
    assert {key for key, _ in network.named_parameters()} == plane


@every_network
def test_the_condition_is_optional_and_matters_where_there_is_one(name):
    u, c = fields(12, 8), torch.tensor([[1.0, 0.5], [2.0, -1.0]], dtype=torch.float64)
    network = make(name, condition_channels=2, conditioning="add")
    bare = make(name)
    bare.load_state_dict(network.state_dict(), strict=False)
    assert torch.equal(network(u, c), bare(u))  # it starts as the network without
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1)
    assert relative(network(u, c + 0.7), network(u, c)) > 1e-6


@every_network
def test_wrong_inputs_are_refused_with_the_shape_they_should_have(name):
    network, conditioned = make(name), make(name, condition_channels=2)
    c = torch.ones(2, 2, dtype=torch.float64)
    with pytest.raises(
        UserError, match=r"cannot take these fields; got shape \(2, 4, 12, 8\); expected \(batch, 3, y, x\)"
    ):
        network(fields(12, 8, channels=4))
    with pytest.raises(UserError, match=r"expected \(batch, 3, y, x\)"):
        network(fields(12))
    with pytest.raises(UserError, match="would ignore this one"):
        network(fields(12, 8), c)
    with pytest.raises(UserError, match="was given none"):
        conditioned(fields(12, 8))
    with pytest.raises(UserError, match=r"cannot take this condition; got shape \(2, 1\); expected \(2, 2\)"):
        conditioned(fields(12, 8), c[:, :1])


@every_network
def test_wrong_settings_are_refused(name):
    with pytest.raises(UserError, match=r"one to three axes; got dims=4"):
        make(name, dims=4)
    with pytest.raises(UserError, match=r"this padding does not fit 2 axes; got padding=\('circular',\)"):
        make(name, padding=("circular",))
    with pytest.raises(UserError, match=r"so few channels"):
        make(name, in_channels=0)


def test_limits_are_refused_with_what_to_set():
    with pytest.raises(UserError, match=r"axis x of the grid cannot be halved 3 times; got 20 points"):
        make("unet", levels=3, size=(16, 20))
    with pytest.raises(UserError, match=r"axis z of the grid cannot be halved 2 times; got 6 points"):
        make("unet", levels=2, dims=3)(fields(6, 4, 4))
    with pytest.raises(UserError, match=r"modes=12.*Set model.modes=8 or less"):
        make("fno", modes=12)(fields(16, 16))
    with pytest.raises(UserError, match=r"axis y is too short for its periodic padding; got 4 points"):
        make("dilresnet")(fields(4, 16))


@pytest.mark.parametrize("name", ["unet", "sinenet"])
def test_grids_other_than_prepared_for_give_the_same(name):
    u = fields(12, 8)
    answers = [make(name, size=size)(u) for size in (None, (12, 8), (4, 4))]
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(answers[0], answers[2])


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        (UNet, {"residual": False}, 31_397_571),
        (FNO, {"width": 128, "modes": 8, "layers": 8}, 33_756_547),
        (DilResNet, {}, 4_156_931),
    ],
)
def test_published_sizes(kind, settings, expected):
    """Within 2 % of the 31.0, 33.7 and 4.2 million parameters of the networks these stand for."""
    with torch.device("meta"):
        network = kind(in_channels=12, out_channels=3, **settings)
    assert count(network) == expected


def test_fno_answers_agree_between_grids_for_smooth_inputs():
    """Each layer resolves a fixed band; what is left is aliasing by the activations, which falls as the grid grows."""
    network = make("fno", width=6, modes=4, layers=4, in_channels=2, out_channels=1)

    def smooth(size):
        y, x = torch.meshgrid(*[2 * torch.pi * torch.arange(size, dtype=torch.float64) / size] * 2, indexing="ij")
        return torch.stack((torch.sin(x) * torch.cos(y), torch.cos(x + y)))[None]

    finest = network(smooth(128))[..., ::8, ::8]
    errors = [relative(network(smooth(n))[..., :: n // 16, :: n // 16], finest) for n in (16, 32, 64)]
    assert errors[0] < 1e-2
    assert errors[2] < 1e-6
    assert errors[0] > errors[1] > errors[2]


def test_fno_knows_where_a_wall_is_but_not_where_a_period_begins():
    seen = [make("fno", padding=p).lift[0].in_channels for p in ("circular", ("zeros", "circular"), "zeros")]
    assert seen == [3, 4, 5]
