"""Networks as graphs: what a look costs, which numbers see a spoiled training early, what gives an architecture away.

Health: tanh networks 8-64-64-1 learn the flow through a borehole; 16 as they should, 6 with each fault. At step 100
every number is scored by the area under the curve (AUC) with which it alone tells the faulty from the sound; the best
of its kind counts, in either direction, which flatters a kind the more numbers it has (neurons have most).
Signatures: 54 networks (three architectures,
three activations, six seeds) after 150 steps; the nearest neighbour among the other seeds says what one is, from one
kind of numbers each. Seconds are those of one look at links, nodes and neurons, the peer one step of training.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import Row, version
from sciml.core import registry, rng
from sciml.nn import Activation, activation
from sciml.tools.network import neuron_activity, signature, trace

STEPS, RATE, ROWS = 100, 3e-3, 256
FAULTS = ("rate x 100", "rate / 150", "weights x 8", "shuffled targets", "biases - 5")
ACTIVATIONS: tuple[Activation, ...] = ("tanh", "relu", "gelu")
KINDS = ("links", "nodes", "neurons")


def race(quick: bool) -> Iterable[Row]:
    """A row per fault and one per question about signatures; one fault and two seeds if quick."""
    sound, faulty = (4, 2) if quick else (16, 6)
    healthy = [trained(seed, "") for seed in range(sound)]
    for fault in FAULTS[:1] if quick else FAULTS:
        spoiled = [trained(100 + seed, fault) for seed in range(faulty)]
        scores = {kind: best_area([n[kind] for n in healthy], [n[kind] for n in spoiled]) for kind in (*KINDS, "loss")}
        note = ", ".join(f"{kind} {score:.2f}" for kind, score in scores.items())
        seconds = [float(np.median([n["seconds"][name] for n in healthy])) for name in ("look", "step")]
        yield Row(case=f"AUC at step {STEPS}: {fault}", ours_s=seconds[0], peer="training step",
                  peer_version=version("torch"), peer_s=seconds[1], note=note)  # fmt: skip
    zoo = [entry for seed in range(2 if quick else 6) for entry in family(seed)]
    for question in ("architecture", "activation"):
        shares = {kind: recognised(zoo, question, kind) for kind in KINDS}
        note = ", ".join(f"{kind} {share:.2f}" for kind, share in shares.items()) + ", chance 0.33"
        yield Row(case=f"share recognised: {question}", ours_s=zoo[0]["seconds"]["look"], peer="training step",
                  peer_version=version("torch"), peer_s=zoo[0]["seconds"]["step"], note=note)  # fmt: skip


def trained(seed: int, fault: str) -> dict[str, dict[str, float]]:
    """One network at step 100: numbers by kind, the loss among them, and seconds."""
    draw = rng.generator(seed, "network race")
    network = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    reset(network, draw)
    with torch.no_grad():
        for parameter in network.parameters():
            if fault == "weights x 8" and parameter.ndim > 1:
                parameter.mul_(8)
            if fault == "biases - 5" and parameter.ndim == 1 and len(parameter) > 1:
                parameter.sub_(5)
    x, y = borehole(draw)
    if fault == "shuffled targets":
        y = y[torch.randperm(len(y), generator=draw)]
    rate = RATE * {"rate x 100": 100, "rate / 150": 1 / 150}.get(fault, 1)
    return looked_at(network, x, y, rate, STEPS)


def looked_at(network: nn.Module, x: Tensor, y: Tensor, rate: float, steps: int) -> dict[str, dict[str, float]]:
    """Train, then look."""
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    loss, begun = torch.zeros(()), time.perf_counter()
    for _ in range(steps):
        optimiser.zero_grad()
        loss = (network(x) - y).square().mean()
        loss.backward()
        optimiser.step()
    middle = time.perf_counter()
    kinds = signature(trace(network, lambda: network(x[:2])), neuron_activity(network, lambda: network(x)))
    seconds = {"step": (middle - begun) / steps, "look": time.perf_counter() - middle}
    return {**kinds, "loss": {"loss": float(loss.detach())}, "seconds": seconds}


def borehole(draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Parameters from -1 to 1 and the logarithm of the flow, standardised."""
    problem = registry.problem("borehole")
    x = 2 * torch.rand(ROWS, 8, generator=draw, dtype=torch.float64) - 1
    ends = torch.tensor([(entry.low, entry.high) for entry in problem.parameters], dtype=torch.float64)
    values = ends[:, 0] + (ends[:, 1] - ends[:, 0]) * (x + 1) / 2
    params = {entry.name: values[:, i] for i, entry in enumerate(problem.parameters)}
    flow = problem.evaluate(params)[:, :1].log()
    return x.float(), ((flow - flow.mean()) / flow.std()).float()


