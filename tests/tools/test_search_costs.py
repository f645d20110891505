"""Costs of networks: the predictor, what is picked by it, trials, and latency files."""

import itertools
import json
import os
import sys
import time
from pathlib import Path

import pytest
import torch

from sciml.core.config import Config, override
from sciml.core.errors import ConfigError, DataError, UnsupportedError, UserError
from sciml.tools.cost import measure_energy, measure_latencies
from sciml.tools.search import (
    Objective,
    SearchConfig,
    Trial,
    assess,
    draw_networks,
    fit_predictor,
    fit_table,
    pareto,
    read_costs,
    relative,
    run_trials,
    shortlist,
)
from sciml.train import Slot, Space

WIDTHS = (8, 16, 32, 64)
SPACE = Space(
    (
        Slot("layers", (1, 2, 3)),
        *(Slot(f"width_{i}", WIDTHS, needs=("layers", (1, 2, 3)[i:])) for i in range(3)),
        Slot("operator", ("conv", "spectral", "skip"), skip="skip"),
    ),
    lambda choices: Config(),
)


def cost(choices):
    """Products of neighbouring widths: nothing that adds up over the choices."""
    widths = [4, *(choices[f"width_{i}"] for i in range(choices["layers"])), 4]
    factor = {"conv": 1.0, "spectral": 1.6, "skip": 0.5}[choices["operator"]]
    return 1e-3 + factor * 1e-6 * sum(a * b for a, b in itertools.pairwise(widths))


@pytest.fixture(scope="module")
def measured():
    nets = draw_networks(SPACE, 200, 0)
    return torch.stack([SPACE.encode(one) for one in nets]), torch.tensor([cost(one) for one in nets])


@pytest.fixture(scope="module")
def predictor(measured):
    return fit_predictor(*measured)


def test_networks_are_drawn_once_each():
    nets = draw_networks(SPACE, 200, 0)
    assert len({tuple(one.values()) for one in nets}) == 200
    assert nets == draw_networks(SPACE, 200, 0)
    assert len(draw_networks(SPACE.narrowed({"layers": (1,)}), 200, 0)) == 4 * 3


def test_what_does_not_add_up_is_learned(measured):
    codes, costs = measured
    flops = (costs - 1e-3) * (1 + 2 * torch.rand(len(costs), generator=torch.Generator().manual_seed(0)))
    accuracy = assess(codes, costs, flops)
    assert accuracy.nets == 40
    assert accuracy.error < 0.04
    assert accuracy.error < 0.5 * accuracy.additive
    assert accuracy.error < 0.5 * accuracy.flops
    assert accuracy.tau > 0.85


