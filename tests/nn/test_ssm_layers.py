"""State-space layers: three views of one map, other time steps, kept kernels, gradients, groups of weights."""

import copy

import jaxtyping
import pytest
import torch
from torch import nn

from sciml.core import rng
from sciml.core.errors import UserError
from sciml.nn import GroupsParameters, ParameterGroup, optimiser_groups
from sciml.nn.ssm import (
    DiagonalStateSpace,
    LinearStateSpace,
    NormalLowRankStateSpace,
    ScannedStateSpace,
    StateSpaceLayer,
    causal_convolution,
    diagonal_scan,
    diagonal_start,
    krylov,
)

LENGTH = 48


def dense(**changes):
    return LinearStateSpace(3, **{"state": 8, "channels": 2, **changes})


def low_rank(**changes):
    return NormalLowRankStateSpace(3, **{"state": 8, "channels": 2, **changes})


def diagonal(**changes):
    return DiagonalStateSpace(3, **{"state": 8, "channels": 2, **changes})


def scanned(**changes):
    return ScannedStateSpace(3, **{"state": 8, **changes})


LAYERS = {
    "scanned": scanned,
    "scanned lin, means": lambda **c: scanned(start="lin", mean_inputs=True, **c),
    "legs": dense,
    "legt": lambda **c: dense(matrix="legt", **c),
    "lagt": lambda **c: dense(matrix="lagt", learn="none", **c),
    "random": lambda **c: dense(matrix="random", **c),
    "zero-order hold": lambda **c: dense(method="zoh", learn="dt", **c),
    "means": lambda **c: dense(mean_inputs=True, learn="matrix", **c),
    "diagonal lin": diagonal,
    "normal plus low rank": low_rank,
    "normal plus low rank, means": lambda **c: low_rank(mean_inputs=True, learn="dt", **c),
    "diagonal inv": lambda **c: diagonal(start="inv", **c),
    "diagonal legs, means": lambda **c: diagonal(start="legs", mean_inputs=True, **c),
}


@pytest.fixture(params=sorted(LAYERS))
def layer(request):
    rng.seed_everything(1)
    return LAYERS[request.param]().double()


