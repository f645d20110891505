"""Networks as graphs: strengths against explicit graphs, neurons on data, health, distances, what watching costs."""

import copy
import math
import time

import networkx
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from sciml.core import rng
from sciml.core.errors import UserError
from sciml.models import DeepONet
from sciml.nn import MLP, SpectralConv, pack
from sciml.nn.ssm import LinearStateSpace
from sciml.nn.structured import MonarchMatrix, Shape, StructuredAffine
from sciml.nn.tversky import tversky_projection
from sciml.tools.network import (
    WatchedRule,
    diagnose,
    fluctuation,
    js_divergence,
    mode_strengths,
    neuron_activity,
    node_strengths,
    recurrent_strengths,
    state_space_strengths,
    trace,
    unfolded_strengths,
)
from sciml.train import GradientRule, TrainConfig


def seeded(network, seed=0):
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=rng.generator(seed, number)))
    return network.double()


def strengths(network, x, **choices):
    """Node strengths by name."""
    return {layer.name: layer.strength for layer in node_strengths(trace(network, lambda: network(x)), **choices)}


def graph_strengths(graph):
    """In- and out-degree by weight of every node."""
    return {node: graph.in_degree(node, "weight") + graph.out_degree(node, "weight") for node in graph}


def dense_graph(weights):
    """A multipartite graph of matrices ``out in``."""
    graph = networkx.DiGraph()
    for level, weight in enumerate(weights):
        for j, i in np.ndindex(*weight.shape):
            graph.add_edge((level, i), (level + 1, j), weight=float(weight[j, i]))
    return graph


def test_a_net_of_dense_layers_is_its_graph():
    network = seeded(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)))
    x = torch.ones(5, 3).double()
    found = strengths(network, x, bias=False, boundary=False)
    graph = graph_strengths(dense_graph([network[0].weight.detach(), network[2].weight.detach()]))
    for level, name in enumerate(["input of 0", "0", "2"]):
        expected = [graph[level, k] for k in range(len(found[name]))]
        np.testing.assert_allclose(found[name].detach().numpy(), expected, atol=1e-14)
        assert fluctuation(found[name]) == pytest.approx(np.std(expected), rel=1e-12)
    full = strengths(network, x)
    torch.testing.assert_close(full["input of 0"], found["input of 0"] + 1)
    torch.testing.assert_close(full["0"], found["0"] + network[0].bias)
    torch.testing.assert_close(full["2"], found["2"] + network[2].bias + 1)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_is_its_unrolled_graph(stride):
    conv = seeded(nn.Conv2d(2, 3, 3, stride=stride, padding=1))
    second = seeded(nn.Conv2d(3, 1, 1), 1)
    network = nn.Sequential(conv, nn.ReLU(), second)
    x = torch.ones(1, 2, 5, 5).double()
    found = strengths(network, x, bias=False, boundary=False)
    graph, size = networkx.DiGraph(), conv(x).shape[-1]
    for o, y, z, c, dy, dz in np.ndindex(3, size, size, 2, 3, 3):
        row, column = stride * y + dy - 1, stride * z + dz - 1
        if 0 <= row < 5 and 0 <= column < 5:
            graph.add_edge(("in", c, row, column), ("mid", o, y, z), weight=float(conv.weight[o, c, dy, dz].detach()))
    for o, y, z in np.ndindex(3, size, size):
        graph.add_edge(("mid", o, y, z), ("out", 0, y, z), weight=float(second.weight[0, o, 0, 0].detach()))
    expected = graph_strengths(graph)
    for name, part in (("input of 0", "in"), ("0", "mid"), ("2", "out")):
        values = found[name].detach()
        for place in np.ndindex(*values.shape):
            assert float(values[place]) == pytest.approx(expected.get((part, *place), 0.0), abs=1e-12)


