"""Tversky layers: values against a loop over features, identities, XOR, smoothness, memory, dead features."""

import itertools
import math

import pytest
import torch
from torch import nn

from sciml.core import rng
from sciml.core.errors import ConfigError, UnknownNameError, UserError
from sciml.nn.tversky import (
    FeatureBank,
    Measure,
    TverskyProjection,
    TverskySimilarity,
    parse_query,
    rank,
    revive,
    salience,
    tversky_projection,
    watch_activity,
)
from sciml.tools.cost import peak_memory

KINDS = ("product", "min", "max", "mean", "gmean", "softmin")
THETA, ALPHA, BETA = 1.25, 0.75, 0.25  # exact in single precision
PSI = {
    "product": lambda a, b: a * b,
    "min": min,
    "max": max,
    "mean": lambda a, b: (a + b) / 2,
    "gmean": lambda a, b: math.sqrt(a * b),
    "softmin": lambda a, b: -math.log(math.exp(-a) + math.exp(-b)),
}


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=rng.generator(seed), dtype=torch.float64)


def similarity(features=7, channels=5, **choices):
    bank = FeatureBank(features, channels).double()
    bank.weight.data = drawn(features, channels, seed=1)
    return TverskySimilarity(bank, measure=Measure(**choices), theta=THETA, alpha=ALPHA, beta=BETA).double()


def by_loop(a, b, weight, model, kind, differing):
    """The equations, feature by feature."""
    products = [(float(a @ f), float(b @ f)) for f in weight]
    common = sum(PSI[kind](x, y) for x, y in products if x > 0 and y > 0)

    def without(pairs):
        total = sum(x for x, y in pairs if x > 0 and y <= 0)
        if differing == "subtractmatch":
            total += sum(x - y for x, y in pairs if x > 0 and y > 0 and x > y)
        return total

    ours, theirs = without(products), without([(y, x) for x, y in products])
    if model == "contrast":
        return THETA * common - ALPHA * ours - BETA * theirs
    return common / (common + ALPHA * ours + BETA * theirs + 1)