@pytest.fixture
def signal():
    return torch.randn(2, LENGTH, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def stepped(layer, signal, dt_scale=1.0, carried=None):
    carried = layer.initial(len(signal)) if carried is None else carried
    answers = []
    for value in signal.unbind(1):
        answer, carried = layer.step(value, carried, dt_scale)
        answers.append(answer)
    return torch.stack(answers, dim=1), carried


@pytest.mark.parametrize("dt_scale", [1.0, 2.0, 0.37])
def test_step_by_step_is_all_at_once(layer, signal, dt_scale):
    answer = layer(signal, dt_scale)
    assert answer.shape == (2, LENGTH, 3 if isinstance(layer, ScannedStateSpace) else 6)
    torch.testing.assert_close(stepped(layer, signal, dt_scale)[0], answer, rtol=1e-11, atol=1e-11)


def test_pieces_continue_each_other(layer, signal):
    """All at once, in two pieces, or a piece and then step by step."""
    whole, cut = layer(signal), 19
    first, carried = layer.carry(signal[:, :cut], layer.initial(2))
    second, after = layer.carry(signal[:, cut:], carried)
    torch.testing.assert_close(torch.cat((first, second), 1), whole, rtol=1e-11, atol=1e-11)
    rest, after_steps = stepped(layer, signal[:, cut:], carried=carried)
    torch.testing.assert_close(rest, whole[:, cut:], rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(after.state, after_steps.state, rtol=1e-11, atol=1e-11)
    assert torch.equal(after.before, signal[:, -1])


def test_nothing_sees_the_future(layer, signal):
    changed = signal.clone()
    changed[:, 20] += 10
    difference = (layer(changed) - layer(signal)).abs()
    assert difference[:, :20].max() < 1e-12
    assert difference[:, 20:].max() > 1e-3


def test_one_time_is_a_sequence(layer, signal):
    torch.testing.assert_close(layer(signal[:, :1]), layer(signal)[:, :1], rtol=1e-12, atol=1e-12)


def test_features_and_samples_do_not_mix(layer, signal):
    answer = layer(signal)
    changed = signal.clone()
    changed[1] = 5
    if isinstance(layer, ScannedStateSpace):  # one system for all features: samples are apart, features are not
        torch.testing.assert_close(layer(changed)[0], answer[0], rtol=1e-11, atol=1e-11)
        return
    changed[0, :, 2] = -1
    torch.testing.assert_close(layer(changed)[0, :, :4], answer[0, :, :4], rtol=1e-11, atol=1e-11)


def test_gradients_of_all_weights(signal):
    """Structured A, B, C, D, log dt, and modes, by finite differences."""
    for make in (dense, low_rank, diagonal, scanned):
        rng.seed_everything(3)
        layer = make(state=4, dt_range=(0.05, 0.2)).double()
        names = [name for name, _ in layer.named_parameters()]

        def answer(*values, layer=layer, names=names):
            return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (signal[:1, :16],))

        weights = tuple(p.detach().clone().requires_grad_() for p in layer.parameters())
        assert torch.autograd.gradcheck(answer, weights, atol=1e-6)


def test_irregular_samples_of_a_held_signal_are_the_same_system(signal):
    """Constant stretches: stepping over each at once gives what small steps give at their ends."""
    rng.seed_everything(7)
    layer = scanned(dt_range=(0.01, 0.1)).double()
    lengths = torch.tensor([1, 3, 2, 5, 1, 1, 4, 7, 2, 6])
    held = signal[:, : len(lengths)]
    fine = layer(held.repeat_interleave(lengths, dim=1))
    ends = lengths.cumsum(0) - 1
    coarse = layer(held, lengths.double())
    torch.testing.assert_close(coarse, fine[:, ends], rtol=1e-10, atol=1e-10)
    first, carried = layer.carry(held[:, :4], layer.initial(2), lengths[:4].double())
    rest, _ = layer.carry(held[:, 4:], carried, lengths[4:].double())
    torch.testing.assert_close(torch.cat((first, rest), 1), coarse, rtol=1e-10, atol=1e-10)
    for uniform in (dense(), diagonal()):
        with pytest.raises(UserError, match="steps uniformly"):
            uniform(signal[:, :10].float(), lengths.float())
    with pytest.raises(UserError, match="positive"):
        layer(held, -lengths.double())


def test_a_scan_is_a_recurrence():
    generator = torch.Generator().manual_seed(8)
    decay, drive = torch.randn(37, 4, 2, generator=generator), torch.randn(3, 37, 4, 2, generator=generator)
    decay = torch.view_as_complex(decay.double()) / 2
    drive = torch.view_as_complex(drive.double())
    state, states = torch.zeros_like(drive[:, 0]), []
    for k in range(37):
        state = decay[k] * state + drive[:, k]
        states.append(state)
    torch.testing.assert_close(diagonal_scan(decay, drive), torch.stack(states, 1), rtol=1e-11, atol=1e-11)


def test_another_sampling_rate_is_another_dt(signal):
    """A smooth signal at half the rate: 2 % with dt scaled, far off without, worse still with A scaled alone."""
    rng.seed_everything(4)
    layer = LinearStateSpace(1, state=32, dt_range=(1e-3, 1e-3)).double().requires_grad_(False)
    with torch.no_grad():
        layer.direct.zero_()
    times = torch.arange(2, 2050, dtype=torch.float64)
    smooth = (torch.sin(2 * torch.pi * times / 900) + 0.5 * torch.cos(2 * torch.pi * times / 300))[None, :, None]
    fine, coarse = layer(smooth)[:, 1::2], smooth[:, 1::2]

    def error(answer):
        return float((answer - fine).norm() / fine.norm())

    assert error(layer(coarse, 2.0)) < 0.02
    assert error(layer(coarse)) > 0.3
    half = layer.system(2.0)._replace(drive=layer.system(1.0).drive)
    kernel = layer.output @ krylov(half, coarse.shape[1])
    assert error(causal_convolution(coarse.transpose(1, 2), kernel[:, 0]).transpose(1, 2)) > 0.4
    rng.seed_everything(4)
    means = LinearStateSpace(1, state=32, dt_range=(1e-3, 1e-3), mean_inputs=True).double().requires_grad_(False)
    means.load_state_dict(layer.state_dict())
    fine = means(smooth)[:, 1::2]
    assert error(means(coarse, 2.0)) < 0.01


def test_hippo_layers_are_stable_at_any_step_and_diagonal_ones_whatever_the_weights():
    for kind in ("legs", "legt", "lagt"):
        layer = dense(matrix=kind)
        assert all((layer.spectral_radius(scale) < 1).all() for scale in (0.01, 1.0, 100.0))
    layer = diagonal()
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(5)))
    assert (layer.spectral_radius() < 1).all()
    unstable = dense()
    with torch.no_grad():
        unstable.matrix.left.neg_()
    assert (unstable.spectral_radius() > 1).any()


