"""Populations of networks: each is what it would be alone, and the numbers of a sample are those of the network."""

import copy
import importlib
import math

import pytest
import torch

from sciml.core import registry, rng
from sciml.core.errors import UserError
from sciml.tools.network import neuron_activity, node_strengths, signature, trace, train_population

SIGNATURES, HEALTH = (registry.problem(name) for name in ("network_signatures", "network_health"))
zoo = importlib.import_module("sciml_problems.network_signatures.zoo")
ward = importlib.import_module("sciml_problems.network_health.ward")


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_networks_side_by_side_are_those_trained_alone(architecture):
    draws = [rng.generator(number, architecture) for number in range(2)]
    builder = {"dense": zoo.dense, "autoencoder": zoo.autoencoder, "convolutional": zoo.convolutional,
               "residual": zoo.residual}[architecture]  # fmt: skip
    networks = [zoo.drawn(builder("tanh", True), draw) for draw in draws]
    x, y = (torch.stack(part) for part in zip(*(zoo.waves(draw) for draw in draws), strict=True))
    alone = [copy.deepcopy(network) for network in networks]
    members = train_population(networks, x, y, steps=5, learning_rate=1e-2)
    for place, network in enumerate(alone):
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
        for _ in range(5):
            optimiser.zero_grad()
            loss = (network(x[place]) - y[place]).square().mean()
            loss.backward()
            optimiser.step()
        assert members[place].loss == pytest.approx(float(loss.detach()), rel=1e-9)
        for ours, theirs in zip(networks[place].parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)
        seen = signature(
            trace(network, lambda network=network, place=place: network(x[place][:2])),
            neuron_activity(network, lambda network=network, place=place: network(x[place])),
        )
        for kind, values in seen.items():
            assert members[place].signature[kind] == pytest.approx(values, rel=1e-6, abs=1e-8)


def test_a_row_holds_the_moments_of_the_network():
    (network,) = [zoo.drawn(zoo.dense("relu", False), rng.generator(0))]
    x, y = (part[None] for part in zoo.waves(rng.generator(1)))
    (member,) = train_population([network], x, y, steps=2, learning_rate=1e-2)
    row = member.row
    assert set(row) == {field.name for field in SIGNATURES.fields} == {field.name for field in HEALTH.fields}
    first = network[0].weight.double() * network[0].in_features ** 0.5
    assert math.sinh(row["links_first_weights_mean"]) == pytest.approx(float(first.detach().mean()))
    nodes = {layer.name: layer.normalised for layer in node_strengths(trace(network, lambda: network(x[0][:2])))}
    fluctuation = float(nodes["0"].double().std(correction=0))
    assert math.sinh(row["nodes_first_strength_std"]) == pytest.approx(fluctuation)
    active = network[1](network[0](x[0])).detach().mean(0)
    assert math.sinh(row["neurons_first_activation_mean"]) == pytest.approx(float(active.mean()))
    assert row["training_loss"] == pytest.approx(math.log(member.loss))


def test_what_is_no_population_is_refused():
    x, y = (part[None] for part in zoo.waves(rng.generator(1)))
    network = zoo.drawn(zoo.dense("relu", False), rng.generator(0))
    for networks, steps in (([], 1), ([network, network], 1), ([network], 0)):
        with pytest.raises(UserError, match=f"got {len(networks)} networks, 1 sets of inputs"):
            train_population(networks, x, y, steps=steps, learning_rate=1e-2)


def test_networks_are_drawn_by_number_and_always_the_same():
    first, again = (zoo.family("convolutional", "gelu", range(n), more=False) for n in (1, 2))
    assert first[0].row == pytest.approx(again[0].row, rel=1e-6, abs=1e-8)
    assert first[0].row["training_loss"] != pytest.approx(again[1].row["training_loss"], rel=1e-6)


@pytest.mark.parametrize("nonlinearity", ward.ACTIVATIONS)
def test_faults_are_what_they_are_called(nonlinearity):
    numbers = range(2)
    found = {fault: ward.family(fault, nonlinearity, numbers) for fault in HEALTH.classes}
    losses = {fault: sum(member.loss for member in members) / 2 for fault, members in found.items()}
    assert all(losses["healthy"] < loss for fault, loss in losses.items() if fault != "healthy")
    healthy, dead = (found[fault][0].signature["neurons"] for fault in ("healthy", "dead"))
    if nonlinearity == "relu":
        assert dead["first/activation_spread/mean"] < 0.1 * healthy["first/activation_spread/mean"]
    else:
        assert dead["first/flat/mean"] > 0.5 > 0.1 > healthy["first/flat/mean"]
    large, sound = (found[fault][0].signature["links"]["middle/weights/std"] for fault in ("large", "healthy"))
    assert 6 < large / sound < 10
    x, y = ward.rows("healthy", rng.generator(3))
    same, shuffled = ward.rows("shuffled", rng.generator(3))
    assert torch.equal(x, same)
    assert not torch.equal(y, shuffled)
    assert torch.equal(y.flatten().sort().values, shuffled.flatten().sort().values)


@pytest.mark.slow
@pytest.mark.parametrize("problem", [SIGNATURES, HEALTH], ids=lambda problem: problem.name)
def test_every_kind_has_as_many_networks_and_all_numbers_are_finite(problem):
    features, labels = problem.samples()
    assert features.shape == (192, 73)
    assert features.isfinite().all()
    assert torch.bincount(labels).tolist() == [192 // len(problem.classes)] * len(problem.classes)
    assert len(features.unique(dim=0)) == 192
