"""Networks of state-space layers: sizes of the paper, streaming, other rates, identification; and their peers."""

import jaxtyping
import pytest
import torch

from sciml.core import rng
from sciml.core.errors import UserError
from sciml.data import Statistics
from sciml.models import LSSL, S4, S4D, S5, CausalCNN, RecurrentNetwork, SequenceTransformer
from sciml.nn import Units
from sciml.nn.ssm import LinearStateSpace, causal_convolution, discretise, krylov
from sciml.train import count_parameters

SMALL = {"features": 6, "state": 8, "depth": 2, "channels": 2, "dt_range": (1e-2, 0.3)}
UNITS = Units(Statistics(*(torch.tensor(v) for v in ([3.0, -1.0], [2.0, 0.5], [], []))))
KINDS = {
    "lssl pre": lambda **c: LSSL(2, 3, **SMALL, **c),
    "lssl post, units": lambda **c: LSSL(2, 3, norm="post", inputs=UNITS, learn="dt", **SMALL, **c),
    "lssl linear means": lambda **c: LSSL(2, 3, norm="none", linear=True, mean_inputs=True, **SMALL, **c),
    "lssl fixed": lambda **c: LSSL(2, 3, learn="none", matrix="legt", **SMALL, **c),
    "s4": lambda **c: S4(2, 3, mean_inputs=True, **SMALL, **c),
    "s4d": lambda **c: S4D(2, 3, start="legs", **SMALL, **c),
    "s5": lambda **c: S5(2, 3, features=6, state=8, depth=2, mean_inputs=True, dt_range=(1e-2, 0.3), **c),
}
PEERS = {
    "lstm": lambda **c: RecurrentNetwork(2, 3, hidden=5, depth=2, dropout=0.1, **c).eval(),
    "gru": lambda **c: RecurrentNetwork(2, 3, hidden=5, cell="gru", inputs=UNITS, **c),
    "transformer": lambda **c: SequenceTransformer(2, 3, head_size=3, heads=2, **c),
    "cnn": lambda **c: CausalCNN(2, 3, width=4, depth=3, kernel=3, inputs=UNITS, **c),
}