def test_predictions_are_positive_smooth_and_frozen(measured, predictor):
    codes, costs = measured
    assert not next(iter(predictor.parameters())).requires_grad
    assert relative(predictor(codes), costs.double()) < 0.03
    far = 5 * torch.rand(50, SPACE.length, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert (predictor(far) > 0).all()
    assert (predictor(torch.zeros(1, SPACE.length)) > 0).all()
    again = fit_predictor(*measured)
    assert torch.equal(again(codes), predictor(codes)), "a function of seed and data"
    logits = [torch.randn(len(slot.choices), dtype=torch.float64, requires_grad=True) for slot in SPACE.slots]
    mixture = lambda *values: 1e3 * predictor(SPACE.mixed([value.softmax(0) for value in values]))
    assert torch.autograd.gradcheck(mixture, logits, rtol=1e-6)


def test_a_certain_mixture_costs_what_its_network_does(predictor):
    choices = draw_networks(SPACE, 5, 3)[-1]
    shares = []
    for slot in SPACE.slots:
        logits = torch.full((len(slot.choices),), -50.0, dtype=torch.float64)
        logits[slot.choices.index(choices[slot.name])] = 50.0
        shares.append(logits.softmax(0))
    torch.testing.assert_close(predictor(SPACE.mixed(shares)), predictor(SPACE.encode(choices)), rtol=1e-12, atol=0)


def test_generators_are_left_alone(measured):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    fit_predictor(*(part[:30] for part in measured), seed=4)
    assert torch.equal(torch.get_rng_state(), before)


def picked(shares, **options):
    codes_of = lambda codes: torch.tensor([cost(SPACE.decode(code)) for code in codes], dtype=torch.float64)
    given = {"target": None, "skip_cap": None, "count": 5, "seed": 0, **options}
    return shortlist(SPACE, shares, codes_of, **given)


SHARES = [torch.tensor([0.7, 0.2, 0.1])] + 3 * [torch.tensor([0.4, 0.3, 0.2, 0.1])] + [torch.tensor([0.1, 0.2, 0.7])]


def test_the_likeliest_network_comes_first():
    first, second, *_ = picked(SHARES)
    assert (first.choices["layers"], first.choices["width_0"], first.choices["operator"]) == (1, 8, "skip")
    assert first.likelihood > second.likelihood
    assert len(picked(SHARES)) == 5


def test_skips_are_capped():
    assert {one.choices["operator"] for one in picked(SHARES, skip_cap=0)} <= {"conv", "spectral"}
    with pytest.raises(UserError, match="skip_cap=0"):
        narrowed = SPACE.narrowed({"operator": ("skip",)})
        few = [*SHARES[:-1], torch.tensor([1.0])]
        shortlist(narrowed, few, lambda c: torch.ones(len(c)), target=None, skip_cap=0, count=1, seed=0)


@pytest.mark.parametrize("target", [1.1e-3, 3e-3, 8e-3])
def test_a_target_is_met_by_unlikely_networks(target):
    for one in picked(SHARES, target=target):
        assert one.cost == pytest.approx(target, rel=0.1)


def objective(**changes):
    def score(choices):
        return 1.0 / choices["layers"] + 8.0 / sum(choices[f"width_{i}"] for i in range(choices["layers"]))

    return Objective(SPACE, score, cost, 2e-3, 0.1, None)._replace(**changes)


def test_evolution_beats_chance_on_average():
    means = []
    for method in ("random", "evolution"):
        config = SearchConfig(method=method, trials=40, population=8)
        ends = [min(map(objective().value, run_trials(objective(), config, seed))) for seed in range(5)]
        means.append(sum(ends) / len(ends))
    assert means[1] < means[0]


@pytest.mark.parametrize("method", ["random", "evolution"])
def test_trials_are_a_function_of_the_seed_and_look_near_the_target(method):
    config = SearchConfig(method=method, trials=30, population=8)
    wanted = objective(target=3e-3)
    trials = run_trials(wanted, config, 1)
    assert trials == run_trials(wanted, config, 1)
    assert len(trials) == 30
    assert min(trials, key=wanted.value).cost == pytest.approx(3e-3, rel=0.11)
    with pytest.raises(UnsupportedError, match="hardly ever"):
        run_trials(objective(target=1.0), SearchConfig(method="random"), 0)


@pytest.mark.parametrize("method", ["tpe", "nsga2"])
def test_optuna_searches_the_same_space(method):
    optuna = pytest.importorskip("optuna")
    before = optuna.logging.get_verbosity()
    trials = run_trials(objective(), SearchConfig(method=method, trials=12, population=4), 0)
    assert optuna.logging.get_verbosity() == before
    assert len(trials) == 12
    assert trials == run_trials(objective(), SearchConfig(method=method, trials=12, population=4), 0)
    assert all(trial.choices == SPACE.canonical(trial.choices) for trial in trials)


def test_without_optuna_its_methods_say_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UnsupportedError, match=r"sciml\[search\]"):
        run_trials(objective(), SearchConfig(method="tpe"), 0)


def test_the_front_holds_what_nothing_beats():
    trials = [Trial({}, score, price) for score, price in ((3, 1), (2, 2), (2.5, 3), (1, 4), (1, 5))]
    assert [(one.score, one.cost) for one in pareto(trials)] == [(3, 1), (2, 2), (1, 4)]


