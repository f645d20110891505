"""Global sparse momentum without training: selection, recurrence, budget, masks."""

import bisect
import copy
import math

import pytest
import torch
from torch import nn

from sciml.core.errors import UnknownNameError, UnsupportedError, UserError
from sciml.nn import SpectralConv, pack, structured_like
from sciml.nn.ssm import DiagonalStateSpace, ScannedStateSpace
from sciml.nn.structured import Blast, Monarch, Rectangle, Rectangles
from sciml.tools.prune import (
    GradualRule,
    Layer,
    PrunePlan,
    PruneRewrite,
    SparseMomentumRule,
    apply_masks,
    check_decay,
    check_held,
    check_outweighed,
    count_to_keep,
    decay_of,
    decode,
    encode,
    importance,
    largest,
    magnitudes,
    measure_product,
    prunable,
    split,
    weight_decay_for,
)
from sciml.train import TrainConfig, learning_rates

FLAT = {"warmup": 0.0, "clip": None, "optimiser": "sgd"}


class Rows(tuple):
    """A batch (inputs, targets)."""


def loss(module, batch, along):
    inputs, targets = batch
    return (module(inputs) - targets).square().mean()


def problem(seed=0):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    return module, Rows((torch.randn(16, 5).double(), torch.randn(16, 3).double()))


def rule_of(module, count, *, momentum=0.9, weight_decay=0.01, steps=50, adaptive=False, **changes):
    config = TrainConfig(steps=steps, learning_rate=0.05, final_learning_rate=0.05, weight_decay=weight_decay,
                         **{**FLAT, **changes})  # fmt: skip
    weights = prunable(module).weights
    return SparseMomentumRule(module, loss, config, weights=weights, count=count, momentum=momentum, adaptive=adaptive)


def test_exactly_q_entries_see_the_loss():
    module, batch = problem()
    rule = rule_of(module, 7)
    rule.step(batch, 0.0)
    assert int(rule.active.sum()) == 7
    gradients = [weight.tensor.grad for weight in rule.weights]
    assert sum(int((gradient != 0).sum()) for gradient in gradients) == 7
    assert all((layer.bias.grad != 0).all() for layer in (module[0], module[2])), "biases are left alone"


def test_ties_at_zero_do_not_let_every_entry_through():
    module, batch = problem()
    with torch.no_grad():
        module[0].weight.zero_()
        module[2].weight.zero_()  # every w ∂L/∂w is zero
    rule = rule_of(module, 7)
    rule.step(batch, 0.0)
    assert int(rule.active.sum()) == 7


@pytest.mark.parametrize("count", [0, 64])
def test_all_entries_is_plain_momentum_and_none_is_pure_decay(count):
    module, batch = problem()
    twin = copy.deepcopy(module)
    rule = rule_of(module, count)
    matrices, biases = [twin[0].weight, twin[2].weight], [twin[0].bias, twin[2].bias]
    plain = torch.optim.SGD([{"params": matrices, "weight_decay": 0.01}, {"params": biases}], lr=0.05, momentum=0.9)
    for _ in range(5):
        rule.step(batch, 0.0)
        plain.zero_grad()
        loss(twin, batch, 0.0).backward()
        for matrix in matrices:
            matrix.grad *= 0.0 if count == 0 else 1.0
        plain.step()
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), twin.parameters(), strict=True))


def test_the_others_follow_the_recurrence_of_the_budget():
    module, batch = problem()
    before = module[0].weight.detach().clone()
    rule, idle = rule_of(module, 3, momentum=0.9, weight_decay=0.02), torch.ones(8, 5, dtype=torch.bool)
    for _ in range(50):
        rule.step(batch, 0.0)
        idle &= ~split(rule.active, rule.weights)[0]
    assert idle.any()
    weight, velocity = 1.0, 0.0
    for _ in range(50):
        velocity = 0.9 * velocity + 0.02 * weight
        weight -= 0.05 * velocity
    torch.testing.assert_close(module[0].weight.detach()[idle], before[idle] * weight)


@pytest.mark.parametrize(("alpha", "beta", "eta"), [(1e-2, 0.99, 5e-4), (2e-2, 0.99, 1e-3), (5e-3, 0.9, 1e-3)])
def test_an_e_fold_from_rest_takes_the_steps_of_the_formula(alpha, beta, eta):
    formula = (1 - beta) / (alpha * eta)
    steps = bisect.bisect(range(round(2 * formula)), 1.0, key=lambda n: decay_of([alpha] * n, beta, eta))
    assert steps == pytest.approx(formula, rel=0.05)


