"""The probe `network` and the policy `watch`."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pydantic
import torch
import xarray
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.config import Config
from sciml.core.errors import UnsupportedError, UserError
from sciml.core.types import Support
from sciml.nn import SpectralConv
from sciml.nn.ssm import SharedStateSpace
from sciml.tools._contract import AnyRule, Findings, FindingsFigure, FindingsTable, Policy, Probe, Subject
from sciml.tools.network._activity import Neurons, neuron_activity
from sciml.tools.network._health import Health, diagnose
from sciml.tools.network._links import Call, Wiring, trace
from sciml.tools.network._rule import WatchedRule
from sciml.tools.network._special import mode_strengths, recurrent_strengths, state_space_strengths
from sciml.tools.network._strength import NodeLayer, fluctuation, node_strengths
from sciml.train import AnySolver, TrainConfig, default_rule

CITATION = (
    "La Malfa, La Malfa, Nicosia, Latora, Deep Neural Networks via Complex Network Theory: a Perspective, IJCAI 2024, "
    "arXiv:2404.11172"
)
_BINS = 41


class NetworkConfig(Config):
    """What is looked at."""

    samples: int = pydantic.Field(default=256, ge=2)
    """Training samples that go through the network, the first ones."""
    bias: bool = True
    """Whether biases count in the strength of nodes."""
    boundary: bool = True
    """Whether inputs and outputs have a link of weight 1 to the outside."""


@dataclass(frozen=True)
class NetworkView:
    """A network as a graph with data on it.

    Arguments:
        wiring: links and how they follow one another; None where the solver's loss does not call its layers one by one.
        nodes: strengths of nodes by layer.
        neurons: what neurons do on the data.
        health: verdicts by layer.
        reason: why there is no wiring.
    """

    wiring: Wiring | None
    nodes: tuple[NodeLayer, ...]
    neurons: dict[str, Neurons]
    health: dict[str, Health]
    reason: str = ""


def view_network(subject: Subject, config: NetworkConfig) -> NetworkView:
    """Look at the module of a run; nothing of it changes.

    Raises: UnsupportedError where no layer with a matrix is called.
    """
    module, solver = subject.module, subject.solver
    examples = subject.bench().examples
    batch = examples.batch(torch.arange(min(config.samples, len(examples))), rng.generator(subject.seed, "network"))
    state, training = rng.state(), module.training
    module.eval()
    try:
        neurons = neuron_activity(module, lambda: solver.loss(module, batch, 1.0))
        if not neurons:
            neurons = neuron_activity(module, subject.predict(module))
        wiring, reason = _wiring(module, lambda: solver.loss(module, batch.rows(slice(0, 2)), 1.0))
    finally:
        module.train(training)
        rng.restore(state)
    if not neurons:
        raise UnsupportedError("no layer of this module can be looked at: none with a matrix is called")
    nodes = () if wiring is None else node_strengths(wiring, bias=config.bias, boundary=config.boundary)
    return NetworkView(wiring, nodes, neurons, diagnose(neurons), reason)


def _wiring(module: nn.Module, call: Call) -> tuple[Wiring | None, str]:
    """The wiring, or why there is none."""
    try:
        wiring = trace(module, call)
    except (RuntimeError, UserError, TypeError, ValueError) as error:  # a solver's own code may refuse cut outputs
        return None, str(error).splitlines()[0]
    return (wiring, "") if wiring.links else (None, "its loss reads weights of layers without calling them")


class NetworkProbe(Probe[NetworkConfig]):
    """The network of a run as a weighted graph: links, strengths of nodes, neurons on data, and which layer is ill."""

    key = "network"
    title = "The network as a graph"
    citation = CITATION
    config = NetworkConfig

    def supports(self, solver: AnySolver) -> Support:
        """A solver that trains a network."""
        return supports_network(solver)

    def probe(self, subject: Subject, config: NetworkConfig) -> Findings:
        """Look at the module on training samples; the data are made or opened."""
        view = view_network(subject, config)
        ill = {name: entry for name, entry in view.health.items() if entry.verdict != "healthy"}
        words = [
            f"{name} is {entry.verdict}: {100 * entry.dead:.0f} % of its neurons are dead, "
            f"{100 * entry.saturated:.0f} % saturated, pre-activations {entry.size:.3g}."
            for name, entry in ill.items()
        ] or [f"All {len(view.health)} layers are healthy."]
        if view.reason:
            words.append(f"Strengths of nodes are left out: {view.reason.rstrip('.')}.")
        if view.wiring is not None:
            words += [f"{name} has no links: {reason}." for name, reason in view.wiring.skipped.items()]
        metrics = {
            "layers": float(len(view.health)),
            "ill_layers": float(len(ill)),
            "dead": max(entry.dead for entry in view.health.values()),
            "saturated": max(entry.saturated for entry in view.health.values()),
        }
        modes = {n: mode_strengths(m) for n, m in subject.module.named_modules() if isinstance(m, SpectralConv)}
        tables = (*_tables(view), *_unfolded(subject.module))
        return Findings(metrics, _arrays(view), tuple(words), tables, (*_figures(view), *_modes(modes)))


class WatchConfig(Config):
    """How often a network is looked at while it is trained."""

    every: int = pydantic.Field(default=50, ge=1)
    """Steps from one look to the next."""


class WatchPolicy(Policy[WatchConfig]):
    """Trains as the solver does and logs the worst shares of dead and saturated neurons of any layer."""

    key = "watch"
    title = "Watched training"
    citation = CITATION
    config = WatchConfig

    def supports(self, solver: AnySolver) -> Support:
        """A solver that trains a network."""
        return supports_network(solver)

    def training(self, config: WatchConfig, recipe: TrainConfig) -> TrainConfig:
        """That of the solver."""
        return recipe

    def rule(self, subject: Subject, module: nn.Module, train: TrainConfig, config: WatchConfig) -> AnyRule:
        """The solver's own steps."""
        solver, examples = subject.solver, subject.bench().examples
        inner = solver.step_rule(module, examples, train)
        inner = inner or default_rule(module, solver.loss, examples, train, seed=subject.seed)
        return WatchedRule(inner, module, every=config.every)