def test_targets_are_of_one_cost():
    assert SearchConfig(target_latency_ms=3.0).wanted() == pytest.approx(3e-3)
    assert SearchConfig(cost="flops", target=1e6).wanted() == 1e6
    assert SearchConfig().wanted() is None
    with pytest.raises(ConfigError, match="latency alone"):
        SearchConfig(cost="flops", target_latency_ms=3.0).wanted()


def test_files_that_are_no_latency_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="sciml tool latency"):
        read_costs(tmp_path / "none.json")
    path = tmp_path / "bad.json"
    for text, words in (("[1, 2]", "latency file"), ('{"format": "sciml/costs/1"}', "latency file"), ("nan", "JSON")):
        path.write_text(text)
        with pytest.raises(UserError, match=words):
            read_costs(path)
    row = {
        "nets": [[0]],
        "costs": [1.0, 2.0],
        "spreads": [0.0],
        "flops": [1.0],
        "anchor": 1.0,
        "slots": {},
        "space": "a",
    }
    machine = {"processor": "p", "torch": "t"}
    conditions = {"device": "cpu", "threads": 1, "dtype": "float32", "batch": 1, "grid": []}
    path.write_text(json.dumps({"quantity": "latency", "machine": machine, "conditions": conditions, **row}))
    with pytest.raises(DataError, match="different lengths"):
        override(SearchConfig(), [f"latency={path}"])


def test_the_clock_of_the_processor_leaves_out_waiting():
    """A call that sleeps takes its time on the wall and next to none of the processor's; a busy one takes both."""

    def wait():
        time.sleep(0.005)

    (wall,) = measure_latencies({"wait": wait}, repeats=3, patience=0).values()
    (own,) = measure_latencies({"wait": wait}, repeats=3, patience=0, processor=True).values()
    assert wall.seconds == pytest.approx(0.005, rel=0.5)
    assert own.seconds < 0.002
    x = torch.randn(256, 256)
    same = measure_latencies({"one": lambda: x @ x, "two": lambda: x @ x}, processor=True, patience=2.0)
    assert same["one"].seconds == pytest.approx(same["two"].seconds, rel=0.3)
    with pytest.raises(UnsupportedError, match="GPU"):
        measure_latencies({"one": wait}, device="meta", processor=True)


def test_energy_is_measured_or_refused_with_the_reason():
    if any(os.access(path, os.R_OK) for path in Path("/sys/class/powercap").glob("intel-rapl:?/energy_uj")):
        assert measure_energy(lambda: torch.ones(100).sum(), seconds=0.01, repeats=1) >= 0
    else:
        with pytest.raises(UnsupportedError, match="energy counters"):
            measure_energy(lambda: None)


def test_costs_that_multiply_are_known_from_few_networks_and_those_that_add_up_are_a_table():
    """Layers times operator: a table that adds up misses by tens of per cent, factors by nothing."""
    nets = draw_networks(SPACE, 40, 0)
    codes = torch.stack([SPACE.encode(one) for one in nets])
    factor = {"conv": 1.0, "spectral": 4.0, "skip": 0.3}
    product = torch.tensor([one["layers"] * factor[one["operator"]] for one in nets], dtype=torch.float64)
    accuracy = assess(codes, product, product)
    assert accuracy.error < 2e-3
    assert accuracy.additive > 0.1
    noise = 1 + 0.02 * torch.randn(len(nets), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    added = noise * torch.tensor([one["layers"] + factor[one["operator"]] for one in nets], dtype=torch.float64)
    accuracy = assess(codes, added, product)
    assert accuracy.error <= 1.1 * accuracy.additive, "networks add no more than noise"


def test_the_table_is_a_straight_line_for_one_number():
    x = torch.linspace(1, 5, 9, dtype=torch.float64)[:, None]
    torch.testing.assert_close(fit_table(x, 2 + 3 * x[:, 0])(x), 2 + 3 * x[:, 0], rtol=1e-9, atol=0)