def test_the_decay_saturates_where_the_formula_ends():
    """Beyond α η = (1 - √β)² an e-fold takes about 2 / (1 - β) steps, however large the weight decay."""
    beta, steps = 0.98, 2000
    limit = (1 - math.sqrt(beta)) ** 2 / 0.05
    for factor in (4, 16):
        assert decay_of([0.05] * steps, beta, factor * limit) == pytest.approx(steps * (1 - beta) / 2, rel=0.1)


def test_a_weight_decay_is_found_or_refused_before_training():
    rates = learning_rates(TrainConfig(steps=4000, learning_rate=0.02))
    eta = weight_decay_for(10.0, rates, 0.98)
    assert decay_of(rates, 0.98, eta) == pytest.approx(10.0, rel=1e-6)
    assert check_decay(rates, 0.98, eta) == pytest.approx(10.0)
    with pytest.raises(
        UserError, match=r"too large to be cut off; got weight_decay=.*e-folds in 4000 steps.*Set weight"
    ):
        check_decay(rates, 0.98, eta / 2)
    with pytest.raises(UserError, match=r"400 steps cannot decay.*Take about \d+ steps or more.*lower momentum"):
        weight_decay_for(10.0, rates[::10], 0.98)


def test_importance_is_the_change_of_the_loss_to_first_order():
    module, batch = problem()
    weights = prunable(module).weights
    ratios = []
    for size in (1e-2, 1e-4):
        trial = copy.deepcopy(module)
        with torch.no_grad():
            trial[0].weight[2, 3] = size
        at = prunable(trial).weights
        before = loss(trial, batch, 0.0)
        before.backward()
        predicted = importance(at)[2 * 5 + 3]
        with torch.no_grad():
            trial[0].weight[2, 3] = 0.0
            ratios.append(float((loss(trial, batch, 0.0) - before).abs() / predicted))
    assert abs(ratios[1] - 1) < 1e-2
    assert abs(ratios[1] - 1) < abs(ratios[0] - 1)
    assert len(importance(weights)) == 64


def _scores(kind, size):
    draw = torch.Generator().manual_seed(size)
    values = torch.randn(size, generator=draw).abs()
    return {
        "normal": values,
        "wide": values.exp() ** 20,
        "mostly zeros": values * (torch.rand(size, generator=draw) < 0.05),
        "few values": (3 * values).round(),
        "rows of one size": values.sort().values.view(-1, 64).T.reshape(-1),
        "sorted": values.sort(descending=True).values,
        "equal": torch.ones(size),
    }[kind]


@pytest.mark.parametrize("size", [64, 2**15, 2**17])
@pytest.mark.parametrize(
    "kind", ["normal", "wide", "mostly zeros", "few values", "rows of one size", "sorted", "equal"]
)
def test_the_largest_are_those_of_a_full_sort(kind, size):
    """Also where so many are compared that a sample says first which of them have to be ordered."""
    scores = _scores(kind, size)
    order = scores.argsort(descending=True, stable=True)
    for count in (0, 1, size // 10, size // 2, size - 1, size):
        wanted = torch.zeros(size, dtype=torch.bool).index_fill_(0, order[:count], True)
        assert torch.equal(largest(scores, count), wanted)


def test_scaling_two_linear_layers_against_each_other_changes_magnitudes_only():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 8), nn.Linear(8, 3)).double()
    batch = Rows((torch.randn(16, 5).double(), torch.randn(16, 3).double()))
    scaled = copy.deepcopy(module)
    with torch.no_grad():
        scaled[0].weight.mul_(10)
        scaled[0].bias.mul_(10)
        scaled[1].weight.div_(10)
    chosen = []
    for network in (module, scaled):
        loss(network, batch, 0.0).backward()
        weights = prunable(network).weights
        chosen.append((largest(importance(weights), 12), largest(magnitudes(weights), 12)))
    assert torch.equal(chosen[0][0], chosen[1][0])
    assert not torch.equal(chosen[0][1], chosen[1][1])


def test_the_selection_is_over_all_layers_together():
    module, batch = problem()
    loss(module, batch, 0.0).backward()
    weights = prunable(module).weights
    forwards = split(largest(importance(weights), 20), weights)
    backwards = split(largest(importance(weights[::-1]), 20), weights[::-1])
    assert all(torch.equal(a, b) for a, b in zip(forwards, backwards[::-1], strict=True))