def supports_network(solver: AnySolver) -> Support:
    """Whether a solver has a network to look at."""
    if solver.rule is None:
        return Support(False, "it takes no training steps, so it has no network to look at")
    if solver.knob is None:
        return Support(False, "what it trains are coefficients of an equation, or a network that its own steps rebuild")
    return Support(True)


def _tables(view: NetworkView) -> tuple[FindingsTable, ...]:
    columns = ("layer", "neurons", "verdict", "dead in %", "saturated in %", "pre-activations", "mean S", "std S",
               "mean A", "std A")  # fmt: skip
    rows = tuple(
        (
            name,
            layer.strength.numel(),
            view.health[name].verdict,
            100 * view.health[name].dead,
            100 * view.health[name].saturated,
            _number(layer.size),
            *(_number(value) for value in (*_moments(layer.strength), *_moments(layer.activation))),
        )
        for name, layer in view.neurons.items()
    )
    tables = [FindingsTable("Neurons on data", columns, rows, "pre-activations")]
    if view.wiring is not None:
        tables.append(_nodes_table(view.nodes, view.wiring))
    return tuple(tables)


def _nodes_table(nodes: tuple[NodeLayer, ...], wiring: Wiring) -> FindingsTable:
    columns = ("layer", "nodes", "mean weight", "std of weights", "mean s", "fluctuation Y", "Y normalised", "leads to")
    rows = []
    for layer in nodes:
        link = wiring.links.get(layer.name)
        mean, std = (0.0, 0.0) if link is None else _moments(link.weights)
        onward = ", ".join(wiring.followers.get(layer.name, (layer.name.removeprefix("input of "),))) or "output"
        rows.append((
            layer.name, layer.strength.numel(), _number(mean), _number(std), _number(float(layer.strength.mean())),
            _number(fluctuation(layer.strength)), _number(fluctuation(layer.normalised)), onward,
        ))  # fmt: skip
    return FindingsTable("Links and nodes", columns, tuple(rows), "Y normalised")