@pytest.mark.parametrize(
    ("kind", "differing", "model"),
    list(itertools.product(KINDS, ("ignorematch", "subtractmatch"), ("contrast", "ratio"))),
)
def test_every_measure_is_that_of_the_loop(kind, differing, model):
    layer = similarity(intersection=kind, difference=differing, model=model)
    a, b = drawn(6, 5, seed=2), drawn(4, 5, seed=3)
    expected = torch.tensor([[by_loop(x, y, layer.bank.weight.detach(), model, kind, differing) for y in b] for x in a])
    torch.testing.assert_close(layer.matrix(a, b).detach(), expected.double(), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(layer(a[:4], b).detach(), expected.double().diagonal(), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("differing", ["ignorematch", "subtractmatch"])
def test_sums_first_agree_for_product_and_mean_and_ignorematch_alone(kind, differing):
    a, b = drawn(6, 5, seed=2), drawn(4, 5, seed=3)
    each = similarity(intersection=kind, difference=differing).matrix(a, b)
    first = similarity(intersection=kind, difference=differing, reduction="sum_first").matrix(a, b)
    same = kind in ("product", "mean") and differing == "ignorematch"
    assert torch.allclose(each, first, atol=1e-9) == same
    assert first.isfinite().all()


def test_sums_first_of_empty_intersections_have_finite_gradients():
    layer = similarity(intersection="gmean", reduction="sum_first")
    a = torch.zeros(1, 5, dtype=torch.float64, requires_grad=True)
    layer.matrix(a, drawn(4, 5)).sum().backward()
    assert a.grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_xor_is_told_by_one_layer_of_two_features(kind):
    bank = FeatureBank(2, 2)
    bank.weight.data = torch.tensor([[-1.0, 0.5], [0.5, -1.0]])
    layer = TverskySimilarity(bank, measure=Measure(intersection=kind), theta=1.0, alpha=2.0, beta=0.5)
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    scores = layer.matrix(corners, torch.tensor([[-1.0, -1.0], [0.0, 0.0]]))
    margin = (scores[:, 0] - scores[:, 1]).detach()
    assert (margin > 0).tolist() == [False, True, True, False]
    if kind == "product":
        torch.testing.assert_close(margin, torch.tensor([-0.5, 1.0, 1.0, -0.5]))


def test_xor_is_learned_from_some_of_twenty_starts():
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    labels = torch.tensor([0, 1, 1, 0])
    for seed in range(20):
        layer = tversky_projection(2, 2, features=8, nonnegative=True, generator=rng.generator(seed))
        optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
        for _ in range(150):
            optimiser.zero_grad()
            nn.functional.cross_entropy(layer(corners), labels).backward()
            optimiser.step()
        if layer(corners).argmax(1).equal(labels):
            return
    pytest.fail("no start learned it")


def test_product_and_ignorematch_are_a_net_of_ramps_and_steps():
    layer = similarity()
    a, p, weight = drawn(6, 5, seed=2), drawn(4, 5, seed=3), layer.bank.weight
    hidden, absent = (a @ weight.T).relu(), 1 - (a @ weight.T > 0).double()
    has = p @ weight.T
    first = THETA * has.relu() - ALPHA * (has <= 0).double()
    torch.testing.assert_close(layer.matrix(a, p), hidden @ first.T - BETA * absent @ has.relu().T, atol=1e-9, rtol=0)


def test_without_gates_and_with_unit_features_it_is_the_dot_product():
    bank = FeatureBank(5, 5).double()
    bank.weight.data = torch.eye(5, dtype=torch.float64)
    layer = TverskySimilarity(bank, measure=Measure(gate="none"), theta=1.0, alpha=0.0, beta=0.0).double()
    a, b = drawn(6, 5, seed=2), drawn(4, 5, seed=3)
    assert torch.equal(layer.matrix(a, b), a @ b.T)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gate", ["hard", "smooth"])
def test_gradients_are_right_away_from_steps(kind, gate):
    layer = similarity(intersection=kind, difference="subtractmatch", gate=gate)
    a, b = drawn(3, 5, seed=2).requires_grad_(), drawn(2, 5, seed=3).requires_grad_()
    assert ((torch.cat((a, b)) @ layer.bank.weight.T).abs() > 1e-3).all()
    assert torch.autograd.gradcheck(layer.matrix, (a, b))


@pytest.mark.parametrize("kind", KINDS)
def test_smooth_gates_have_second_derivatives_and_tend_to_hard_ones(kind):
    a, b = drawn(3, 5, seed=2), drawn(2, 5, seed=3)
    choices = {"intersection": kind, "difference": "subtractmatch"}
    hard = similarity(**choices).matrix(a, b)
    soft = [similarity(**choices, gate="smooth", temperature=tau).matrix(a, b) for tau in (0.1, 0.01, 0.001)]
    errors = [float((values - hard).detach().abs().max()) for values in soft]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-2
    smooth = similarity(intersection=kind, difference="subtractmatch", gate="smooth")
    assert torch.autograd.gradgradcheck(smooth.matrix, (a.requires_grad_(), b.requires_grad_()))


def test_hard_gates_jump_where_a_feature_appears_and_smooth_ones_do_not():
    def jump(gate):
        bank = FeatureBank(1, 1).double()
        bank.weight.data.fill_(1.0)
        layer = TverskySimilarity(bank, measure=Measure(gate=gate)).double()
        ends = layer.matrix(torch.tensor([[-1e-9], [1e-9]]).double(), torch.ones(1, 1).double())
        return float((ends[1] - ends[0]).detach().abs())

    assert jump("hard") == pytest.approx(0.5, abs=1e-6)
    assert jump("smooth") < 1e-6


def test_similarity_is_asymmetric_and_swapping_its_weights_undoes_a_swap():
    layer, turned = similarity(intersection="mean"), similarity(intersection="mean")
    turned.alpha.data, turned.beta.data = layer.beta.data, layer.alpha.data
    a, b = drawn(6, 5, seed=2), drawn(4, 5, seed=3)
    assert not torch.allclose(layer.matrix(a, b), layer.matrix(b, a).T)
    torch.testing.assert_close(layer.matrix(a, b), turned.matrix(b, a).T)


def test_ratios_lie_between_zero_and_one():
    scores = similarity(model="ratio").matrix(10 * drawn(50, 5, seed=2), drawn(40, 5, seed=3))
    assert (scores >= 0).all()
    assert (scores < 1).all()


def test_an_object_differs_from_itself_in_nothing():
    layer = similarity()
    a = drawn(6, 5, seed=2)
    strength = layer.sets(a).strength
    torch.testing.assert_close(layer(a, a), THETA * strength.square().sum(1))
    assert salience(layer.sets(torch.zeros(1, 5).double())).tolist() == [0.0]


def test_order_of_features_is_nothing_and_scale_of_objects_scales_every_term():
    layer = similarity()
    a, b = drawn(6, 5, seed=2), drawn(4, 5, seed=3)
    before, half = layer.matrix(a, b), layer.matrix(0.5 * a, b)
    products = a @ layer.bank.weight.T
    constant = -BETA * (1 - (products > 0).double()) @ (b @ layer.bank.weight.T).relu().T
    torch.testing.assert_close(half - constant, 0.5 * (before - constant))
    layer.bank.weight.data = layer.bank.weight.data.flip(0)
    torch.testing.assert_close(layer.matrix(a, b), before)


@pytest.mark.parametrize("kind", ["min", "softmin"])
def test_chunks_change_nothing_but_the_memory(kind):
    def made(chunk):
        layer = similarity(64, 16, intersection=kind, difference="subtractmatch", chunk=chunk).float()
        a, b = drawn(128, 16, seed=2).float().requires_grad_(), drawn(96, 16, seed=3).float()
        memory = peak_memory(lambda: layer.matrix(a, b).sum().backward())
        return memory, layer.bank.weight.grad / 2, layer.matrix(a, b).detach()

    (whole, gradient, values), (some, other_gradient, other) = made(2**30), made(2**16)
    torch.testing.assert_close(values, other)
    torch.testing.assert_close(gradient, other_gradient, rtol=1e-4, atol=1e-4)
    assert some < 0.25 * whole


def test_half_precision_is_summed_in_single():
    layer = tversky_projection(16, 4, features=4096, generator=rng.generator(0))
    x = 100 * torch.randn(3, 16, generator=rng.generator(1))
    with torch.autocast("cpu", torch.float16):
        assert layer(x).isfinite().all()
    torch.testing.assert_close(layer(x.half()), layer(x.half().float()))


def test_layers_share_a_bank_and_prototypes():
    bank = FeatureBank(8, 6, generator=rng.generator(0))
    first = TverskyProjection(6, 6, TverskySimilarity(bank), generator=rng.generator(1))
    second = TverskyProjection(6, 6, TverskySimilarity(bank), prototypes=first.prototypes)
    network = nn.Sequential(first, nn.Tanh(), second)
    assert sum(p.numel() for p in network.parameters()) == 8 * 6 + 6 * 6 + 2 * 3
    network(drawn(5, 6).float()).sum().backward()
    assert bank.weight.grad.abs().sum() > 0
    with pytest.raises(UserError, match="do not fit"):
        TverskyProjection(6, 5, TverskySimilarity(bank), prototypes=first.prototypes)


def test_dead_features_are_seen_and_get_gradients_again():
    layer = tversky_projection(6, 3, features=10, nonnegative=True, generator=rng.generator(0))
    layer.bank.weight.data[[2, 7]] = -1.0  # of nonnegative objects
    x = torch.rand(40, 6, generator=rng.generator(1))
    with watch_activity(layer) as activities:
        layer(x)
    activity = activities[layer.bank]
    assert activity.objects == 40 + 3
    assert activity.dead.nonzero().flatten().tolist() == [2, 7]
    layer(x).sum().backward()
    assert layer.bank.weight.grad[2].abs().max() == 0
    assert revive(layer.bank, activity, rng.generator(2)) == 2
    layer.zero_grad()
    layer(x).sum().backward()
    assert (layer.bank.weight.grad[[2, 7]].abs().amax(1) > 0).all()
    with watch_activity(layer) as again:
        layer(x)
    assert not again[layer.bank].dead.any()
    assert revive(layer.bank, again[layer.bank]) == 0
    assert not layer.bank._forward_hooks


def test_no_difference_no_new_feature():
    layer = tversky_projection(2, 1, features=3, nonnegative=True)
    layer.bank.weight.data.fill_(-1.0)
    layer.prototypes.data.fill_(1.0)
    with watch_activity(layer) as activities:
        layer(torch.ones(5, 2))
    with pytest.raises(UserError, match="differences of objects"):
        revive(layer.bank, activities[layer.bank])


SETS = {
    "A": torch.tensor([1, 1, 1, 0, 0]).bool(),
    "B": torch.tensor([0, 1, 1, 1, 0]).bool(),
    "C": torch.tensor([0, 0, 1, 0, 1]).bool(),
    "2 b": torch.tensor([1, 0, 0, 0, 0]).bool(),
}


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("A & B - C", [1]),
        ("A&(B-C)", [1]),
        ("A - B & C", []),
        ("A - (B & C)", [0, 1]),
        ("C | A & B", [1, 2, 4]),
        (" 'A' - '2 b' ", [1, 2]),
        ("((A))", [0, 1, 2]),
    ],
)
def test_queries_are_read_as_sets(text, members):
    assert parse_query(text, SETS).nonzero().flatten().tolist() == members


