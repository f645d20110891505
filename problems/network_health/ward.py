"""The networks and what was done to them."""

import functools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sciml.core import registry, rng
from sciml.core.capabilities import HasFormula
from sciml.core.errors import DataError
from sciml.nn import Activation, activation
from sciml.tools.network import Member, train_population

SOURCE = "borehole"
"""The problem that the networks learn."""
EACH = 16
"""Networks of each fault and activation."""
ACTIVATIONS: tuple[Activation, ...] = ("tanh", "relu")
WIDTH, ROWS, STEPS, RATE = 32, 128, 100, 3e-3
RATES = {"slow": 1 / 150, "fast": 100.0}
"""What the learning rate is multiplied by."""
LARGER, LOWER = 8.0, 5.0
"""What first weights are multiplied by in ``large``, and what is taken off the hidden biases in ``dead``."""


@functools.cache
def networks(faults: tuple[str, ...]) -> tuple[tuple[str, Member], ...]:
    """Fault and what was seen, of every network; trained once per process, always the same."""
    return tuple(
        (fault, member)
        for fault in faults
        for nonlinearity in ACTIVATIONS
        for member in family(fault, nonlinearity, range(EACH))
    )


def family(fault: str, nonlinearity: Activation, numbers: Iterable[int]) -> list[Member]:
    """Networks with one fault, by their numbers; each has first weights and training samples of its own."""
    draws = [rng.generator(number, "network_health", fault, nonlinearity) for number in numbers]
    built = [first(fault, nonlinearity, draw) for draw in draws]
    x, y = (torch.stack(part) for part in zip(*(rows(fault, draw) for draw in draws), strict=True))
    return train_population(built, x, y, steps=STEPS, learning_rate=RATE * RATES.get(fault, 1.0))


def first(fault: str, nonlinearity: Activation, draw: torch.Generator) -> nn.Module:
    """A network 8-32-32-1 in double precision as torch draws it, from a generator, and what the fault makes of it."""
    network = nn.Sequential(
        nn.Linear(8, WIDTH), activation(nonlinearity), nn.Linear(WIDTH, WIDTH), activation(nonlinearity),
        nn.Linear(WIDTH, 1),
    ).double()  # fmt: skip
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in layers:
            for parameter in layer.parameters():
                shares = torch.rand(parameter.shape, generator=draw, dtype=torch.float64)
                parameter.copy_((2 * shares - 1) * layer.in_features**-0.5)
            if fault == "large":
                layer.weight.mul_(LARGER)
            if fault == "dead" and layer is not layers[-1]:
                layer.bias.sub_(LOWER)
    return network


def rows(fault: str, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Parameters from -1 to 1 and the logarithm of the flow, standardised; in another order if they are shuffled."""
    problem = registry.problem(SOURCE)
    if not isinstance(problem, HasFormula):
        raise DataError(f"{SOURCE!r} has no formula", got=type(problem).__name__,
                        expected="the problem of that name of this program")  # fmt: skip
    x = 2 * torch.rand(ROWS, len(problem.parameters), generator=draw, dtype=torch.float64) - 1
    values = {entry.name: entry.at((x[:, i] + 1) / 2) for i, entry in enumerate(problem.parameters)}
    flow = problem.evaluate(values)[:, :1].log()
    y = (flow - flow.mean()) / flow.std()
    return x, y[torch.randperm(ROWS, generator=draw)] if fault == "shuffled" else y