def _unfolded(module: nn.Module) -> tuple[FindingsTable, ...]:
    """Recurrent and state-space layers unfolded in time: strengths are constant between the ends."""
    columns = ("layer", "units", "mean s at first", "mean s between", "mean s at last", "fluctuation Y between")
    rows = []
    for name, layer in module.named_modules():
        if isinstance(layer, nn.RNNBase):
            first, between, last = recurrent_strengths(layer, 3)
        elif isinstance(layer, SharedStateSpace):
            first, between, last = state_space_strengths(layer, 3)
        else:
            continue
        means = (float(values.mean()) for values in (first, between, last))
        rows.append((name, between.numel(), *map(_number, means), _number(fluctuation(between))))
    return (FindingsTable("Recurrent layers, unfolded", columns, tuple(rows)),) if rows else ()


def _modes(modes: Mapping[str, Tensor]) -> tuple[FindingsFigure, ...]:
    if not modes:
        return ()
    lines = {name: (tuple(range(1, len(sizes) + 1)), tuple(sizes.tolist())) for name, sizes in list(modes.items())[:6]}
    return (FindingsFigure("Links of Fourier modes", "mode, in the order of the weight", "mean |R|", lines),)


def _figures(view: NetworkView) -> tuple[FindingsFigure, ...]:
    figures = [
        _densities("Activation of neurons, mean over data", "A", {n: v.activation for n, v in view.neurons.items()})
    ]
    if view.nodes:
        figures.append(
            _densities("Strength of nodes, normalised", "s / √links", {n.name: n.normalised for n in view.nodes})
        )
    return tuple(figures)


def _densities(title: str, x: str, values: Mapping[str, Tensor]) -> FindingsFigure:
    """Histograms of at most six layers, evenly over the depth of the network."""
    names = list(values)
    shown = [names[round(i)] for i in np.linspace(0, len(names) - 1, min(6, len(names)))]
    lines = {}
    for name in dict.fromkeys(shown):
        flat = values[name].detach().double().flatten().numpy()
        flat = flat[np.isfinite(flat)]
        if flat.size:
            heights, edges = np.histogram(flat, bins=_BINS if np.ptp(flat) else 3, density=True)
            lines[name] = (tuple((0.5 * (edges[1:] + edges[:-1])).tolist()), tuple(heights.tolist()))
    caption = "One line per layer, from input to output; at most six are drawn." if len(names) > 6 else ""
    return FindingsFigure(title, x, "density", lines, caption=caption)


def _arrays(view: NetworkView) -> xarray.Dataset:
    """Every neuron and node, by layer."""
    arrays = {}
    for number, (name, layer) in enumerate(view.neurons.items()):
        dim = f"neuron_{number + 1}"
        arrays[f"strength_{number + 1}"] = (
            dim,
            layer.strength.flatten().numpy(),
            {"units": "1", "long_name": f"neuron strength in {name}"},
        )
        arrays[f"activation_{number + 1}"] = (
            dim,
            layer.activation.flatten().numpy(),
            {"units": "1", "long_name": f"neuron activation in {name}"},
        )
    for number, layer in enumerate(view.nodes):
        values = layer.strength.detach().double().flatten().numpy()
        arrays[f"node_{number + 1}"] = (
            f"vertex_{number + 1}",
            values,
            {"units": "1", "long_name": f"node strength in {layer.name}"},
        )
    return xarray.Dataset(arrays)


def _moments(values: Tensor) -> tuple[float, float]:
    flat = values.detach().double().flatten()
    return float(flat.mean()), float(flat.std(unbiased=False))


def _number(value: float) -> float | str:
    """A cell that JSON can hold."""
    return value if np.isfinite(value) else "not finite"
