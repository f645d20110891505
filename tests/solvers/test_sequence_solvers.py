"""Solvers of sequences: filters and spectra against what they must find, and what short trainings reach."""

import pytest
import torch

from sciml.core import registry, rng
from sciml.core.config import override
from sciml.core.errors import ConfigError, UserError
from sciml.data import Statistics
from sciml.models import LSSL, S4D
from sciml.nn import Units
from sciml.solvers.baselines import LaggedRidge
from sciml.solvers.lssl import LSSLConfig
from sciml.tasks.sequences import SEQUENCES, SequenceBatch, SequencesConfig, Signals
from sciml.testing import PROBLEMS
from sciml.train import Trainer, count_parameters, find_solver, match_parameters

UNITS = Units(Statistics(torch.tensor([2.0]), torch.tensor([3.0]), torch.zeros(0), torch.zeros(0)))


def bench_of(name):
    return SEQUENCES.prepare(registry.find_problem(PROBLEMS / name), "tiny", SequencesConfig())


@pytest.fixture(scope="module")
def decay():
    return bench_of("driven_decay")


def test_the_filter_is_found_and_reaches_its_lags():
    """y_k = 4 - 2 u_{k-1} + u_{k-3}, from noise: to rounding; the answer at a time depends on five values."""
    signals = 2 + 3 * torch.randn(10, 64, 1, generator=rng.generator(0))
    known = torch.nn.functional.pad(signals - 2, (0, 0, 3, 0))
    targets = 4 - 2 * known[:, 2:-1] + known[:, :-3]
    module = LaggedRidge(1, lags=5, inputs=UNITS, outputs=UNITS, dt=0.1)
    module.fit(SequenceBatch(signals, 0.1 * torch.arange(64).double(), targets))
    torch.testing.assert_close(
        module.weight.detach()[0, 0], torch.tensor([0.0, -2.0, 0.0, 1.0, 0.0]), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(module(signals), targets, atol=1e-3, rtol=1e-4)
    moved = signals.clone()
    moved[:, 20] += 1
    changed = (module(moved) - module(signals)).abs().amax((0, 2)) > 1e-3
    assert changed.nonzero().flatten().tolist() == [21, 23]


def test_a_filter_answers_at_other_times_by_interpolation(decay):
    """At half the step, at irregular ones: near the answer at the step of the training, where the signal is smooth."""
    solver = find_solver("lagged_ridge")
    module = solver.build(decay.problem, solver.recipe("tiny").model, decay.context)
    solver.solve_closed_form(module, decay.examples)
    split, times = decay.splits["test"], decay.times
    exact = solver.predict(module, Signals(split.signals, times)).mean
    coarse = solver.predict(module, Signals(split.signals[:, 1::2], times[1::2])).mean
    uneven = torch.tensor([0, 1, 3, 4, 5, 8, 9, 10, 12, 15, 16, 18, 20, 21, 23, 25, 28, 30, 31, 33, 35, 37, 38, 39])
    irregular = solver.predict(module, Signals(split.signals[:, uneven], times[uneven])).mean
    std = decay.context.targets.field_std
    assert ((exact - split.targets) / std).square().mean().sqrt() < 0.1
    assert ((coarse - exact[:, 1::2]) / std)[:, 10:].square().mean().sqrt() < 0.05  # before, the first value is missed
    assert ((irregular - exact[:, uneven]) / std).square().mean().sqrt() < 0.05


def test_the_spectrum_tells_tones_apart_at_any_rate():
    bench, solver = bench_of("two_tones"), find_solver("log_spectrum")
    module = solver.build(bench.problem, solver.recipe("tiny").model, bench.context)
    flat = solver.predict(module, bench.example).mean
    torch.testing.assert_close(flat, torch.full((1, 3), 1 / 3))
    solver.solve_closed_form(module, bench.examples)
    scores = bench.examine(solver, module).metrics
    assert scores["accuracy"] == 1
    assert scores["stride_2/error"] <= 0.1
    with pytest.raises(UserError, match="too short"):
        solver.predict(module, Signals(torch.zeros(1, 6, 2), bench.times[:6]))


def trained(bench, key, folder, *settings):
    solver = find_solver(key)
    recipe = override(solver.recipe("tiny"), [*settings, "train.evaluate_every=20"])
    rng.seed_everything(0)
    module = solver.build(bench.problem, recipe.model, bench.context)
    Trainer(
        module, solver.loss, bench.examples, lambda m: bench.validate(solver, m), recipe.train, folder=folder, seed=0,
        identity={},
    ).fit()  # fmt: skip
    return bench.examine(solver, module).metrics


@pytest.mark.parametrize("key", ["lssl", *(pytest.param(key, marks=pytest.mark.slow) for key in ("s4", "s4d")), "s5"])
def test_state_space_layers_learn_a_response_and_keep_it_at_half_the_rate(decay, key, tmp_path):
    scores = trained(decay, key, tmp_path, "train.steps=250", "model.features=8", "model.depth=1")
    assert scores["nrmse"] < 0.2
    assert scores["stride_2/nrmse"] < scores["nrmse"] + 0.15


def test_recurrent_networks_need_the_rate_they_know(decay, tmp_path):
    scores = trained(decay, "lstm", tmp_path, "train.steps=120")
    assert scores["nrmse"] < 0.4
    assert scores["stride_2/nrmse"] > scores["nrmse"]


def test_networks_follow_from_problem_and_data(decay):
    """Time steps from the length, means over steps and no norm for responses; the norm and the mean over time else."""
    solver, tones = find_solver("lssl"), bench_of("two_tones")
    response = solver.build(decay.problem, LSSLConfig(), decay.context).network
    classes = solver.build(tones.problem, LSSLConfig(), tones.context).network
    assert isinstance(response, LSSL)
    assert isinstance(find_solver("s4d").build(decay.problem, find_solver("s4d").recipe("tiny").model,
                                               decay.context).network, S4D)  # fmt: skip
    assert (response.pooled, classes.pooled) == (False, True)
    assert [layer.mean_inputs for layer in (response.layers[0], classes.layers[0])] == [True, False]
    assert not any(isinstance(m, torch.nn.LayerNorm) for m in response.modules())
    steps = torch.cat([layer.log_dt.detach() for layer in response.layers]).exp()
    assert 1 / 40 <= float(steps.min()) < float(steps.max()) <= 100 / 40
    given = LSSLConfig(norm="post", mean_inputs=False, dt_range=(0.5, 0.5), matrix="lagt", linear=True)
    chosen = solver.build(decay.problem, given, decay.context).network
    assert not chosen.layers[0].mean_inputs
    assert torch.allclose(chosen.layers[0].log_dt.exp(), torch.tensor(0.5))


def test_peers_are_sized_like_the_network_they_are_compared_with(decay):
    solver = find_solver("lssl")
    size = count_parameters(solver.build(decay.problem, solver.recipe("small").model, decay.context))
    for key in ("lstm", "sequence_gru", "causal_cnn", "transformer", "s4", "s4d", "s5"):
        peer = find_solver(key)
        model = match_parameters(peer, decay.problem, peer.recipe("small").model, decay.context, size)
        assert count_parameters(peer.build(decay.problem, model, decay.context)) == pytest.approx(size, rel=0.1)


def test_sequences_shorter_than_a_filter_are_refused():
    solver = find_solver("causal_cnn")
    recipe = solver.recipe("tiny")
    bench = SEQUENCES.prepare(registry.problem("delay_memory"), "tiny", recipe.task)
    short = bench.context.model_copy(update={"length": 3})
    with pytest.raises(ConfigError, match=r"3 times, model\.kernel=5"):
        solver.network(bench.problem, recipe.model, short)