def test_complex_entries_go_as_one():
    torch.manual_seed(0)
    layer = SpectralConv(3, 2, modes=2)
    (layer(torch.randn(2, 3, 8, 8)) ** 2).sum().backward()
    (weight,) = prunable(layer).weights
    assert weight.entries == weight.tensor.numel() // 2
    w, g = (torch.view_as_complex(t.detach()) for t in (layer.weight, layer.weight.grad))
    torch.testing.assert_close(importance([weight]), (w.conj() * g).real.abs().flatten())
    (mask,) = split(largest(importance([weight]), 5), [weight])
    assert torch.equal(mask[..., 0], mask[..., 1])
    assert int(mask.sum()) == 10
    whole = nn.Linear(3, 2, bias=False, dtype=torch.complex64)
    (whole(torch.randn(4, 3, dtype=torch.complex64)).abs() ** 2).sum().backward()
    (entry,) = prunable(whole).weights
    assert entry.entries == 6
    torch.testing.assert_close(importance([entry]), (whole.weight.conj() * whole.weight.grad).real.abs().flatten())


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2), (4, 3, 2, 2), (2, 2, 2, 2, 2)])
def test_weights_of_every_number_of_axes_are_found(shape):
    module = nn.ParameterDict({"weight": nn.Parameter(torch.randn(shape)), "bias": nn.Parameter(torch.randn(shape))})
    assert [weight.name for weight in prunable(module).weights] == ["weight"]


@pytest.mark.parametrize(
    "form",
    [
        Rectangles(
            blocks=(Rectangle(rows=(0, 4), columns=(2, 6), rank=2), Rectangle(rows=(4, 4), columns=(0, 8), rank=0))
        ),
        Monarch(blocks=2, rank=1),
        Blast(blocks=2, rank=2),
    ],
    ids=["blocks", "Monarch", "BLAST"],
)
def test_contents_of_structured_layers_are_weights(form):
    """Of one axis or several, complex ones as one; also where nothing is recorded a pruned layer answers as W x + b."""
    torch.manual_seed(0)
    layer = structured_like(nn.Linear(8, 8), form)
    found = prunable(layer).weights
    assert {weight.name for weight in found} == {f"operator.{name}" for name in layer.operator.contents}
    assert sum(weight.entries for weight in found) == sum(p.numel() for p in layer.operator.parameters())
    for weight, mask in zip(found, split(largest(magnitudes(found), 9), found), strict=True):
        pack(layer, weight.name, mask)
    x = torch.randn(3, 8)
    wanted = x @ layer.operator.to_dense().T + layer.bias
    torch.testing.assert_close(layer(x), wanted)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), wanted)
    assert sum(w.entries for w in prunable(layer).weights) == 9
    modes = structured_like(SpectralConv(8, 8, modes=2), form)
    assert {weight.pairs for weight in prunable(modes).weights} == {True}


def test_state_matrices_and_time_scales_are_pruned_only_when_asked():
    layer = ScannedStateSpace(4, state=8)
    found = prunable(layer)
    assert {weight.name for weight in found.weights} == {"drive", "output", "direct"}
    assert {weight.name: weight.pairs for weight in found.weights} == {"drive": True, "output": True, "direct": False}
    assert set(found.skipped) == {"log_decay", "frequency", "log_dt"}
    asked = prunable(layer, include=("log_dt",), keep=("drive",))
    assert {weight.name for weight in asked.weights} == {"log_dt", "output", "direct"}
    assert asked.skipped["drive"] == "the configuration keeps it"
    diagonal = {weight.name: weight.pairs for weight in prunable(DiagonalStateSpace(4, state=4, channels=1)).weights}
    assert diagonal == {"output": True, "direct": False}


def test_norms_biases_frozen_and_shared_parameters():
    module = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4), nn.Linear(4, 4), nn.BatchNorm1d(4))
    module[2].weight = module[0].weight
    module[3].weight.requires_grad_(False)
    assert [weight.name for weight in prunable(module).weights] == ["0.weight"]
    assert prunable(module).entries == 16
    with pytest.raises(UnknownNameError, match="9"):
        prunable(module, keep=("9",))
    with pytest.raises(UnsupportedError, match="no weights that can be pruned"):
        prunable(module, keep=("0", "2"))
    with pytest.raises(UnsupportedError, match="no weights that can be pruned"):
        prunable(nn.BatchNorm1d(3))