def test_systems_are_kept_while_their_weights_stay_and_no_longer(signal):
    """What is kept belongs to values, however these are changed: loading, averaging, optimiser, dtype."""
    layer = dense(learn="none").double()
    first = layer.system().matrix
    assert layer.system().matrix is first
    assert not torch.equal(layer.system(2.0).matrix, first)
    assert torch.equal(layer.system().matrix, first)
    twin = copy.deepcopy(layer)
    for change in (
        lambda: twin.log_dt.data.add_(0.5),
        lambda: twin.load_state_dict(layer.state_dict()),
        lambda: torch._foreach_add_([twin.drive], 1.0),
    ):
        before = twin(signal)
        change()
        after, fresh = twin(signal), dense(learn="none").double()
        fresh.load_state_dict(twin.state_dict())
        assert not torch.equal(before, after)
        assert torch.equal(after, fresh(signal))
    assert twin.float()(signal.float()).dtype == torch.float32
    learned = dense(learn="dt")
    with torch.no_grad():
        learned(signal.float())
    learned(signal.float()).sum().backward()
    assert learned.log_dt.grad.abs().sum() > 0


@pytest.mark.parametrize("learn", ["all", "matrix", "dt", "none"])
def test_what_is_trained(learn):
    names = {name for name, _ in dense(learn=learn).named_parameters()}
    matrix = {f"matrix.{band}" for band in ("left", "middle", "right", "lower", "diagonal", "upper")} | {"drive"}
    expected = {"output", "direct"} | (matrix if learn in ("all", "matrix") else set())
    assert names == expected | ({"log_dt"} if learn in ("all", "dt") else set())
    assert set(dense(learn=learn).state_dict()) == matrix | {"output", "direct", "log_dt"}


def test_time_steps_are_drawn_log_uniformly_from_their_range():
    rng.seed_everything(6)
    log_dt = LinearStateSpace(4000, state=1, dt_range=(1e-3, 1e-1)).log_dt.detach()
    low, high = torch.tensor([1e-3, 1e-1]).log()
    assert low <= log_dt.min() < low + 0.01 < high - 0.01 < log_dt.max() <= high
    assert float(log_dt.mean()) == pytest.approx(float(low + high) / 2, abs=0.1)


def test_starts_of_diagonal_layers():
    lin, inv, legs = (diagonal_start(kind, 4) for kind in ("lin", "inv", "legs"))
    torch.testing.assert_close(lin, torch.tensor([-0.5, -0.5 + 3.141592653589793j], dtype=torch.complex128))
    expected = [-0.5 + 4 / torch.pi * (4 / 1 - 1) * 1j, -0.5 + 4 / torch.pi * (4 / 3 - 1) * 1j]
    torch.testing.assert_close(inv, torch.tensor(expected, dtype=torch.complex128))
    assert (legs.imag > 0).all()
    torch.testing.assert_close(legs.real, torch.full((2,), -0.5, dtype=torch.float64))