def best_area(sound: list[Mapping[str, float]], faulty: list[Mapping[str, float]]) -> float:
    """The largest AUC of a single number, in either direction; what is not finite counts as largest."""
    best = 0.5
    for name in sound[0]:
        a, b = (np.array([_finite(n[name]) for n in group]) for group in (sound, faulty))
        area = float(((b[:, None] > a).mean() + (b[:, None] >= a).mean()) / 2)
        best = max(best, area, 1 - area)
    return best


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 1e30


def family(seed: int) -> list[dict]:
    """Networks of every architecture and activation, taught to denoise sums of two waves."""
    entries = []
    for name, make in ARCHITECTURES.items():
        for nonlinearity in ACTIVATIONS:
            draw = rng.generator(seed, "signatures", name, nonlinearity)
            network = make(nonlinearity)
            reset(network, draw)
            x, y = waves(draw)
            shaped = (x[:, None], y[:, None]) if name == "convolutional" else (x, y)
            entries.append({"seed": seed, "architecture": name, "activation": nonlinearity,
                            **looked_at(network, *shaped, RATE, 150)})  # fmt: skip
    return entries


def waves(draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sums of two waves on 32 points, with noise and without."""
    points = torch.arange(32) / 32
    phases, sizes = (torch.rand(ROWS, 2, 1, generator=draw) for _ in range(2))
    clean = (sizes * torch.sin(2 * math.pi * (torch.tensor([[1.0], [2.0]]) * points + phases))).sum(1)
    return clean + 0.3 * torch.randn(clean.shape, generator=draw), clean


def _dense(*sizes: int) -> Callable[[Activation], nn.Module]:
    def make(nonlinearity: Activation) -> nn.Module:
        layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), activation(nonlinearity))]
        return nn.Sequential(*layers[:-1])

    return make


def _convolutional(nonlinearity: Activation) -> nn.Module:
    def conv(a: int, b: int) -> nn.Module:
        return nn.Conv1d(a, b, 5, padding=2, padding_mode="circular")

    return nn.Sequential(conv(1, 16), activation(nonlinearity), conv(16, 16), activation(nonlinearity), conv(16, 1))


ARCHITECTURES = {
    "fully connected": _dense(32, 48, 48, 32),
    "autoencoder": _dense(32, 48, 8, 48, 32),
    "convolutional": _convolutional,
}


def reset(network: nn.Module, draw: torch.Generator) -> None:
    """Weights and biases as torch draws them, from a generator."""
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Linear | nn.Conv1d):
                bound = layer.weight[0].numel() ** -0.5
                for parameter in layer.parameters():
                    parameter.copy_((2 * torch.rand(parameter.shape, generator=draw) - 1) * bound)


def recognised(zoo: list[dict], question: str, kind: str) -> float:
    """Share of networks whose nearest neighbour of another seed answers the question rightly."""
    rows = np.array([list(entry[kind].values()) for entry in zoo])
    rows = (rows - rows.mean(0)) / np.where(rows.std(0) > 0, rows.std(0), 1.0)
    seeds = np.array([entry["seed"] for entry in zoo])
    distance = np.linalg.norm(rows[:, None] - rows, axis=2)
    distance[seeds[:, None] == seeds] = np.inf
    nearest = distance.argmin(1)
    return float(np.mean([entry[question] == zoo[near][question] for entry, near in zip(zoo, nearest, strict=True)]))