@pytest.fixture
def signal():
    return torch.randn(3, 40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def made(kinds, key, **changes):
    rng.seed_everything(1)
    return kinds[key](**changes).double().eval()


def test_sizes_of_the_paper():
    """M H (H + N) per layer for output matrices and mixing, and the rest counted one by one."""

    def expected(h, n, m, depth, inputs, outputs):
        layer = m * h * (h + n) + h  # C, mixing matrix, its bias
        layer += m * h + h + (6 * n - 2) + n  # D, log dt, bands of A, B
        layer += 2 * h  # norm
        return depth * layer + (inputs + 1) * h + 2 * h + (h + 1) * outputs

    small = LSSL(1, 10, features=128, state=128, depth=6, pooled=True)
    assert count_parameters(small) == expected(128, 128, 1, 6, 1, 10) == 207_614
    large = LSSL(3, 10, features=256, state=256, channels=4, depth=4, pooled=True)
    assert count_parameters(large) == expected(256, 256, 4, 4, 3, 10)
    assert 2.0e6 < count_parameters(large) < 2.2e6
    fixed = LSSL(1, 10, features=128, state=128, depth=6, pooled=True, learn="none")
    assert count_parameters(small) - count_parameters(fixed) == 6 * (128 + 7 * 128 - 2)


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("key", sorted(KINDS))
def test_streaming_gives_what_the_whole_sequence_gives(key, pooled, signal):
    network = made(KINDS, key, pooled=pooled)
    past, answers = network.initial(3), []
    for value in signal.unbind(1):
        answer, past = network.step(value, past, 1.5)
        answers.append(answer)
    stepped = answers[-1] if pooled else torch.stack(answers, 1)
    whole = network(signal, 1.5)
    assert whole.shape == ((3, 3) if pooled else (3, 40, 3))
    torch.testing.assert_close(stepped, whole, rtol=1e-10, atol=1e-10)
    first, past = network.carry(signal[:, :23], network.initial(3), 1.5)
    second, past = network.carry(signal[:, 23:], past, 1.5)
    torch.testing.assert_close(second if pooled else torch.cat((first, second), 1), whole, rtol=1e-10, atol=1e-10)
    assert past.times == 40


def test_single_precision_streaming_of_a_long_sequence():
    """The deep recurrence and the deep convolution part by rounding only."""
    rng.seed_everything(2)
    network = LSSL(1, 1, features=8, state=32, depth=2).eval()
    signal = torch.randn(1, 1024, 1, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        past, answers = network.initial(1), []
        for value in signal.unbind(1):
            answer, past = network.step(value, past)
            answers.append(answer)
        whole = network(signal)
    assert float((torch.stack(answers, 1) - whole).abs().max() / whole.abs().max()) < 2e-5


def test_signals_that_do_not_fit_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users have it; else annotations refuse first
    network = LSSL(2, 1, features=4, depth=1, state=4)
    with pytest.raises(UserError, match=r"complex64.*real and imaginary parts as two channels"):
        network(torch.zeros(2, 8, 2, dtype=torch.complex64))
    with pytest.raises(UserError, match=r"\(2, 8, 3\); expected real values, \(batch, time, 2\)"):
        network(torch.zeros(2, 8, 3))
    with pytest.raises(UserError, match="of its own for each of 8 times"):
        network(torch.zeros(2, 8, 2), torch.ones(2, 8))


@pytest.mark.parametrize("key", sorted({**KINDS, **PEERS}))
def test_no_network_broadcasts_a_signal_of_other_channels(key, signal, monkeypatch):
    """One channel of values would be taken for all of them, since it standardises without complaint."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    network = made({**KINDS, **PEERS}, key)
    for wrong in (signal[..., :1], signal[0], signal[:, :0], signal.to(torch.complex128)):
        with pytest.raises(UserError, match=r"expected real values, \(batch, time, 2\), with at least one time"):
            network(wrong)
    if not getattr(network, "irregular", False):
        with pytest.raises(UserError, match="steps uniformly"):
            network(signal, torch.ones(40))


@pytest.mark.parametrize("key", ["lssl pre", "s4", "s4d", "s5"])
def test_streams_refuse_other_channels_and_the_past_of_others(key, signal, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    network = made(KINDS, key)
    for bad in (lambda past: network.step(signal[:, 0, :1], past), lambda past: network.carry(signal[..., :1], past)):
        with pytest.raises(UserError, match="do not fit this network"):
            bad(network.initial(3))
    for bad in (lambda past: network.step(signal[:, 0], past), lambda past: network.carry(signal, past)):
        with pytest.raises(UserError, match=r"got 1 of them; expected 3.*initial\(3\)"):
            bad(network.initial(1))


def test_a_cell_that_does_not_exist_is_not_a_gru():
    with pytest.raises(UserError, match="unknown cell of a recurrent network 'rnn'; expected one of: gru, lstm"):
        RecurrentNetwork(2, 3, cell="rnn")


@pytest.mark.parametrize("kinds", [KINDS, PEERS], ids=["state space", "peers"])
def test_no_network_sees_the_future_or_other_samples(kinds, signal):
    for key in kinds:
        network = made(kinds, key)
        changed = signal.clone()
        changed[:, 25] += 3
        changed[2] = 7
        difference = (network(changed) - network(signal)).abs()
        assert difference[:2, :25].max() < 1e-9, key
        assert difference[:2, 25:].max() > 1e-6, key


@pytest.mark.parametrize("kinds", [KINDS, PEERS], ids=["state space", "peers"])
def test_every_network_knows_of_the_time_step(kinds, signal):
    for key in kinds:
        network = made(kinds, key, pooled=True)
        assert not torch.equal(network(signal), network(signal, 2.0)), key
        with pytest.raises(UserError, match="positive"):
            network(signal, 0.0)


def test_a_constant_shift_of_units_changes_nothing(signal):
    """Signals in other units, with those units told, give the same answer in the units of the answer."""
    plain = made({"n": lambda: LSSL(2, 3, **SMALL)}, "n")
    answers = Units(Statistics(*(torch.tensor(v) for v in ([1.0, 2.0, 3.0], [0.1, 1.0, 10.0], [], []))))
    scaled = made({"n": lambda: LSSL(2, 3, inputs=UNITS, outputs=answers, **SMALL)}, "n")
    torch.testing.assert_close(scaled(UNITS.double().restore(signal)), answers.double().restore(plain(signal)))


def test_one_layer_recovers_an_impulse_response():
    """A damped oscillator driven by noise, seen with 5 % noise: its kernel to 2 %, by least squares for C alone."""
    oscillator = torch.tensor([[0.0, 1.0], [-9.0, -0.6]], dtype=torch.float64)
    system = discretise(oscillator, torch.tensor([0.0, 1.0], dtype=torch.float64), torch.tensor(0.05).double())
    truth = krylov(system, 128)[0]
    u, noise = torch.randn(2, 32, 128, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    y = causal_convolution(u, truth)
    y = y + 0.05 * y.std() * noise
    rng.seed_everything(5)
    layer = LinearStateSpace(1, state=32, dt_range=(0.01, 0.01)).double().requires_grad_(False)
    states = causal_convolution(u[:, None], layer.response(128)[0]).transpose(1, 2)
    layer.output.copy_(torch.linalg.lstsq(states.flatten(0, 1), y.flatten()[:, None]).solution.T[None])
    layer.direct.zero_()
    impulse = torch.zeros(1, 128, 1, dtype=torch.float64)
    impulse[0, 0] = 1
    assert float((layer(impulse)[0, :, 0] - truth).norm() / truth.norm()) < 0.02


def test_a_trained_matrix_that_became_unstable_shows():
    network = LSSL(1, 1, **SMALL)
    assert network.spectral_radius() < 1
    with torch.no_grad():
        network.layers[1].matrix.left.neg_()
    assert network.spectral_radius() > 1
    assert S4D(1, 1, **SMALL).spectral_radius() < 1


@pytest.mark.parametrize("key", sorted(KINDS))
def test_a_network_with_fixed_kernels_answers_alike(key, signal):
    """At the step it was made for; another length is refused, since its filters have one."""
    network = made(KINDS, key)
    fixed = network.fixed(40, 1.5)
    torch.testing.assert_close(fixed(signal), network(signal, 1.5), rtol=1e-10, atol=1e-10)
    assert torch.equal(network(signal), made(KINDS, key)(signal))
    for bad in (lambda: fixed(signal[:, :39]), lambda: fixed(signal, 2.0)):
        with pytest.raises(UserError, match="one length and one time step"):
            bad()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_recurrent_states_are_those_of_the_module_of_torch(cell, signal):
    network = made({"r": lambda: RecurrentNetwork(2, 3, hidden=5, depth=2, cell=cell)}, "r")
    states, _ = network.cells(torch.cat((signal, torch.full_like(signal[..., :1], 2.0).log()), dim=2))
    assert torch.equal(network(signal, 2.0), network.head(states))


@pytest.mark.parametrize("key", ["lssl pre", "lssl fixed", "s4d"])
def test_networks_export_as_programs(key):
    network = made(KINDS, key, pooled=True).float()
    example = torch.randn(2, 32, 2, generator=torch.Generator().manual_seed(6))
    program = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},)).module()
    three = torch.cat((example, example[:1]))
    torch.testing.assert_close(program(three), network(three), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: LSSL(0, 1),
        lambda: S4D(1, 1, depth=0),
        lambda: RecurrentNetwork(1, 1, hidden=0),
        lambda: CausalCNN(1, 1, kernel=0),
    ],
)
def test_networks_without_a_size_are_refused(call, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(UserError, match=r"at least one|needs channels"):
        call()