def test_counts_that_make_no_sense_are_refused():
    assert count_to_keep(1000, 10.0, None) == 100
    assert count_to_keep(1000, 10.0, 999) == 999
    with pytest.raises(UserError, match=r"got entries=1000; expected fewer than the 1000 prunable entries"):
        count_to_keep(1000, 10.0, 1000)
    with pytest.raises(UserError, match="no entry is left"):
        count_to_keep(5, 20.0, None)


@pytest.mark.parametrize("method", ["gsm", "magnitude"])
def test_weights_of_which_nothing_is_left_are_named(method):
    layers = {"encoder.weight": Layer(kept=0, entries=12), "mix.weight": Layer(kept=4, entries=20)}
    words = " ".join(PruneRewrite().findings(PrunePlan(method=method, masks={}, layers=layers, tail=0.1)).words)
    assert "Nothing is left of encoder.weight: what passes through there alone is lost. Set keep" in words
    assert ("take method=gsm" in words) == (method == "magnitude")
    layers["encoder.weight"] = Layer(kept=1, entries=12)
    kept = PruneRewrite().findings(PrunePlan(method=method, masks={}, layers=layers, tail=0.1)).words
    assert "Nothing is left" not in " ".join(kept)


@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4, 2)])
def test_a_mask_survives_its_text(shape):
    torch.manual_seed(0)
    mask = torch.rand(shape) < 0.3
    assert torch.equal(decode(encode(mask), shape), mask)
    with pytest.raises(UserError, match="damaged"):
        decode("?" + encode(mask)[1:], shape)
    with pytest.raises(UserError, match="of another network"):
        decode(encode(mask), (1000,))
    with pytest.raises(UserError, match="of another network"):
        decode(encode(torch.zeros(10**6, dtype=torch.bool)), shape)


def test_a_plan_of_another_module_changes_nothing():
    module, _ = problem()
    plan = PrunePlan(method="gsm", masks={"0.weight": encode(torch.ones(8, 5, dtype=torch.bool)), "7.weight": "AA"},
                     layers={}, tail=0.0)  # fmt: skip
    with pytest.raises(UserError, match=r"does not fit|mask does not fit"):
        apply_masks(module, plan)
    assert isinstance(module[0].weight, nn.Parameter)


def test_gradual_pruning_ends_at_the_count_and_keeps_zeros():
    module, batch = problem()
    config = TrainConfig(steps=40, learning_rate=0.01, weight_decay=0.1, warmup=0.0)
    rule = GradualRule(module, loss, config, weights=prunable(module).weights, count=6)
    left = []
    for step in range(40):
        gone = ~rule.kept
        rule.step(batch, step / 40)
        assert not (rule.kept & gone).any(), "an entry came back"
        left.append(int(rule.kept.sum()))
        assert rule.candidate == (step + 1 > 24)
    assert left == sorted(left, reverse=True)
    assert left[-1] == 6
    assert left[11] == pytest.approx(6 + 58 * 0.5**3, abs=6)
    assert sum(int((weight.tensor != 0).sum()) for weight in rule.weights) == 6


def test_with_the_solvers_own_optimiser_only_the_decay_has_momentum():
    """Entries that are never selected follow the recurrence; with all of them selected and no decay it is Adam."""
    module, batch = problem()
    before = module[0].weight.detach().clone()
    rule = rule_of(module, 3, momentum=0.9, weight_decay=0.02, optimiser="adamw", adaptive=True)
    idle = torch.ones(8, 5, dtype=torch.bool)
    for _ in range(50):
        rule.step(batch, 0.0)
        idle &= ~split(rule.active, rule.weights)[0]
    weight, velocity = 1.0, 0.0
    for _ in range(50):
        velocity = 0.9 * velocity + 0.02 * weight
        weight -= 0.05 * velocity
    assert idle.any()
    torch.testing.assert_close(module[0].weight.detach()[idle], before[idle] * weight)

    module, batch = problem()
    twin = copy.deepcopy(module)
    rule = rule_of(module, 64, weight_decay=0.0, optimiser="adamw", adaptive=True)
    plain = torch.optim.AdamW(twin.parameters(), lr=0.05, weight_decay=0.0, fused=True)
    for _ in range(5):
        rule.step(batch, 0.0)
        plain.zero_grad()
        loss(twin, batch, 0.0).backward()
        plain.step()
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), twin.parameters(), strict=True))