def test_a_recurrent_layer_is_its_graph_unfolded():
    steps, u, w, v = 4, torch.randn(3, 2).double(), torch.randn(3, 3).double(), torch.randn(2, 3).double()
    bias = torch.randn(3).double()
    graph = networkx.DiGraph()
    for t in range(steps):
        for k in range(3):
            for i in range(2):
                graph.add_edge(("x", t, i), ("h", t, k), weight=float(u[k, i]))
            for o in range(2):
                graph.add_edge(("h", t, k), ("y", t, o), weight=float(v[o, k]))
            for j in range(3):
                if t:
                    graph.add_edge(("h", t - 1, j), ("h", t, k), weight=float(w[k, j]))
    expected = graph_strengths(graph)
    found = unfolded_strengths(u, w, bias, v, steps) - bias
    for t, k in np.ndindex(steps, 3):
        assert float(found[t, k]) == pytest.approx(expected["h", t, k], abs=1e-12)
    torch.testing.assert_close(found[1], found[2])
    with pytest.raises(UserError):
        unfolded_strengths(u, w, bias, v, 0)


def test_recurrent_layers_of_torch_are_unfolded_with_all_their_gates():
    layer = seeded(nn.RNN(2, 3))
    u, w, bias = layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0 + layer.bias_hh_l0
    expected = unfolded_strengths(u.detach(), w.detach(), bias.detach(), torch.zeros(1, 3).double(), 4)
    torch.testing.assert_close(recurrent_strengths(layer, 4), expected)
    gated = seeded(nn.LSTM(2, 3, bias=False))
    between = recurrent_strengths(gated, 3)[1]
    total = gated.weight_ih_l0.sum() + 2 * gated.weight_hh_l0.sum()
    torch.testing.assert_close(between.sum(), total.detach())


@pytest.mark.parametrize("mean_inputs", [False, True])
def test_a_state_space_layer_is_its_graph_unfolded(mean_inputs):
    """Two features of three states with two outputs each, over four times, against the graph and against its steps."""
    steps, layer = 4, seeded(LinearStateSpace(2, state=3, channels=2, dt_range=(0.1, 0.5), mean_inputs=mean_inputs))
    found, system = state_space_strengths(layer, steps), layer.system()
    assert found.shape == (steps, 2, 3)
    for feature in range(2):
        graph, a, b = networkx.DiGraph(), system.matrix[feature].tolist(), system.drive[feature].tolist()
        for t, k in np.ndindex(steps, 3):
            for source in (t, t - 1) if mean_inputs else (t,):
                graph.add_edge(("u", source), ("x", t, k), weight=b[k] / (1 + mean_inputs))
            for o in range(2):
                graph.add_edge(("x", t, k), ("y", t, o), weight=float(layer.output[feature, o, k].detach()))
            for j in range(3) if t else ():
                graph.add_edge(("x", t - 1, j), ("x", t, k), weight=a[k][j])
        expected = graph_strengths(graph)
        for t, k in np.ndindex(steps, 3):
            assert float(found[t, feature, k]) == pytest.approx(expected["x", t, k], abs=1e-6)
    torch.testing.assert_close(found[1], found[2])
    assert not torch.allclose(found[0], found[1])


@pytest.mark.parametrize("convolution", [False, True])
def test_pruned_layers_are_the_graph_of_the_entries_that_are_left(convolution):
    def made():
        if convolution:
            return seeded(nn.Sequential(nn.Conv1d(2, 3, 3), nn.Tanh(), nn.Conv1d(3, 2, 1)))
        return seeded(nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)))

    x = torch.randn(2, 2, 5).double() if convolution else torch.randn(2, 4).double()
    plain, pruned = made(), made()
    for layer, packed in zip(plain, pruned, strict=True):
        if hasattr(layer, "weight"):
            kept = layer.weight.detach().abs() > 0.5
            with torch.no_grad():
                layer.weight.mul_(kept)
            pack(packed, "weight", kept)
    expected, found = (trace(network, lambda network=network: network(x)) for network in (plain, pruned))
    assert list(found.links) == list(expected.links) == ["0", "2"]
    for (name, theirs), ours in zip(strengths(plain, x).items(), strengths(pruned, x).values(), strict=True):
        torch.testing.assert_close(ours, theirs, msg=name)
    for name, link in found.links.items():
        dense = plain[int(name)].weight.detach()
        assert len(link.weights) == int((dense != 0).sum()) < dense.numel()
        assert link.fan_in == pytest.approx(len(link.weights) / len(dense))
    neurons = neuron_activity(pruned, lambda: pruned(x))
    torch.testing.assert_close(neurons["0"].strength, neuron_activity(plain, lambda: plain(x))["0"].strength)