@pytest.mark.parametrize(
    "text",
    [
        *("", "A &", "& A", "A B", "(A", "A)", "A ^ B", "A.__class__", "A; B", "f(A)", "1 & A", "'A", "A" * 600),
        "(" * 40 + "A" + ")" * 40,
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(UserError):
        parse_query(text, SETS)


def test_an_unknown_set_names_the_known_ones():
    with pytest.raises(UnknownNameError, match="A"):
        parse_query("A & D", SETS)


def test_samples_are_ranked_by_the_salience_within_the_query():
    strength = torch.tensor([[1.0, 2.0, 9.0, 0.0, 0.0], [0.0, 3.0, 0.0, 0.0, 5.0]])
    assert rank(strength, parse_query("A & B - C", SETS)).tolist() == [2.0, 3.0]


@pytest.mark.parametrize("choice", ["model", "intersection", "difference", "reduction", "gate"])
def test_unknown_choices_are_refused(choice):
    with pytest.raises(UnknownNameError):
        Measure(**{choice: "cosine"})


def test_numbers_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError):
        Measure(temperature=0.0)
    with pytest.raises(UserError):
        FeatureBank(0, 3)
    with pytest.raises(UserError, match="channels"):
        tversky_projection(3, 2, features=4)(torch.ones(5, 4))