@pytest.mark.parametrize("kind", ["gsm", "adaptive", "gradual"])
def test_a_resumed_rule_takes_the_same_steps(kind):
    def make(module):
        if kind == "gsm":
            return rule_of(module, 9, steps=20)
        if kind == "adaptive":
            return rule_of(module, 9, steps=20, optimiser="adamw", adaptive=True)
        config = TrainConfig(steps=20, learning_rate=0.01)
        return GradualRule(module, loss, config, weights=prunable(module).weights, count=9)

    module, batch = problem()
    rule = make(module)
    for step in range(8):
        rule.step(batch, step / 20)
    twin = copy.deepcopy(module)
    other = make(twin)
    other.load_state_dict(copy.deepcopy(rule.state_dict()))
    for step in range(8, 20):
        rule.step(batch, step / 20)
        other.step(batch, step / 20)
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), twin.parameters(), strict=True))


def test_gradients_are_masked_after_accumulation():
    class Batch:
        def __init__(self, x, y):
            self.x, self.y = x, y

        def __len__(self):
            return len(self.x)

        def rows(self, rows):
            return Batch(self.x[rows], self.y[rows])

        def __iter__(self):
            return iter((self.x, self.y))

    module, (x, y) = problem()
    twin = copy.deepcopy(module)
    rule_of(module, 7).step(Batch(x, y), 0.0)
    split_up = rule_of(twin, 7, accumulate=4)
    split_up.step(Batch(x, y), 0.0)
    assert int(split_up.active.sum()) == 7
    for a, b in zip(module.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_a_pruned_network_can_be_pruned_further():
    module, _ = problem()
    mask = torch.zeros(8, 5, dtype=torch.bool)
    mask[:, :2] = True
    pack(module, "0.weight", mask)
    found = prunable(module)
    assert found.entries == 16 + 24
    kept = largest(magnitudes(found.weights), 10)
    for weight, part in zip(found.weights, split(kept, found.weights), strict=True):
        pack(module, weight.name, part)
    assert int((module[0].weight != 0).sum() + (module[2].weight != 0).sum()) == 10
    assert (module[0].weight[:, 2:] == 0).all()


def test_both_products_are_measured_on_the_same_numbers():
    torch.manual_seed(0)
    weight, x = torch.randn(64, 64), torch.randn(8, 64)
    full, rows = measure_product(weight, torch.rand(64, 64) < 0.05, x, 0.0)
    assert 0 < full < 1
    assert 0 < rows < 1


def test_beside_an_optimiser_of_bounded_steps_a_weight_is_held_up_to_a_limit():
    """AdamW gives back α a step and the decay takes α η w / (1 - β): w settles at (1 - β) / η, short of 1."""
    module = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(module.weight)
    config = TrainConfig(
        steps=3000, learning_rate=1e-3, final_learning_rate=1e-3, weight_decay=1.0, warmup=0.0, clip=None
    )
    weights = prunable(module).weights
    rule = SparseMomentumRule(
        module, lambda net, x, _: (net(x) - 1).square().mean(), config, weights=weights, count=1, momentum=0.8,
        adaptive=True,
    )  # fmt: skip
    for _ in range(3000):
        rule.step(torch.ones(4, 1), 0.0)
    assert module.weight.item() == pytest.approx(0.2, rel=0.05)


def test_a_decay_stronger_than_the_optimisers_steps_is_refused():
    sizes, common = torch.linspace(0.5, 1.5, 101), {"momentum": 0.8, "learning_rate": 1e-3, "steps": 600}
    check_held(sizes, weight_decay=0.7, **common)
    with pytest.raises(UserError, match=r"above 0.1 shrinks.*above 1;.*of 0.25 or more.*learning_rate=0.01, take 6000"):
        check_held(sizes, weight_decay=2.0, **common)


def test_a_decay_that_outweighs_the_loss_is_refused():
    """Where η/2 Σ w² of the weights to keep is more than the loss of zeros, zeros are the better end."""
    sizes, common = torch.full((50,), 2.0), {"learning_rate": 0.1, "steps": 600}
    check_outweighed(sizes, (0.1, 1.1), weight_decay=0.02, **common)
    with pytest.raises(UserError, match=r"a penalty of 20, where.*is 1 of loss;.*Take 20 times as many steps"):
        check_outweighed(sizes, (0.1, 1.1), weight_decay=0.2, **common)
    with pytest.raises(UserError, match="far more steps"):  # a network no better than zeros
        check_outweighed(sizes, (1.1, 1.1), weight_decay=0.2, **common)