def test_weight_decay_does_not_touch_matrices_and_time_steps():
    network = nn.Sequential(nn.Linear(3, 3), dense(), diagonal())
    assert isinstance(network[1], GroupsParameters)
    assert isinstance(network[1], StateSpaceLayer)
    groups = optimiser_groups(network, 1e-2, 0.1)
    names = {id(p): name for name, p in network.named_parameters()}
    by_rate = {(g["lr"], g["weight_decay"]): {names[id(p)] for p in g["params"]} for g in groups}
    bands = {f"1.matrix.{band}" for band in ("left", "middle", "right", "lower", "diagonal", "upper")}
    assert by_rate == {
        (1e-2, 0.1): {"0.weight", "0.bias", "1.output", "1.direct", "2.output", "2.direct"},
        (1e-4, 0.0): bands | {"1.drive"},
        (1e-3, 0.0): {"1.log_dt", "2.log_dt", "2.log_decay", "2.frequency"},
    }
    assert sum(len(g["params"]) for g in groups) == len(list(network.parameters()))
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    optimiser = torch.optim.AdamW(groups)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    same = {name for name, p in network.named_parameters() if torch.equal(p, before[name])}
    assert same == by_rate[1e-4, 0.0] | by_rate[1e-3, 0.0]
    low = optimiser_groups(network, 1e-5, 0.1)
    assert {group["lr"] for group in low} == {1e-5}


def test_a_network_without_such_modules_is_one_group():
    network = nn.Linear(2, 2)
    (group,) = optimiser_groups(network, 1e-3, 0.1)
    assert [id(p) for p in group["params"]] == [id(p) for p in network.parameters()]

    class Slow(nn.Linear):
        def parameter_groups(self):
            return (ParameterGroup((self.bias,), decays=True, max_learning_rate=1e-4), ParameterGroup(()))

    ordinary, slow = optimiser_groups(nn.Sequential(Slow(2, 2)), 1e-3, 0.1)
    assert (len(ordinary["params"]), slow["lr"], slow["weight_decay"]) == (1, 1e-4, 0.1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dense(state=0), "at least one"),
        (lambda: dense(dt_range=(0.1, 0.01)), "low <= high"),
        (lambda: diagonal(state=5), "pairs"),
        (lambda: dense()(torch.zeros(1, 3, 3), 0.0), "positive"),
        (lambda: diagonal()(torch.zeros(1, 3, 3), float("nan")), "positive"),
        (lambda: dense(learn="A"), "unknown choice of what is learned 'A'.*all, dt, matrix, none"),
        (lambda: low_rank(learn=""), "unknown choice"),
        (lambda: dense(method="tustin"), "unknown discretisation 'tustin'"),
        (lambda: scanned()(torch.zeros(2, 5, 3), torch.ones(2, 5)), r"do not fit.*shape \(2, 5\).*\(5,\)"),
    ],
)
def test_impossible_requests_are_refused(call, words, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users have it; else annotations refuse first
    with pytest.raises(UserError, match=words):
        call()


@pytest.mark.parametrize("name", ["legs", "scanned", "diagonal lin", "normal plus low rank"])
def test_signals_of_other_shapes_are_refused_and_never_broadcast(name, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    layer = LAYERS[name]()
    for shape in ((2, 5, 1), (2, 5, 4), (5, 3), (2, 0, 3)):
        for call in (layer, lambda signal: layer.carry(signal, layer.initial(2))):
            with pytest.raises(UserError, match=r"expected \(batch, time, 3\)"):
                call(torch.zeros(shape))
    with pytest.raises(UserError, match=r"expected \(batch, 3\)"):
        layer.step(torch.zeros(2, 1), layer.initial(2))


@pytest.mark.parametrize("name", ["legs", "scanned", "diagonal lin", "normal plus low rank"])
def test_layers_keep_no_imaginary_part_back(name, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    layer, values = LAYERS[name](), torch.zeros(2, 8, 3, dtype=torch.complex64)
    for bad in (lambda: layer(values), lambda: layer.carry(values, layer.initial(2)),
                lambda: layer.step(values[:, 0], layer.initial(2))):  # fmt: skip
        with pytest.raises(UserError, match=r"reads real signals; got torch\.complex64"):
            bad()


def test_no_decay_reaches_the_systems_of_s4():
    layer = low_rank()
    apart = {
        name
        for name, p in layer.named_parameters()
        if any(p is q for g in layer.parameter_groups() for q in g.parameters)
    }
    assert apart == {"log_dt", "drive", "matrix.log_decay", "matrix.frequency", "matrix.low_rank"}
    groups = optimiser_groups(nn.Sequential(layer), 1e-2, 0.1)
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.1, 2), (0.0, 4), (0.0, 1)]