def test_structured_layers_are_the_graph_of_their_matrix():
    middle = StructuredAffine(MonarchMatrix(Shape(6, 6), blocks=2))
    network = seeded(nn.Sequential(nn.Linear(4, 6), nn.Tanh(), middle, nn.Tanh(), nn.Linear(6, 3)))
    dense = copy.deepcopy(network)
    dense[2] = nn.Linear(6, 6).double()
    with torch.no_grad():
        dense[2].weight.copy_(middle.weight)
        dense[2].bias.copy_(middle.bias)
    x = torch.randn(2, 4).double()
    assert strengths(network, x).keys() == strengths(dense, x).keys() == {"input of 0", "0", "2", "4"}
    for name, theirs in strengths(dense, x).items():
        torch.testing.assert_close(strengths(network, x)[name], theirs, msg=name)
    assert list(neuron_activity(network, lambda: network(x))) == ["0", "2", "4"]


def test_links_of_modes_are_those_of_the_complex_weight():
    layer = SpectralConv(2, 3, modes=2, dims=1)
    weight = torch.view_as_complex(layer.weight.detach())
    torch.testing.assert_close(mode_strengths(layer), weight.abs().mean((1, 2)))


def test_an_autoencoder_is_the_chain_of_encoder_and_decoder():
    encoder, decoder = seeded(MLP(6, 2, width=5)), seeded(MLP(2, 6, width=5), 1)
    chain = nn.Sequential(*encoder.layers, *decoder.layers)

    class Coder(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = encoder, decoder

        def forward(self, x):
            return self.decoder(self.encoder(x))

    x = torch.ones(3, 6).double()
    both, one = strengths(Coder(), x), strengths(chain, x)
    assert len(both) == len(one) == 5
    for first, second in zip(both.values(), one.values(), strict=True):
        torch.testing.assert_close(first, second)


def test_out_strengths_of_a_layer_and_in_strengths_of_the_next_have_one_sum():
    network = seeded(nn.Sequential(nn.Conv1d(2, 4, 3, padding=1), nn.GELU(), nn.Conv1d(4, 3, 3, stride=2)))
    wiring = trace(network, lambda: network(torch.ones(2, 2, 9).double()))
    torch.testing.assert_close(wiring.onward["0"].sum(), wiring.links["2"].inputs.sum())
    assert wiring.followers == {"0": ("2",), "2": ()}
    assert wiring.sources == ("0",)


class Skip(nn.Module):
    """A concatenation, an addition and a pooling between layers."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Conv1d(1, 2, 1), nn.Conv1d(2, 2, 1), nn.Conv1d(4, 1, 1)

    def forward(self, x):
        h = torch.tanh(self.first(x))
        coarse = functional.avg_pool1d(self.second(h), 2).repeat_interleave(2, -1)
        return self.last(torch.cat((h, functional.relu(coarse)), 1)) + h[:, :1]


def test_skips_and_means_lead_on_with_their_own_weights():
    network = seeded(Skip())
    wiring = trace(network, lambda: network(torch.ones(1, 1, 4).double()))
    assert set(wiring.followers["first"]) == {"second", "last"}
    assert wiring.followers["second"] == ("last",)
    last, second = (layer.weight.detach()[:, :, 0] for layer in (network.last, network.second))
    torch.testing.assert_close(wiring.onward["first"], (last[0, :2] + second.sum(0))[:, None].expand(2, 4))
    torch.testing.assert_close(wiring.onward["second"], last[0, 2:, None].expand(2, 4))


def test_branch_and_trunk_are_two_chains():
    network = seeded(DeepONet(sensors=5, dims=1, modes=3, width=4))
    wiring = trace(network, lambda: network(torch.ones(2, 5).double(), torch.ones(3, 1).double()))
    assert wiring.sources == ("branches.0.layers.0", "trunks.0.layers.0")
    assert wiring.followers["branches.0.layers.0"] == ("branches.0.layers.1",)
    weight = network.trunks[0].layers[1].weight
    torch.testing.assert_close(wiring.onward["trunks.0.layers.0"], weight.detach().sum(0))


def test_tracing_changes_nothing_and_leaves_no_hooks():
    network = seeded(MLP(3, 2, width=4))
    x, before = torch.randn(5, 3).double(), copy.deepcopy(network.state_dict())
    plain = network(x)
    answers = []
    neurons = neuron_activity(network, lambda: answers.append(network(x)))
    trace(network, lambda: network(x))
    assert torch.equal(answers[0], plain)
    assert torch.equal(network(x), plain)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(layer._forward_hooks for layer in network.modules())
    assert list(neurons) == ["layers.0", "layers.2"]


def test_layers_that_are_no_links_are_named_with_the_reason():
    network = nn.Sequential(nn.Linear(3, 3), nn.GRU(3, 2))
    wiring = trace(network, lambda: network(torch.ones(4, 3)))
    assert list(wiring.links) == ["0"]
    assert "more than one" in wiring.skipped["1"]


def test_parts_of_a_layer_that_is_no_link_are_none_and_the_graph_begins_anew_behind_it():
    middle = tversky_projection(3, 3, features=5)
    network = nn.Sequential(nn.Linear(3, 3), middle, nn.Linear(3, 2))
    wiring = trace(network, lambda: network(torch.ones(4, 3)))
    assert list(wiring.links) == ["0", "2"]
    assert list(wiring.skipped) == ["1"]
    assert wiring.sources == ("0", "2")
    assert wiring.followers["0"] == ()


def test_strengths_of_neurons_of_a_linear_net_follow_from_the_mean_of_the_data():
    layer = seeded(nn.Linear(4, 3))
    x = torch.randn(50, 4, generator=rng.generator(1)).double()
    neurons = neuron_activity(layer, lambda: layer(x))["network"]
    torch.testing.assert_close(neurons.strength, x.mean(0) @ layer.weight.detach().T + layer.bias.detach())
    one_hot = torch.eye(4).double()
    spread = neuron_activity(layer, lambda: layer(one_hot))["network"]
    torch.testing.assert_close(spread.strength - layer.bias.detach(), layer.weight.detach().sum(1) / 4)
    assert not spread.activated


def test_activations_are_those_of_the_function_that_follows_also_behind_a_norm():
    network = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 1))
    x = torch.randn(20, 3, generator=rng.generator(0))
    neurons = neuron_activity(network, lambda: network(x))
    torch.testing.assert_close(neurons["0"].activation.float(), network[:3](x).mean(0).detach())
    assert neurons["0"].activated
    assert not neurons["3"].activated


def test_order_of_hidden_neurons_permutes_them_and_scale_scales_strengths():
    network = seeded(nn.Sequential(nn.Linear(3, 6, bias=False), nn.Tanh(), nn.Linear(6, 2, bias=False)))
    x, order = torch.randn(30, 3).double(), torch.tensor([3, 1, 5, 0, 2, 4])
    moved = copy.deepcopy(network)
    moved[0].weight.data, moved[2].weight.data = network[0].weight.data[order], network[2].weight.data[:, order]
    before, after = strengths(network, x), strengths(moved, x)
    torch.testing.assert_close(before["0"][order], after["0"])
    assert fluctuation(before["0"]) == pytest.approx(fluctuation(after["0"]), rel=1e-12)
    here, there = neuron_activity(network, lambda: network(x))["0"], neuron_activity(moved, lambda: moved(x))["0"]
    torch.testing.assert_close(here.strength[order], there.strength)
    torch.testing.assert_close(here.activation[order], there.activation)
    for layer in (moved[0], moved[2]):
        layer.weight.data *= -3
    scaled = strengths(moved, x, boundary=False)
    torch.testing.assert_close(scaled["0"], -3 * after["0"])
    assert fluctuation(scaled["0"]) == pytest.approx(3 * fluctuation(after["0"]), rel=1e-12)


def test_training_makes_strengths_fluctuate_more():
    growth = []
    for seed in range(5):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
        x = torch.linspace(-3, 3, 64)[:, None]
        before = [fluctuation(strengths(network, x)[name]) for name in ("0", "2")]
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
        for _ in range(300):
            optimiser.zero_grad()
            (network(x) - x.sin()).square().mean().backward()
            optimiser.step()
        after = [fluctuation(strengths(network, x)[name]) for name in ("0", "2")]
        growth.append([late / early for late, early in zip(after, before, strict=True)])
    assert (np.mean(growth, axis=0) > 1.1).all()


def healthy(nonlinearity="tanh"):
    torch.manual_seed(0)
    return MLP(6, 1, width=64, layers=2, nonlinearity=nonlinearity)


def spoiled(how):
    """A network with one layer spoiled, and which one."""
    network = healthy("relu" if how == "dead" else "tanh")
    layer = network.layers[2]
    with torch.no_grad():
        if how == "dead":
            layer.bias -= 50.0
        elif how == "saturated":
            layer.weight *= 300.0
        elif how == "blown up":
            network.layers[4].weight *= 1e6
            return network, "layers.4"
        elif how == "not finite":
            layer.weight[0, 0] = math.inf
    return network, "layers.2"


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu", "gelu", "silu", "softplus"])
def test_fresh_networks_are_healthy(nonlinearity):
    network, x = healthy(nonlinearity), torch.randn(256, 6, generator=rng.generator(0))
    assert {entry.verdict for entry in diagnose(neuron_activity(network, lambda: network(x))).values()} == {"healthy"}


@pytest.mark.parametrize("how", ["dead", "saturated", "blown up", "not finite"])
def test_the_layer_that_is_ill_is_named(how):
    network, name = spoiled(how)
    x = torch.randn(256, 6, generator=rng.generator(0))
    health = diagnose(neuron_activity(network, lambda: network(x)))
    assert health[name].verdict == how
    assert health["layers.0"].verdict == "healthy"


def test_distances_of_distributions_are_those_of_known_densities():
    draw = np.random.default_rng(0)
    a, b = draw.normal(0, 1, 4000), draw.normal(1, 1, 4000)
    x = np.linspace(-8, 9, 20_001)
    p, q = (np.exp(-0.5 * (x - mean) ** 2) / math.sqrt(2 * math.pi) for mean in (0, 1))
    m = (p + q) / 2
    exact = 0.5 * np.trapezoid(p * np.log(p / m) + q * np.log(q / m), x)
    assert js_divergence(a, b) == pytest.approx(exact, rel=0.08)
    assert js_divergence(a, b) == pytest.approx(js_divergence(b, a), rel=1e-9)
    assert js_divergence(a, a) == pytest.approx(0, abs=1e-12)
    assert js_divergence(a, a + 100) == pytest.approx(math.log(2), rel=1e-3)
    assert js_divergence([0.0, 0.0], [0.0, 0.0]) == pytest.approx(0, abs=1e-12)
    assert js_divergence([0.0, 0.0], [1.0, 1.0]) == pytest.approx(math.log(2), rel=1e-3)
    outlier = np.append(a, 1e6)
    assert js_divergence(outlier, a, reject=5) == pytest.approx(0, abs=1e-4)
    for bad in ([], [math.nan]):
        with pytest.raises(UserError):
            js_divergence(bad, a)


class Rows:
    """A batch for a rule."""

    def __init__(self, inputs):
        self.inputs = inputs

    def __len__(self):
        return len(self.inputs)


def watched(every):
    torch.manual_seed(0)
    network = MLP(16, 4, width=256, layers=4)
    loss = lambda module, batch, along: module(batch.inputs).square().mean()
    rule = GradientRule(network, loss, TrainConfig(steps=1000))
    return network, WatchedRule(rule, network, every=every) if every else rule


def test_watching_changes_no_step_and_is_logged_and_resumed():
    batch = Rows(torch.randn(32, 16))
    (plain, rule), (seen, watching) = watched(0), watched(2)
    for step in range(4):
        assert torch.equal(rule.step(batch, step / 4), watching.step(batch, step / 4))
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), seen.parameters(), strict=True))
    logged = watching.logged()
    assert logged["network/ill_layers"] == 0
    assert 0 < logged["network/largest"] < 10
    _, again = watched(2)
    again.load_state_dict(copy.deepcopy(watching.state_dict()))
    assert again.logged().items() >= {name: value for name, value in logged.items() if "/" in name}.items()


def test_watching_every_fifty_steps_takes_less_than_two_per_cent():
    batch = Rows(torch.randn(256, 16))
    _, rule = watched(1)  # every step is watched

    def seconds(step):
        begun = time.process_time()
        for _ in range(5):
            step(batch, 0.5)
        return time.process_time() - begun

    for step in (rule.step, rule.inner.step):
        step(batch, 0.5)
    plain = seen = share = math.inf
    for _ in range(40):  # the least of many, since what other work of the machine adds is no part of it
        plain, seen = min(plain, seconds(rule.inner.step)), min(seen, seconds(rule.step))
        share = (seen - plain) / plain / 50
        if share < 0.02:
            break
    assert share < 0.02
